/**
 * Chooses the points of a stream that a branch works on, and groups them.
 *
 * Everything that depends on the series alone (database, retention policy, measurement, the group) is
 * decided when its first point arrives and remembered in the series. A `where` that reads only tags is
 * remembered too; the others are shared between tasks with the same text, so a point is tested once.
 * Order: names, `where` (original time and tags), truncate, round, groups.
 */

import type { DurationNs } from "#lib/int64.ts";
import { roundTime, truncateTime } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import type { Series } from "#model/series.ts";
import type { Expression } from "#tick/ast.ts";
import { argument, Calls } from "../calls.ts";
import { withReferences } from "../field-needs.ts";
import type { GroupTable } from "../group-table.ts";
import { Grouping, type GroupingRule, readDimensions } from "../grouping.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import type { PointFilter } from "../point-filters.ts";
import { flag, list, method, value } from "../properties.ts";
import { Forwarding } from "../receiver.ts";
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

class From extends Forwarding {
  readonly #options: Options;
  readonly #context: NodeContext;
  readonly #grouping: Grouping;
  readonly #choices: OwnedMemo<Group | Misfit>;
  readonly #misfit: Misfit;
  readonly #filters: readonly PointFilter[];
  readonly #changesTime: boolean;
  readonly #isGrouped: boolean;
  #last: Series | undefined;
  #lastChoice: Group | Misfit;

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#context = context;
    const table = context.groupTable((group) => this.out.deleteGroup(group));
    const slot = context.seriesSlot();
    this.#grouping = new Grouping(options.grouping, slot, table);
    this.#choices = new OwnedMemo(slot, table);
    this.#misfit = { owner: table };
    this.#lastChoice = this.#misfit;
    this.#filters = options.where.map((expression) => context.filters.take(expression));
    const { byName, tagNames } = options.grouping;
    this.#isGrouped = byName || tagNames.length > 0;
    this.#changesTime = options.truncate > 0 || options.round > 0;
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

  /** Without groups the names alone decide, and they are mostly those of the point before. */
  #choiceOf(series: Series): Group | Misfit {
    if (this.#isGrouped) {
      return this.#choices.get(series) ?? this.#choices.set(series, this.#choose(series));
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
      this.#context.error("failed to evaluate WHERE expression", error);
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
