/**
 * Chooses the points of a stream that a branch works on, and groups them.
 *
 * Everything that depends on the series alone (database, retention policy, measurement, the group) is
 * decided when its first point arrives and remembered by the series' place in its measurement. A `where` that reads only tags is
 * remembered too; the others are shared between tasks with the same text, so a point is tested once.
 * Order: names, `where` (original time and tags), truncate, round, groups.
 */

import type { DurationNs } from "#lib/int64.ts";
import { roundTime, truncateTime } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import type { Series, SeriesHome } from "#model/series.ts";
import type { Expression } from "#tick/ast.ts";
import { argument, Calls } from "../calls.ts";
import { withReferences } from "../field-needs.ts";
import type { GroupTable } from "../group-table.ts";
import { Grouping, type GroupingRule, readDimensions } from "../grouping.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import type { PointFilter } from "../point-filters.ts";
import { flag, list, method, value } from "../properties.ts";
import { Forwarding, sendRun } from "../receiver.ts";
import { OwnedMemo } from "../series-memo.ts";

interface Options {
  readonly database: string;
  readonly retentionPolicy: string;
  readonly measurement: string;
  /** All must hold. */
  readonly where: readonly Expression[];
  readonly grouping: GroupingRule;
  readonly truncate: DurationNs;
  readonly round: DurationNs;
}

export const from = defineNode<Options>({
  method: "from",
  goType: "*pipeline.FromNode",
  wants: "stream",
  provides: "stream",
  onlyParents: ["stream", "from"],
  doc: "Chooses points by database, retention policy, measurement and filter, and groups them.",
  properties: [
    value("database", "string", "Only points of this database; empty means any."),
    value("retentionPolicy", "string", "Only points of this retention policy; empty means any."),
    value("measurement", "string", "Only points of this measurement; empty means any."),
    method("where", ["lambda"], "Only points for which this holds. Repeated calls must all hold."),
    list("groupBy", "any", "Tags to group by, or * for all. A later call replaces an earlier one."),
    flag("groupByMeasurement", "Also groups by measurement."),
    value("truncate", "duration", "Rounds times down to a multiple of this."),
    value("round", "duration", "Rounds times to the nearest multiple of this, after truncating."),
    QUIET,
  ],

  options({ calls: made }) {
    const calls = new Calls(made);
    return {
      database: calls.string("database") ?? "",
      retentionPolicy: calls.string("retentionPolicy") ?? "",
      measurement: calls.string("measurement") ?? "",
      where: calls.all("where").map((args) => argument(args, 0, "lambda").value),
      grouping: {
        byName: calls.flag("groupByMeasurement"),
        tagNames: readDimensions(calls.last("groupBy") ?? []),
        exclude: [],
      },
      truncate: calls.duration("truncate") ?? 0,
      round: calls.duration("round") ?? 0,
    };
  },

  needs: ({ where }, below) => withReferences(below, where),
  start: (options, context) => new From(options, context),
});

/** What is known of a series whose names do not fit. */
interface Misfit {
  readonly owner: GroupTable;
}

const NOWHERE_YET: SeriesHome = { slots: [] };

class From extends Forwarding {
  readonly #options: Options;
  readonly #context: NodeContext;
  readonly #grouping: Grouping;
  readonly #table: GroupTable;
  /** True when all points that fit are of one measurement of one database. */
  readonly #hasOneHome: boolean;
  /** Groups of the series of `#home` by place: dense, where a slot in each series is a cache miss per point. */
  #home: SeriesHome = NOWHERE_YET;
  #places: (Group | Misfit | undefined)[] = [];
  /** For all other series. */
  #choices: OwnedMemo<Group | Misfit> | undefined;
  readonly #misfit: Misfit;
  readonly #filters: readonly PointFilter[];
  readonly #changesTime: boolean;
  readonly #isGrouped: boolean;
  #last: Series | undefined;
  #lastChoice: Group | Misfit;
  /** Whatever is the same for all points of a measurement is then done once per run. */
  readonly takesRuns: boolean;
  readonly #failed = (error: unknown): void =>
    this.#context.error("failed to evaluate WHERE expression", error);

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#context = context;
    const table = context.groupTable((group) => this.out.deleteGroup(group));
    this.#table = table;
    this.#grouping = new Grouping(options.grouping, -1, table);
    this.#hasOneHome = options.measurement !== "" && context.task.dbrps.length === 1;
    this.#misfit = { owner: table };
    this.#lastChoice = this.#misfit;
    this.#filters = options.where.map((expression) => context.filters.take(expression));
    const { byName, tagNames } = options.grouping;
    this.#isGrouped = byName || tagNames.length > 0;
    this.#changesTime = options.truncate > 0 || options.round > 0;
    const areShared = this.#filters.every(({ kept }) => kept !== undefined);
    this.takesRuns = !this.#isGrouped && !this.#changesTime && areShared;
    context.onStop(() => this.#filters.forEach((filter) => context.filters.release(filter)));
  }

  override point(_group: Group, point: Point): void {
    const choice = this.#choiceOf(point.series);
    if (choice === this.#misfit || (this.#filters.length > 0 && !this.#passes(point))) return;
    this.out.point(choice as Group, this.#changesTime ? this.#retimed(point) : point);
  }

  override points(groups: Group[], points: Point[], count: number): void {
    const filters = this.#filters.length > 0;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const point = points[i] as Point;
      const choice = this.#choiceOf(point.series);
      if (choice === this.#misfit || (filters && !this.#passes(point))) continue;
      groups[kept] = choice as Group;
      points[kept++] = this.#changesTime ? this.#retimed(point) : point;
    }
    if (kept > 0) this.out.points(groups, points, kept);
  }

  override run(group: Group, points: readonly Point[], count: number): void {
    const first = points[0];
    if (first === undefined || !this.takesRuns) {
      super.run(group, points, count);
      return;
    }
    const choice = this.#choiceOf(first.series);
    if (choice === this.#misfit) return;
    let left = points;
    let size = count;
    for (let f = 0; f < this.#filters.length && size > 0; f++) {
      const kept = this.#filters[f]?.kept?.(left, size);
      if (kept === undefined) continue;
      for (const error of kept.failures) this.#failed(error);
      left = kept.points;
      size = kept.count;
    }
    if (size > 0) sendRun(this.out, choice as Group, left, size);
  }

  /** Without groups the names alone decide, and they are mostly those of the point before. */
  #choiceOf(series: Series): Group | Misfit {
    if (this.#isGrouped) {
      if (series.home === this.#home) {
        const known = this.#places[series.place];
        if (known !== undefined && known.owner !== undefined) return known;
      }
      return this.#newChoice(series);
    }
    const last = this.#last;
    if (last !== undefined) {
      const same = last.name === series.name && last.rp === series.rp && last.db === series.db;
      if (same && this.#lastChoice.owner !== undefined) return this.#lastChoice;
    }
    this.#last = series;
    this.#lastChoice = this.#choose(series);
    return this.#lastChoice;
  }

  #newChoice(series: Series): Group | Misfit {
    if (this.#hasOneHome && series.home !== undefined) {
      const choice = this.#choose(series);
      if (choice === this.#misfit) return choice;
      if (series.home !== this.#home) {
        this.#home = series.home;
        this.#places = [];
      }
      while (this.#places.length < series.place) this.#places.push(undefined);
      this.#places[series.place] = choice;
      return choice;
    }
    this.#choices ??= new OwnedMemo(this.#context.seriesSlot(), this.#table);
    return this.#choices.get(series) ?? this.#choices.set(series, this.#choose(series));
  }

  #choose(series: Series): Group | Misfit {
    const { database, retentionPolicy, measurement } = this.#options;
    const fits =
      (database === "" || database === series.db) &&
      (retentionPolicy === "" || retentionPolicy === series.rp) &&
      (measurement === "" || measurement === series.name);
    return fits ? this.#grouping.find(series, false) : this.#misfit;
  }

  #passes(point: Point): boolean {
    try {
      for (const filter of this.#filters) if (!filter.test(point)) return false;
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #retimed(point: Point): Point {
    const { truncate, round } = this.#options;
    let time = truncateTime(point.timeMs, point.timeNs, truncate);
    time = roundTime(time.ms, time.ns, round);
    return new Point(point.series, point.shape, point.values, time.ms, time.ns);
  }
}
