/**
 * Says "no earlier time will follow" for groups that have fallen silent, so that nodes below can go on.
 *
 * Driven by the wall clock, per group from its first message. `idle`: when nothing came for that long, the
 * barrier is the time of the last point plus `idle` (and again after every further `idle`). `period`: the
 * wall-clock time, every period. Messages before the last barrier are dropped. With `delete` the group is
 * forgotten after each barrier, here and in all nodes below.
 */

import type { Cancel } from "#lib/clock.ts";
import type { DurationNs } from "#lib/int64.ts";
import { addDuration, compareTime } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { argument, Calls, timerMs } from "../calls.ts";
import type { GroupState } from "../group-state.ts";
import { type Counter, defineNode, type NodeContext, QUIET } from "../node.ts";
import { method, value } from "../properties.ts";
import { type BatchBegin, Forwarding } from "../receiver.ts";
import { savedNumber, savedTuple } from "../snapshot.ts";

interface Options {
  readonly idle: DurationNs;
  readonly period: DurationNs;
  readonly delete: boolean;
}

export const barrier = defineNode<Options>({
  method: "barrier",
  goType: "*pipeline.BarrierNode",
  wants: "either",
  provides: "same",
  doc: "Emits barriers for groups that are silent, or at an interval.",
  properties: [
    value("idle", "duration", "A barrier comes when a group was silent for this long."),
    value("period", "duration", "A barrier comes every so often."),
    method("delete", ["bool"], "Forgets the group after each barrier."),
    QUIET,
  ],

  options({ calls: made }) {
    const calls = new Calls(made);
    const idle = calls.duration("idle") ?? 0;
    const period = calls.duration("period") ?? 0;
    if (idle !== 0 && period !== 0) throw new Error("cannot specify both idle and period");
    if (period === 0 && idle <= 0) throw new Error("idle must be greater than zero");
    if (period < 0) throw new Error("period must be greater than zero");
    const remove = calls.last("delete");
    return {
      idle,
      period,
      delete: remove !== undefined && argument(remove, 0, "bool").value,
    };
  },

  needs: (_options, below) => below,
  start: (options, context) => new Barrier(options, context),
});

class Watch {
  /** Time of the last point; the group's birth on the wall clock before any. */
  lastMs: number;
  lastNs: number;
  /** Time of the last barrier. */
  barrierMs = Number.NEGATIVE_INFINITY;
  barrierNs = 0;
  /** Monotonic time of the last accepted message. */
  touchedMs: number;
  /** When its timer fires, monotonic ms. */
  dueMs = 0;
  cancel: Cancel = () => {};

  constructor(ms: number, ns: number, touchedMs: number) {
    this.lastMs = ms;
    this.lastNs = ns;
    this.touchedMs = touchedMs;
  }
}

class Barrier extends Forwarding {
  readonly #options: Options;
  readonly #context: NodeContext;
  readonly #watches: GroupState<Watch>;
  readonly #dropped: Counter;
  #dropping = false;

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#context = context;
    this.#watches = context.groupState({
      save: (watch) => this.#save(watch),
      load: (saved, group) => this.#load(saved, group),
    });
    this.#dropped = context.counter("late_dropped");
  }

  override point(group: Group, point: Point): void {
    if (this.#accepts(group, point.timeMs, point.timeNs, true)) this.out.point(group, point);
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    this.#dropping = !this.#accepts(group, begin.tmaxMs, begin.tmaxNs, false);
    if (!this.#dropping) this.out.beginBatch(group, begin);
  }

  override batchPoint(group: Group, point: Point): void {
    if (this.#dropping) return;
    if (this.#accepts(group, point.timeMs, point.timeNs, true)) this.out.batchPoint(group, point);
  }

  override endBatch(group: Group): void {
    if (!this.#dropping) this.out.endBatch(group);
    this.#dropping = false;
  }

  override barrier(group: Group, ms: number, ns: number): void {
    if (!this.#accepts(group, ms, ns, false)) return;
    this.out.barrier(group, ms, ns);
  }

  override deleteGroup(group: Group): void {
    const watch = this.#watches.get(group);
    if (watch === undefined) return;
    watch.cancel();
    this.#watches.delete(group);
    this.out.deleteGroup(group);
  }

  #accepts(group: Group, ms: number, ns: number, isPoint: boolean): boolean {
    const { clock } = this.#context.services;
    let watch = this.#watches.get(group);
    if (watch === undefined) {
      const now = clock.now();
      watch = this.#watches.set(group, new Watch(now.ms, now.ns, clock.monoMs()));
      this.#arm(group, watch, timerMs(this.#waitNs()));
    }
    if (compareTime(ms, ns, watch.barrierMs, watch.barrierNs) < 0) {
      this.#dropped.value++;
      return false;
    }
    watch.touchedMs = clock.monoMs();
    if (isPoint) {
      watch.lastMs = ms;
      watch.lastNs = ns;
    }
    return true;
  }

  #waitNs(): DurationNs {
    return this.#options.idle === 0 ? this.#options.period : this.#options.idle;
  }

  #arm(group: Group, watch: Watch, delayMs: number): void {
    watch.dueMs = this.#context.services.clock.monoMs() + delayMs;
    watch.cancel = this.#context.after(delayMs, () => this.#due(group, watch));
  }

  /** Times of the monotonic clock are saved as distances from now. */
  #save({ lastMs, lastNs, barrierMs, barrierNs, touchedMs, dueMs }: Watch): unknown {
    const nowMs = this.#context.services.clock.monoMs();
    const hadBarrier = barrierMs !== Number.NEGATIVE_INFINITY;
    const clocks = [nowMs - touchedMs, Math.max(0, dueMs - nowMs)];
    return [lastMs, lastNs, hadBarrier ? barrierMs : null, barrierNs, ...clocks];
  }

  #load(saved: unknown, group: Group): Watch {
    const [lastMs, lastNs, barrierMs, barrierNs, silentMs, leftMs] = savedTuple(saved, 6);
    const nowMs = this.#context.services.clock.monoMs();
    const touchedMs = nowMs - savedNumber(silentMs);
    const watch = new Watch(savedNumber(lastMs), savedNumber(lastNs), touchedMs);
    if (barrierMs !== null) watch.barrierMs = savedNumber(barrierMs);
    watch.barrierNs = savedNumber(barrierNs);
    this.#arm(group, watch, savedNumber(leftMs));
    return watch;
  }

  /** An idle timer is not moved by every message; when it fires too early it waits for the rest. */
  #due(group: Group, watch: Watch): void {
    const { clock } = this.#context.services;
    const waitMs = timerMs(this.#waitNs());
    const { idle } = this.#options;
    if (idle === 0) {
      const now = clock.now();
      this.#arm(group, watch, waitMs);
      this.#emit(group, watch, now.ms, now.ns);
      return;
    }
    const restMs = watch.touchedMs + waitMs - clock.monoMs();
    if (restMs > 0) {
      this.#arm(group, watch, restMs);
      return;
    }
    const time = addDuration(watch.lastMs, watch.lastNs, idle);
    watch.lastMs = time.ms;
    watch.lastNs = time.ns;
    watch.touchedMs = clock.monoMs();
    this.#arm(group, watch, waitMs);
    this.#emit(group, watch, time.ms, time.ns);
  }

  #emit(group: Group, watch: Watch, ms: number, ns: number): void {
    watch.barrierMs = ms;
    watch.barrierNs = ns;
    this.out.barrier(group, ms, ns);
    if (this.#options.delete) this.deleteGroup(group);
  }
}
