/**
 * Runs the queries of one source node: when its schedule says so, one at a time, results into the task.
 *
 * A tick that comes while a query runs waits for it; further ones are left out and counted, so a slow database
 * is never asked twice at once by one node. A failed query is logged and counted, and the next tick goes
 * on; the series it gave before it failed were complete and stay. Each series becomes one batch as soon as
 * it is complete, so a result is never held as a whole.
 */

import type { Cancel } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Time } from "#lib/time.ts";
import { BatchGroups } from "./batch-groups.ts";
import { makeSchedule, type Schedule, type ScheduleSpec } from "./batch-schedule.ts";
import type { Counter, NodeContext } from "./node.ts";
import type { ResultSeries, TakeSeries } from "./outside-ports.ts";
import { Forwarding } from "./receiver.ts";
import { groupSeries } from "./series-edit.ts";

/** One query at one time. */
export interface BatchAsk {
  run(take: TakeSeries, signal: AbortSignal): Promise<void>;
  /** Upper time bound of the batch that a series becomes. */
  tmax(series: ResultSeries): Time;
}

export interface BatchPlan {
  readonly schedule: ScheduleSpec;
  /** Groups batches also by their name. */
  readonly byName: boolean;
  /** What a tick asks. */
  ask(tick: Time): BatchAsk;
}

export class BatchRunner extends Forwarding {
  readonly #context: NodeContext;
  readonly #plan: BatchPlan;
  readonly #schedule: Schedule;
  readonly #groups: BatchGroups;
  readonly #stop = new AbortController();
  readonly #batches: Counter;
  readonly #points: Counter;
  readonly #skipped: Counter;
  #busy = false;
  #pending: Time | undefined;

  /** Throws `Error` when the schedule is wrong. */
  constructor(plan: BatchPlan, context: NodeContext) {
    super(context.out);
    this.#context = context;
    this.#plan = plan;
    this.#schedule = makeSchedule(plan.schedule);
    this.#groups = new BatchGroups(context.groupTable((group) => this.out.deleteGroup(group)));
    this.#batches = context.counter("batches_queried");
    this.#points = context.counter("points_queried");
    this.#skipped = context.counter("ticks_skipped");
    context.onStart(() => this.#start());
    context.onStop(() => this.#stop.abort(new Error("the task was stopped")));
  }

  override finish(): void {
    this.#stop.abort(new Error("the task was stopped"));
    this.out.finish();
  }

  /** The delay is drawn once, so that the queries of a node keep their distance. */
  #start(): void {
    const { clock, random, queries } = this.#context.services;
    const after = (ms: number, run: () => void): Cancel => this.#context.after(ms, run);
    const delayMs = queries.jitterMs > 0 ? random.float() * queries.jitterMs : 0;
    this.#schedule.start({ clock, after }, (tick) => {
      if (delayMs === 0) this.#due(tick);
      else after(delayMs, () => this.#due(tick));
    });
  }

  #due(tick: Time): void {
    if (this.#stop.signal.aborted) return;
    if (!this.#busy) void this.#work(tick);
    else if (this.#pending === undefined) this.#pending = tick;
    else this.#skipped.value++;
  }

  async #work(first: Time): Promise<void> {
    this.#busy = true;
    for (let tick: Time | undefined = first; tick !== undefined; tick = this.#takePending()) {
      await this.#ask(tick);
    }
    this.#busy = false;
  }

  #takePending(): Time | undefined {
    const tick = this.#stop.signal.aborted ? undefined : this.#pending;
    this.#pending = undefined;
    return tick;
  }

  async #ask(tick: Time): Promise<void> {
    const { signal } = this.#stop;
    try {
      const ask = this.#plan.ask(tick);
      await ask.run((series) => this.#take(series, ask.tmax(series)), signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#context.error("error executing query", errorMessage(error));
    }
  }

  async #take(series: ResultSeries, tmax: Time): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const { name, tags, size } = series;
    this.#batches.value++;
    this.#points.value += size;
    await this.#context.sendBatch({
      begin: { name, tmaxMs: tmax.ms, tmaxNs: tmax.ns, sizeHint: size },
      group: () => this.#groups.find(name, tags, this.#plan.byName),
      points: (group) => series.points(groupSeries(group, name)),
    });
  }
}
