/**
 * Tells at an interval how many points its parent has emitted, per group, as points of their own.
 *
 * Driven by the wall clock. It watches the parent's first outgoing edge and takes nothing from it. Counts
 * start at 0 with the task. Before any group is known it emits one ungrouped 0.
 * Kept from the original: the first aligned point carries the rounded time at which waiting began, so the
 * first gap may be one to two intervals.
 */

import type { DurationNs } from "#lib/int64.ts";
import { addDuration, roundTime, type Time, timeDifference, truncateTime } from "#lib/time.ts";
import { type Group, NO_DIMENSIONS } from "#model/group.ts";
import { Point } from "#model/point.ts";
import type { Series } from "#model/series.ts";
import { internShape } from "#model/shape.ts";
import { argument, Calls, timerMs } from "../calls.ts";
import type { GroupState } from "../group-state.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { flag } from "../properties.ts";
import { NOWHERE } from "../receiver.ts";
import { groupSeries } from "../series-edit.ts";
import { readTime, savedNumber, savedTuple } from "../snapshot.ts";

interface Options {
  readonly interval: DurationNs;
  readonly align: boolean;
}

/** Measurement of the points. */
const NAME = "stats";
const SHAPE = internShape(["emitted"], ["int"]);

export const stats = defineNode<Options>({
  method: "stats",
  goType: "*pipeline.StatsNode",
  wants: "either",
  provides: "stream",
  params: ["duration"],
  observesParent: true,
  doc: "Emits, at an interval, the number of points that the parent node has emitted.",
  properties: [flag("align", "Puts the times on multiples of the interval."), QUIET],

  options: ({ args, calls }) => ({
    interval: argument(args, 0, "duration").value,
    align: new Calls(calls).flag("align"),
  }),

  start(options, context) {
    if (options.interval <= 0) throw new Error("stats node must have positive interval");
    const ticker = new Stats(options, context);
    context.onStart(() => ticker.start());
    context.saved({ save: () => ticker.save(), load: (saved) => ticker.load(saved) });
    return NOWHERE;
  },
});

class Stats {
  readonly #options: Options;
  readonly #context: NodeContext;
  readonly #series: GroupState<Series>;
  readonly #nobody: Group;
  #dueMs = 0;
  /** Set while an aligned node waits for its first tick. */
  #waitedFrom: Time | undefined;
  #restored: { readonly leftMs: number; readonly from: Time | undefined } | undefined;

  constructor(options: Options, context: NodeContext) {
    this.#options = options;
    this.#context = context;
    this.#series = context.groupMemo();
    this.#nobody = context.groupTable().find(NAME, NO_DIMENSIONS, []);
  }

  /** How long until the next tick, and the time that an aligned first point will carry. */
  save(): unknown {
    const leftMs = this.#dueMs - this.#context.services.clock.monoMs();
    return [Math.max(0, leftMs), this.#waitedFrom ?? null];
  }

  load(saved: unknown): void {
    const [leftMs, from] = savedTuple(saved, 2);
    this.#restored = {
      leftMs: savedNumber(leftMs),
      from: from === null ? undefined : readTime(from),
    };
  }

  start(): void {
    const { align, interval } = this.#options;
    const restored = this.#restored;
    if (restored !== undefined) {
      this.#wait(restored.leftMs, restored.from);
      return;
    }
    if (!align) {
      this.#tick();
      return;
    }
    const now = this.#context.services.clock.now();
    const down = truncateTime(now.ms, now.ns, interval);
    const next = addDuration(down.ms, down.ns, interval);
    this.#wait(timerMs(timeDifference(next.ms, next.ns, now.ms, now.ns)), now);
  }

  /** Waits for the first tick; its points carry the time given, or the clock's. */
  #wait(waitMs: number, from: Time | undefined): void {
    const { clock } = this.#context.services;
    this.#waitedFrom = from;
    this.#dueMs = clock.monoMs() + waitMs;
    this.#context.after(waitMs, () => {
      this.#waitedFrom = undefined;
      this.#tick();
      this.#emit(from ?? clock.now());
    });
  }

  /** Arms the next tick from the time at which this one was due, so that ticks do not drift. */
  #tick(dueMs = this.#context.services.clock.monoMs()): void {
    const { clock } = this.#context.services;
    const intervalMs = timerMs(this.#options.interval);
    const nextMs = Math.max(dueMs + intervalMs, clock.monoMs());
    this.#dueMs = nextMs;
    this.#context.after(Math.max(0, nextMs - clock.monoMs()), () => {
      this.#tick(nextMs);
      this.#emit(clock.now());
    });
  }

  #emit(now: Time): void {
    const { align, interval } = this.#options;
    const time = align ? roundTime(now.ms, now.ns, interval) : now;
    let groups = 0;
    for (const { group, points } of [...this.#context.watched().counts()]) {
      groups++;
      this.#send(group, points, time);
    }
    if (groups === 0) this.#send(this.#nobody, 0, time);
  }

  #send(group: Group, points: number, time: Time): void {
    const series = this.#series.get(group) ?? this.#series.set(group, groupSeries(group, NAME));
    this.#context.out.point(group, new Point(series, SHAPE, [points], time.ms, time.ns));
  }
}
