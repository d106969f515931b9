/**
 * Judges points and batches, and raises events.
 *
 * Per group: the level is determined (alert-judge.ts), remembered (alert-history.ts) and, unless it is held back
 * by `stateChangesOnly` or flapping, an event goes to the node's own anonymous topic (when it has inline
 * handlers) and then to its named topic. Only what triggers an event is passed on, with the tags and fields asked for;
 * that is so for inhibited events too. Batches differ: their level is that of the most (or, with `all`,
 * least) severe point, and a recovery is not held back by flapping.
 * Source: reference nodes.md §10, alerts.md §4.
 */

import type { AlertEvent, EventState } from "#alert/event.ts";
import { type Level, levelName, OK } from "#alert/level.ts";
import { errorMessage } from "#lib/errors.ts";
import type { DurationNs } from "#lib/int64.ts";
import { compareBytes } from "#lib/json.ts";
import { compareTime, type Time, timeDifference, ZERO_TIME } from "#lib/time.ts";
import { Group, NO_DIMENSIONS } from "#model/group.ts";
import { Point } from "#model/point.ts";
import { type Row, rowOfBatch, rowOfPoint } from "#model/result.ts";
import type { Series } from "#model/series.ts";
import type { FieldType, Shape } from "#model/shape.ts";
import { AlertGroup } from "../alert-history.ts";
import { AlertJudge } from "../alert-judge.ts";
import { ALERT_PROPERTIES, type AlertOptions, readAlertOptions } from "../alert-options.ts";
import { type AlertSubject, AlertTexts, groupText } from "../alert-texts.ts";
import { withReferences } from "../field-needs.ts";
import { FieldWriter } from "../field-writer.ts";
import { HOLDS_NOT } from "../filter-answers.ts";
import type { GroupState } from "../group-state.ts";
import type { GroupTable } from "../group-table.ts";
import { type Counter, defineNode, type NodeContext } from "../node.ts";
import { type BatchBegin, Forwarding } from "../receiver.ts";
import { withTags } from "../series-edit.ts";
import { savedList, savedNumber, savedText, savedTuple } from "../snapshot.ts";

export const alert = defineNode<AlertOptions>({
  method: "alert",
  goType: "*pipeline.AlertNode",
  wants: "either",
  provides: "same",
  doc: "Raises events when points reach levels.",
  properties: ALERT_PROPERTIES,
  options: readAlertOptions,

  /** Without topic nobody sees the points; only the expressions and a message that names fields do. */
  needs(options, below, _input, { alerts }) {
    const { handlers, topic, templates, levels, resets } = options;
    const told = handlers.length > 0 || alerts.globals(handlers).kinds.length > 0;
    const shows = told || topic !== "" || /Fields|\$/.test(templates.message);
    return shows ? "all" : withReferences(below, [...levels, ...resets]);
  },

  start(options, context) {
    const { flapping } = options;
    if (flapping !== undefined && (flapping.low > 1 || flapping.high > 1)) {
      throw new Error("alert flap thresholds are percentages and should be between 0 and 1");
    }
    return new Alert(options, context);
  },
});

/** What an event is made of besides the group's state. */
interface Occurrence {
  readonly name: string;
  readonly tags: () => Readonly<Record<string, string>>;
  /** The point that decided the level. */
  readonly point: Point;
  readonly rows: () => readonly Row[];
}

/** What the output is augmented with. */
interface Raised {
  readonly level: Level;
  readonly id: string;
  readonly message: string;
  readonly duration: number | bigint;
}

const NO_GROUP = new Group("", NO_DIMENSIONS, []);

class Alert extends Forwarding {
  readonly #options: AlertOptions;
  readonly #context: NodeContext;
  readonly #judge: AlertJudge;
  readonly #texts: AlertTexts;
  readonly #groups: GroupState<AlertGroup>;
  /**
   * What all groups have that were never anything but OK, mostly nearly all: they need no memory of their own.
   * Not when flapping is watched.
   */
  readonly #fresh = new AlertGroup(NO_GROUP, 0, ZERO_TIME.ms, ZERO_TIME.ns);
  /** What such groups have after a restart, until their topic was asked about them. */
  readonly #unasked = new AlertGroup(NO_GROUP, 0, ZERO_TIME.ms, ZERO_TIME.ns);
  readonly #inhibiting = new Set<AlertGroup>();
  /** The topic of the inline handlers, or "" without any. */
  readonly #anonymous: string;
  readonly #counters: { readonly [Name in CounterName]: Counter };
  readonly #output: Output;
  /** `undefined` = every non-OK point; 0 = only changes; else also repeats after this time. */
  readonly #stateChangesOnly: DurationNs | undefined;
  #typesShape: Shape | undefined;
  #types: Readonly<Record<string, FieldType>> = {};
  #begin: BatchBegin | undefined;
  #points: Point[] = [];
  /** The ID that a group's topic was last asked about. */
  #asked: { readonly group: Group; readonly series: Series; readonly id: string } | undefined;

  constructor(options: AlertOptions, context: NodeContext) {
    super(context.out);
    const { definition, services, task, taskMaster } = context;
    this.#options = options;
    this.#context = context;
    this.#judge = new AlertJudge(options.levels, options.resets, context);
    this.#texts = new AlertTexts(options.templates, context);
    this.#groups = context.groupState({
      save: (known) => (this.#isShared(known) ? 0 : [known.id, known.save()]),
      load: (saved, group) => (saved === 0 ? this.#unasked : this.#load(saved, group)),
    });
    const table = context.groupTable((group) => this.out.deleteGroup(group));
    this.#output = new Output(options, table);
    this.#counters = {
      alerts_triggered: context.counter("alerts_triggered"),
      alerts_inhibited: context.counter("alerts_inhibited"),
      oks_triggered: context.counter("oks_triggered"),
      infos_triggered: context.counter("infos_triggered"),
      warns_triggered: context.counter("warns_triggered"),
      crits_triggered: context.counter("crits_triggered"),
      events_dropped: context.counter("events_dropped"),
    };
    const globals = services.alerts.globals(options.handlers);
    const hasHandlers = options.handlers.length > 0 || globals.kinds.length > 0;
    this.#stateChangesOnly = options.stateChangesOnly ?? (globals.stateChangesOnly ? 0 : undefined);
    this.#anonymous = hasHandlers ? `${taskMaster}:${task.id}:${definition.name}` : "";
    if (hasHandlers) {
      services.alerts.openInline(this.#anonymous, options.handlers);
      context.onStop(() => services.alerts.closeInline(this.#anonymous));
    }
    context.onStop(() => this.#inhibiting.forEach((known) => this.#inhibit(known, false)));
  }

  override point(group: Group, point: Point): void {
    let known = this.#knownOf(group) ?? this.#openForPoint(group, point);
    const level = this.#judge.levelOf(point, known.level);
    if (known === this.#fresh) {
      if (level === OK) return;
      known = this.#groups.set(group, this.#newGroup(group));
    }
    const { timeMs, timeNs } = point;
    const changed = this.#push(known, level);
    if (known.isFlapping || this.#isHeldBack(known, changed, timeMs, timeNs)) return;
    if (level === OK && !changed) return;
    const raised = this.#trigger(known, level, timeMs, timeNs, {
      name: point.series.name,
      tags: () => point.series.tags(),
      point,
      rows: () => [rowOfPoint(point)],
    });
    if (raised === undefined) return;
    this.out.point(this.#output.groupOfPoint(group, raised), this.#output.point(point, raised));
  }

  /** What stays OK, as nearly all does, is passed over; of all tasks that are given the same list only one looks at it. */
  override run(group: Group, points: readonly Point[], count: number): void {
    const known = this.#groups.get(group);
    const first = known !== undefined && this.#isCalm(known) ? this.#judge.calm(points, count) : 0;
    for (let i = first; i < count; i++) this.point(group, points[i] as Point);
  }

  override points(groups: readonly Group[], points: readonly Point[], count: number): void {
    const answers = this.#judge.answers(points, count);
    for (let i = 0; i < count; i++) {
      const group = groups[i] as Group;
      const point = points[i] as Point;
      const isOk = answers !== undefined && answers[point.seat] === HOLDS_NOT;
      if (isOk && this.#groups.get(group) === this.#fresh) continue;
      this.point(group, point);
    }
  }

  /** True when a point that is OK changes nothing. */
  #isCalm(known: AlertGroup): boolean {
    if (known === this.#unasked || this.#options.flapping !== undefined) return false;
    return known.level === OK && known.previous === OK;
  }

  override beginBatch(_group: Group, begin: BatchBegin): void {
    this.#begin = begin;
    this.#points = [];
  }

  override batchPoint(_group: Group, point: Point): void {
    this.#points.push(point);
  }

  override endBatch(group: Group): void {
    const begin = this.#begin;
    const points = this.#points;
    this.#points = [];
    const [first] = points;
    if (begin === undefined || first === undefined) return;
    let known = this.#knownOf(group) ?? this.#open(group, begin.name, group.series);
    const { level, point } = this.#judgeBatch(points, first, known.level);
    if (known === this.#fresh) {
      if (level === OK) return;
      known = this.#groups.set(group, this.#newGroup(group));
    }
    const own = level !== OK && !this.#options.all;
    const ms = own ? point.timeMs : begin.tmaxMs;
    const ns = own ? point.timeNs : begin.tmaxNs;
    const changed = this.#push(known, level);
    if (level === OK) {
      if (!changed) return;
    } else if (known.isFlapping || this.#isHeldBack(known, changed, ms, ns)) {
      return;
    }
    const raised = this.#trigger(known, level, ms, ns, {
      name: begin.name,
      tags: () => group.series.tags(),
      point,
      rows: () => [rowOfBatch(begin.name, group, points)],
    });
    if (raised === undefined) return;
    const to = this.#output.groupOfBatch(group, raised);
    this.out.beginBatch(to, begin);
    for (const passed of points) this.out.batchPoint(to, this.#output.point(passed, raised));
    this.out.endBatch(to);
  }

  override deleteGroup(group: Group): void {
    const known = this.#groups.get(group);
    if (known === undefined) return;
    if (!this.#isShared(known)) this.#inhibit(known, false);
    this.#groups.delete(group);
    this.out.deleteGroup(group);
  }

  /** All points are judged against the level before the batch. */
  #judgeBatch(
    points: readonly Point[],
    first: Point,
    current: Level,
  ): { readonly level: Level; readonly point: Point } {
    let highest = first;
    let high: Level = OK;
    let low: Level = 3;
    points.forEach((point, i) => {
      const level = this.#judge.levelOf(point, current);
      if (i === 0 || level > high) {
        high = level;
        highest = point;
      }
      if (level < low) low = level;
    });
    return { level: this.#options.all ? low : high, point: highest };
  }

  #push(known: AlertGroup, level: Level): boolean {
    const changed = known.push(level);
    if (this.#options.flapping !== undefined) known.watchFlapping(this.#options.flapping);
    return changed;
  }

  #isHeldBack(known: AlertGroup, changed: boolean, ms: number, ns: number): boolean {
    const interval = this.#stateChangesOnly;
    if (interval === undefined || changed) return false;
    const expired =
      interval !== 0 && timeDifference(ms, ns, known.lastMs, known.lastNs) >= interval;
    return !expired;
  }

  /** Raises the event; `undefined` when nothing is to be passed on. */
  #trigger(
    known: AlertGroup,
    level: Level,
    ms: number,
    ns: number,
    what: Occurrence,
  ): Raised | undefined {
    known.lastMs = ms;
    known.lastNs = ns;
    if (known.previous === OK) {
      known.firstMs = ms;
      known.firstNs = ns;
    }
    this.#inhibit(known, level !== OK);
    if (this.#options.noRecoveries && level === OK) return undefined;
    const duration = timeDifference(ms, ns, known.firstMs, known.firstNs);
    try {
      const id = this.#idOf(known, what);
      const time: Time = { ms, ns };
      const subject: AlertSubject = {
        id,
        name: what.name,
        group: known.group,
        tags: what.tags(),
        point: what.point,
        level,
        time,
        duration,
      };
      return { level, id, duration, message: this.#raise(subject, what) };
    } catch (error) {
      this.#counters.events_dropped.value++;
      this.#context.error("failed to create event", error);
      return undefined;
    }
  }

  #idOf(known: AlertGroup, what: Occurrence): string {
    const isStream = this.#context.input === "stream";
    const series = isStream ? what.point.series : known.group.series;
    if (known.idSeries !== series) {
      const asked = this.#asked;
      const isAsked = isStream && asked?.series === series && asked.group === known.group;
      known.id = isAsked ? asked.id : this.#texts.id(what.name, known.group, what.tags());
      known.idSeries = series;
    }
    return known.id;
  }

  /** Counts the event and hands it to its topics; returns its message. */
  #raise(subject: AlertSubject, what: Occurrence): string {
    const { category, topic, messageField } = this.#options;
    const { inhibitors } = this.#context;
    const { tags } = subject;
    if (category !== "" && inhibitors.isInhibited(category, (key) => tags[key])) {
      this.#counters.alerts_inhibited.value++;
      this.#tellInhibited(subject);
      return messageField === "" ? "" : this.#texts.message(subject);
    }
    const message = this.#texts.message(subject);
    this.#counters.alerts_triggered.value++;
    this.#counters[LEVEL_COUNTERS[subject.level]].value++;
    if (this.#anonymous !== "" || topic !== "") {
      const details = this.#texts.details(subject, message);
      this.#publish(this.#event(subject, what, { message, details }));
    } else this.#logTriggered(subject, message);
    return message;
  }

  #tellInhibited({ id, time, level }: AlertSubject): void {
    const { category, topic } = this.#options;
    const { alerts } = this.#context.services;
    for (const to of [this.#anonymous, topic]) {
      if (to !== "") alerts.inhibited?.({ topic: to, id, time, level, category });
    }
  }

  #logTriggered({ id, level }: AlertSubject, message: string): void {
    this.#context.log("debug", "alert triggered", {
      level: levelName(level),
      id,
      event_message: message,
    });
  }

  #event(
    subject: AlertSubject,
    what: Occurrence,
    { message, details }: Pick<AlertEvent, "message" | "details">,
  ): Omit<AlertEvent, "topic"> {
    const { id, name, group, tags, point, level, time, duration } = subject;
    return {
      id,
      message,
      details,
      time,
      duration,
      level,
      name,
      taskName: this.#context.task.id,
      category: this.#options.category,
      group: groupText(group),
      tags,
      fields: point.fields(),
      fieldTypes: this.#typesOf(point.shape),
      recoverable: !this.#options.noRecoveries,
      series: what.rows(),
      hops: 0,
    };
  }

  #typesOf(shape: Shape): Readonly<Record<string, FieldType>> {
    if (shape !== this.#typesShape) {
      this.#typesShape = shape;
      const named = shape.names.map((name, slot) => [name, shape.types[slot] as FieldType]);
      this.#types = Object.fromEntries(named);
    }
    return this.#types;
  }

  #publish(event: Omit<AlertEvent, "topic">): void {
    const { alerts } = this.#context.services;
    const { topic } = this.#options;
    if (this.#anonymous !== "") alerts.publish({ ...event, topic: this.#anonymous }, "local");
    if (topic !== "") alerts.publish({ ...event, topic }, "cluster");
  }

  #inhibit(known: AlertGroup, active: boolean): void {
    const { inhibits } = this.#options;
    if (inhibits.length === 0 || known.inhibits === active) return;
    known.inhibits = active;
    const tag = (key: string): string | undefined => known.group.series.tag(key);
    for (const rule of inhibits) {
      if (active) this.#context.inhibitors.activate(rule, tag);
      else this.#context.inhibitors.deactivate(rule, tag);
    }
    if (active) this.#inhibiting.add(known);
    else this.#inhibiting.delete(known);
  }

  #newGroup(group: Group): AlertGroup {
    const ring = this.#options.flapping?.history ?? 0;
    return new AlertGroup(group, ring, ZERO_TIME.ms, ZERO_TIME.ns);
  }

  /** True for what many groups have, which must not be changed. */
  #isShared(known: AlertGroup): boolean {
    return known === this.#fresh || known === this.#unasked;
  }

  #knownOf(group: Group): AlertGroup | undefined {
    const known = this.#groups.get(group);
    return known === this.#unasked ? undefined : known;
  }

  #openForPoint(group: Group, point: Point): AlertGroup {
    return this.#open(group, point.series.name, point.series);
  }

  /** A group is seen for the first time: takes up the state that its topic remembers. */
  #open(group: Group, name: string, series: Series): AlertGroup {
    const state = this.#stateOf(group, name, series);
    if (state !== undefined && state.level !== OK) {
      const known = this.#groups.set(group, this.#newGroup(group));
      takeUp(known, state);
      return known;
    }
    const isFresh = this.#options.flapping === undefined;
    return this.#groups.set(group, isFresh ? this.#fresh : this.#newGroup(group));
  }

  /** What a topic remembers of the ID of a new group. */
  #stateOf(group: Group, name: string, series: Series): EventState | undefined {
    const { alerts } = this.#context.services;
    const { topic } = this.#options;
    const knowsNone = (id: string): boolean => id === "" || alerts.isBlank(id);
    if (knowsNone(this.#anonymous) && knowsNone(topic)) return undefined;
    try {
      const id = this.#texts.id(name, group, series.tags());
      this.#asked = { group, series, id };
      return this.#lastState(id);
    } catch (error) {
      this.#context.error("failed to render the event ID", errorMessage(error));
      return undefined;
    }
  }

  /** The saved state, unless the topic knows of a later event. */
  #load(saved: unknown, group: Group): AlertGroup {
    const [id, numbers] = savedTuple(saved, 2);
    const known = this.#newGroup(group);
    known.load(savedList(numbers).map(savedNumber));
    known.id = savedText(id);
    const inhibits = known.inhibits;
    known.inhibits = false;
    const state = known.id === "" ? undefined : this.#lastState(known.id);
    const { lastMs, lastNs } = known;
    if (state !== undefined && compareTime(state.time.ms, state.time.ns, lastMs, lastNs) > 0) {
      takeUp(known, state);
    }
    this.#inhibit(known, inhibits);
    return known;
  }

  /** What the node's topics remember of an ID. They are made to agree; the anonymous one is believed. */
  #lastState(id: string): EventState | undefined {
    const { alerts } = this.#context.services;
    const { topic } = this.#options;
    const own = this.#anonymous === "" ? undefined : alerts.lastState(this.#anonymous, id);
    const named = topic === "" ? undefined : alerts.lastState(topic, id);
    if (named !== undefined && named.level !== (own?.level ?? OK)) {
      if (own !== undefined) alerts.remember(topic, own);
      else if (this.#anonymous !== "") alerts.remember(this.#anonymous, named);
    }
    return own ?? named;
  }
}

/** Goes on from what a topic remembers. */
function takeUp(known: AlertGroup, { level, time }: EventState): void {
  known.push(level);
  known.lastMs = time.ms;
  known.lastNs = time.ns;
  known.firstMs = time.ms;
  known.firstNs = time.ns;
}

type CounterName =
  | "alerts_triggered"
  | "alerts_inhibited"
  | "oks_triggered"
  | "infos_triggered"
  | "warns_triggered"
  | "crits_triggered"
  | "events_dropped";

const LEVEL_COUNTERS: readonly [CounterName, CounterName, CounterName, CounterName] = [
  "oks_triggered",
  "infos_triggered",
  "warns_triggered",
  "crits_triggered",
];

/** Adds the tags and fields that the script asked for to what is passed on. */
class Output {
  readonly #options: AlertOptions;
  readonly #writers: readonly {
    readonly writer: FieldWriter;
    readonly value: (raised: Raised) => string | number | bigint;
  }[];
  readonly #groups: GroupTable;

  constructor(options: AlertOptions, groups: GroupTable) {
    this.#options = options;
    this.#groups = groups;
    const { levelField, messageField, durationField, idField } = options;
    this.#writers = [
      { name: levelField, type: "string" as const, value: ({ level }: Raised) => levelName(level) },
      { name: durationField, type: "int" as const, value: ({ duration }: Raised) => duration },
      { name: messageField, type: "string" as const, value: ({ message }: Raised) => message },
      { name: idField, type: "string" as const, value: ({ id }: Raised) => id },
    ]
      .filter(({ name }) => name !== "")
      .map(({ name, type, value }) => ({ writer: new FieldWriter(name, type), value }));
  }

  point(point: Point, raised: Raised): Point {
    let out = point;
    for (const { writer, value } of this.#writers) out = writer.write(out, value(raised));
    const { levelTag, idTag } = this.#options;
    if (levelTag === "" && idTag === "") return out;
    const series = withTags(out.series, this.#tags(raised));
    return new Point(series, out.shape, out.values, out.timeMs, out.timeNs);
  }

  /** A stream point moves to another group only when a tag it is grouped by changed. */
  groupOfPoint(group: Group, raised: Raised): Group {
    const { levelTag, idTag } = this.#options;
    const { tagNames } = group.dimensions;
    if (!tagNames.includes(levelTag) && !tagNames.includes(idTag)) return group;
    const tags = this.#tags(raised);
    const values = tagNames.map((key, i) => tags[key] ?? (group.tagValues[i] as string));
    return this.#groups.find(group.name, group.dimensions, values);
  }

  /** Tags of a batch are group tags. */
  groupOfBatch(group: Group, raised: Raised): Group {
    const { levelTag, idTag } = this.#options;
    if (levelTag === "" && idTag === "") return group;
    const tags = { ...group.series.tags(), ...this.#tags(raised) };
    const tagNames = Object.keys(tags).sort(compareBytes);
    return this.#groups.find(
      group.name,
      { byName: group.dimensions.byName, tagNames },
      tagNames.map((key) => tags[key] as string),
    );
  }

  #tags(raised: Raised): Record<string, string> {
    const { levelTag, idTag } = this.#options;
    const tags: Record<string, string> = {};
    if (levelTag !== "") tags[levelTag] = levelName(raised.level);
    if (idTag !== "") tags[idTag] = raised.id;
    return tags;
  }
}
