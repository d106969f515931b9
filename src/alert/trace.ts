/**
 * Why was I not paged: for each event ID the last evaluations, and for each handler the stage that stopped
 * or sent it and why.
 *
 * Kept in memory only, bounded per ID, in the number of IDs and in all; the IDs that were first evaluated longest
 * ago make room. Steps arrive later (a send ends long after its evaluation), so they are added by event key.
 */

import type { Time } from "#lib/time.ts";
import type { AlertEvent } from "./event.ts";
import type { Level } from "./level.ts";
import {
  TRACE_ALL_STEPS_MAX,
  TRACE_EVALUATIONS_MAX,
  TRACE_STEPS_MAX,
  TRACED_IDS_MAX,
} from "./limits.ts";

/** The stages of `deliver.ts`. */
export type StageName = "match" | "inhibit" | "silence" | "own" | "order" | "send" | "record";

export interface TraceStep {
  readonly stage: StageName;
  /** Empty when the step concerns the event as a whole. */
  readonly handler: string;
  readonly verdict: "passed" | "stopped" | "sent" | "failed";
  readonly reason: string;
  /** Wall-clock time of the step. */
  readonly at: Time;
}

export interface TraceEvaluation {
  /** Data time. */
  readonly time: Time;
  readonly level: Level;
  readonly previousLevel: Level;
  readonly steps: readonly TraceStep[];
}

/** What tells one evaluation from others. */
export type TracedEvent = Pick<AlertEvent, "topic" | "id" | "time" | "level">;

interface Evaluation extends TraceEvaluation {
  readonly steps: TraceStep[];
}

interface Entry {
  readonly topic: string;
  readonly id: string;
  readonly evaluations: Evaluation[];
}

export class Trace {
  /** Topic → event ID → entry; joining both to one key would cost more than the second look-up. */
  readonly #topics = new Map<string, Map<string, Entry>>();
  /** Entries in the order of their first evaluation; a ring, because a Map is a slow queue. */
  readonly #ring: (Entry | undefined)[];
  readonly #idsMax: number;
  readonly #stepsMax: number;
  #oldest = 0;
  #count = 0;
  /** Steps of all evaluations. */
  #steps = 0;

  constructor(idsMax = TRACED_IDS_MAX, stepsMax = TRACE_ALL_STEPS_MAX) {
    this.#idsMax = idsMax;
    this.#stepsMax = stepsMax;
    this.#ring = new Array(idsMax).fill(undefined);
  }

  /** A new evaluation of an ID; later steps refer to it by the event. */
  begin(event: TracedEvent, previousLevel: Level): void {
    const { time, level } = event;
    const { evaluations } = this.#entry(event.topic, event.id);
    if (evaluations.length >= TRACE_EVALUATIONS_MAX) {
      this.#steps -= evaluations.shift()?.steps.length ?? 0;
    }
    evaluations.push({ time, level, previousLevel, steps: [] });
  }

  /** Adds a step to the event's evaluation; ignored when that is no longer remembered. */
  step(event: TracedEvent, step: TraceStep): void {
    const steps = this.#find(event)?.steps;
    if (steps === undefined || steps.length >= TRACE_STEPS_MAX) return;
    steps.push(step);
    if (++this.#steps > this.#stepsMax) this.#forgetOldest();
  }

  /** The level before the event, while its evaluation is remembered. */
  previousLevel(event: TracedEvent): Level | undefined {
    return this.#find(event)?.previousLevel;
  }

  /** Oldest first; empty when nothing is remembered. */
  of(topic: string, id: string): readonly TraceEvaluation[] {
    return this.#topics.get(topic)?.get(id)?.evaluations ?? [];
  }

  #find(event: TracedEvent): Evaluation | undefined {
    const entry = this.#topics.get(event.topic)?.get(event.id);
    if (entry === undefined) return undefined;
    const { evaluations } = entry;
    const { time, level } = event;
    // Asked for several times per event, and nearly always for one of the last.
    for (let i = evaluations.length - 1; i >= 0; i--) {
      const one = evaluations[i];
      if (one?.time.ms === time.ms && one.time.ns === time.ns && one.level === level) return one;
    }
    return undefined;
  }

  #entry(topic: string, id: string): Entry {
    let ids = this.#topics.get(topic);
    const known = ids?.get(id);
    if (known !== undefined) return known;
    if (this.#count >= this.#idsMax) this.#forgetOldest();
    ids ??= new Map();
    this.#topics.set(topic, ids);
    const entry: Entry = { topic, id, evaluations: [] };
    ids.set(id, entry);
    this.#ring[(this.#oldest + this.#count++) % this.#idsMax] = entry;
    return entry;
  }

  #forgetOldest(): void {
    const entry = this.#ring[this.#oldest];
    this.#ring[this.#oldest] = undefined;
    this.#oldest = (this.#oldest + 1) % this.#idsMax;
    this.#count--;
    if (entry === undefined) return;
    for (const { steps } of entry.evaluations) this.#steps -= steps.length;
    const ids = this.#topics.get(entry.topic);
    ids?.delete(entry.id);
    if (ids?.size === 0) this.#topics.delete(entry.topic);
  }
}
