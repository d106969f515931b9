/**
 * Collects the points of each group into batches by time or by number.
 *
 * Data drives it: a batch goes out when a point (or barrier) reaches the next emit time, so a gap gives one
 * batch, not many, and it may be empty. With `every` > 0 a window is closed on the left and goes out before
 * the point is added; with `every` 0 it goes out after each point and is closed on the right. Late points are
 * kept in order of arrival; only a leading run of old ones is dropped.
 * Time windows swallow barriers (a batch comes out, or nothing). Vectors: reference nodes.md §11.
 */

import { type DurationNs, neg } from "#lib/int64.ts";
import { addDuration, type Time, truncateTime } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { Calls } from "../calls.ts";
import type { GroupState } from "../group-state.ts";
import { defineNode, inputType, type NodeContext, QUIET } from "../node.ts";
import { PointRing } from "../point-ring.ts";
import { flag, value } from "../properties.ts";
import { Forwarding, type Receiver, sendBatch } from "../receiver.ts";
import { savedList, savedNumber, savedText, savedTuple } from "../snapshot.ts";
import type { HeldPoints } from "../task-budget.ts";
import { FOLDED_VALUES, TumblingWindow } from "../tumbling-window.ts";

interface Options {
  readonly period: DurationNs;
  readonly every: DurationNs;
  readonly align: boolean;
  readonly fillPeriod: boolean;
  readonly periodCount: number;
  readonly everyCount: number;
}

export const window = defineNode<Options>({
  method: "window",
  goType: "*pipeline.WindowNode",
  wants: "either",
  provides: "batch",
  doc: "Collects points into batches of a time span or a number of points.",
  properties: [
    value("period", "duration", "Length of a window."),
    value("every", "duration", "How often a window goes out; 0 means with every point."),
    flag("align", "Puts emit times on multiples of `every`."),
    flag("fillPeriod", "The first window goes out only when a whole period has passed."),
    value("periodCount", "int", "Number of points in a window."),
    value("everyCount", "int", "A window goes out after this many points."),
    QUIET,
  ],

  options(definition) {
    if (inputType(definition) === "batch") throw new Error("cannot Window batch edge");
    const calls = new Calls(definition.calls);
    const options = {
      period: calls.duration("period") ?? 0,
      every: calls.duration("every") ?? 0,
      align: calls.flag("align"),
      fillPeriod: calls.flag("fillPeriod"),
      periodCount: calls.count("periodCount") ?? 0,
      everyCount: calls.count("everyCount") ?? 0,
    };
    if (options.period !== 0 && options.periodCount !== 0) {
      throw new Error("cannot specify both period and periodCount");
    }
    if (options.align && options.periodCount !== 0) {
      throw new Error("can only align windows based off time, not count");
    }
    if (options.periodCount !== 0 && options.everyCount <= 0) {
      throw new Error("everyCount must be greater than zero");
    }
    return options;
  },

  needs: (_options, below) => below,
  start(options, context): Receiver {
    if (options.periodCount > 0) return new CountWindow(options, context);
    if (options.period > 0) {
      // Where each point goes out once, nobody may have to keep it.
      const { period, every, fillPeriod } = options;
      const fold = every === period && !fillPeriod ? context.out.fold?.() : undefined;
      if (fold !== undefined) return new TumblingWindow(options, fold, context);
      return new TimeWindow(options, context);
    }
    throw new Error("unknown window type, period and periodCount are zero");
  },
});

/** One group's time window: its points, and when it goes out. One object, since there are many of them. */
class Span extends PointRing {
  readonly name: string;
  nextMs: number;
  nextNs: number;

  constructor(name: string, next: Time) {
    super();
    this.name = name;
    this.nextMs = next.ms;
    this.nextNs = next.ns;
  }
}

class TimeWindow extends Forwarding {
  readonly #options: Options;
  readonly #spans: GroupState<Span>;
  /** `period` subtracted from a time, see `addDuration`. */
  readonly #minusPeriod: DurationNs;
  readonly #held: HeldPoints;

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#held = context.held;
    this.#spans = context.groupState({
      save: (span, out) => [span.name, span.nextMs, span.nextNs, out.points(span.all())],
      load: (saved, _group, from) => {
        const [name, ms, ns, points] = savedList(saved);
        const span = new Span(savedText(name), { ms: savedNumber(ms), ns: savedNumber(ns) });
        // Points of a window that kept none are gone; it goes on from when it goes out next.
        if (savedList(saved).length === FOLDED_VALUES) return span;
        loadRing(span, from.points(points), context.held);
        return span;
      },
    });
    this.#minusPeriod = neg(options.period);
  }

  override point(group: Group, point: Point): void {
    const { timeMs, timeNs } = point;
    let span = this.#spans.get(group);
    if (span === undefined) span = this.#open(group, point.series.name, timeMs, timeNs);
    this.#held.add(1);
    if (this.#options.every === 0) {
      span.push(point);
      this.#advance(group, span, timeMs, timeNs);
    } else {
      this.#advance(group, span, timeMs, timeNs);
      span.push(point);
    }
  }

  override barrier(group: Group, ms: number, ns: number): void {
    const span = this.#spans.get(group) ?? this.#open(group, "barrier", ms, ns);
    this.#advance(group, span, ms, ns);
  }

  override deleteGroup(group: Group): void {
    const span = this.#spans.get(group);
    if (span === undefined) return;
    this.#held.release(span.size);
    this.#spans.delete(group);
    this.out.deleteGroup(group);
  }

  #open(group: Group, name: string, ms: number, ns: number): Span {
    const { fillPeriod, period, every, align } = this.#options;
    let next = addDuration(ms, ns, fillPeriod ? period : every);
    if (align) {
      const down = truncateTime(next.ms, next.ns, every);
      next = fillPeriod ? addDuration(down.ms, down.ns, every) : down;
    }
    return this.#spans.set(group, new Span(name, next));
  }

  #advance(group: Group, span: Span, ms: number, ns: number): void {
    if (ms < span.nextMs || (ms === span.nextMs && ns < span.nextNs)) return;
    const { every, align } = this.#options;
    if (every === 0) {
      const oldest = addDuration(ms, ns, this.#minusPeriod);
      this.#held.release(span.dropBefore(oldest.ms, oldest.ns, true));
      this.#emit(group, span, ms, ns);
      span.nextMs = ms;
      span.nextNs = ns;
      return;
    }
    const oldest = addDuration(span.nextMs, span.nextNs, this.#minusPeriod);
    this.#held.release(span.dropBefore(oldest.ms, oldest.ns, false));
    this.#emit(group, span, span.nextMs, span.nextNs);
    let next = addDuration(ms, ns, every);
    if (align) next = truncateTime(next.ms, next.ns, every);
    span.nextMs = next.ms;
    span.nextNs = next.ns;
  }

  #emit(group: Group, span: Span, tmaxMs: number, tmaxNs: number): void {
    const begin = { name: span.name, tmaxMs, tmaxNs, sizeHint: span.size };
    sendBatch(this.out, group, begin, span);
  }
}

interface Counted {
  readonly name: string;
  readonly points: PointRing;
  total: number;
  nextEmit: number;
}

class CountWindow extends Forwarding {
  readonly #options: Options;
  readonly #counted: GroupState<Counted>;
  readonly #held: HeldPoints;

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#held = context.held;
    this.#counted = context.groupState({
      save: ({ name, points, total, nextEmit }, out) => [
        name,
        total,
        nextEmit,
        out.points(points.all()),
      ],
      load: (saved, _group, from) => {
        const [name, total, nextEmit, held] = savedTuple(saved, 4);
        const points = new PointRing();
        loadRing(points, from.points(held), context.held);
        return {
          name: savedText(name),
          points,
          total: savedNumber(total),
          nextEmit: savedNumber(nextEmit),
        };
      },
    });
  }

  override point(group: Group, point: Point): void {
    const { periodCount, everyCount } = this.#options;
    const counted = this.#counted.get(group) ?? this.#open(group, point.series.name);
    const { points } = counted;
    points.push(point);
    if (points.size > periodCount) points.dropFirst();
    else this.#held.add(1);
    if (++counted.total !== counted.nextEmit) return;
    counted.nextEmit += everyCount;
    const { timeMs: tmaxMs, timeNs: tmaxNs } = point;
    sendBatch(
      this.out,
      group,
      { name: counted.name, tmaxMs, tmaxNs, sizeHint: points.size },
      points,
    );
  }

  override barrier(group: Group, ms: number, ns: number): void {
    if (this.#counted.get(group) === undefined) this.#open(group, "barrier");
    this.out.barrier(group, ms, ns);
  }

  override deleteGroup(group: Group): void {
    const counted = this.#counted.get(group);
    if (counted === undefined) return;
    this.#held.release(counted.points.size);
    this.#counted.delete(group);
    this.out.deleteGroup(group);
  }

  #open(group: Group, name: string): Counted {
    const { periodCount, everyCount, fillPeriod } = this.#options;
    const nextEmit = fillPeriod ? periodCount : everyCount;
    return this.#counted.set(group, { name, points: new PointRing(), total: 0, nextEmit });
  }
}

function loadRing(ring: PointRing, points: readonly Point[], held: HeldPoints): void {
  held.add(points.length);
  for (const point of points) ring.push(point);
}
