/**
 * Why was I not paged: for each event ID the last evaluations, and for each handler the stage that stopped
 * or sent it and why.
 *
 * Kept in memory only, bounded per ID and in the number of IDs; the IDs longest without a new evaluation
 * make room. Steps arrive later (a send ends long after its evaluation), so they are added by event key.
 */

import type { Time } from "#lib/time.ts";
import { type AlertEvent, eventKey } from "./event.ts";
import type { Level } from "./level.ts";
import { TRACE_EVALUATIONS_MAX, TRACE_STEPS_MAX, TRACED_IDS_MAX } from "./limits.ts";

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

interface Evaluation extends TraceEvaluation {
  readonly key: string;
  readonly steps: TraceStep[];
}

interface Entry {
  readonly name: string;
  readonly evaluations: Evaluation[];
}

export class Trace {
  readonly #entries = new Map<string, Entry>();
  /** Names in the order of their first evaluation; a ring, because a Map is a slow queue. */
  readonly #ring: (string | undefined)[] = new Array(TRACED_IDS_MAX).fill(undefined);
  #next = 0;

  /** A new evaluation of an ID; later steps refer to it by the event. */
  begin(event: AlertEvent, previousLevel: Level): void {
    const { time, level } = event;
    const { evaluations } = this.#entry(nameOf(event.topic, event.id));
    if (evaluations.length >= TRACE_EVALUATIONS_MAX) evaluations.shift();
    evaluations.push({ key: eventKey(event), time, level, previousLevel, steps: [] });
  }

  /** Adds a step to the event's evaluation; ignored when that is no longer remembered. */
  step(event: AlertEvent, step: TraceStep): void {
    const steps = this.#find(event)?.steps;
    if (steps !== undefined && steps.length < TRACE_STEPS_MAX) steps.push(step);
  }

  /** The level before the event, while its evaluation is remembered. */
  previousLevel(event: AlertEvent): Level | undefined {
    return this.#find(event)?.previousLevel;
  }

  /** Oldest first; empty when nothing is remembered. */
  of(topic: string, id: string): readonly TraceEvaluation[] {
    return this.#entries.get(nameOf(topic, id))?.evaluations ?? [];
  }

  #find(event: AlertEvent): Evaluation | undefined {
    const entry = this.#entries.get(nameOf(event.topic, event.id));
    if (entry === undefined) return undefined;
    const last = entry.evaluations[entry.evaluations.length - 1];
    const key = eventKey(event);
    return last?.key === key ? last : entry.evaluations.findLast((e) => e.key === key);
  }

  #entry(name: string): Entry {
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    const evicted = this.#ring[this.#next];
    if (evicted !== undefined) this.#entries.delete(evicted);
    this.#ring[this.#next] = name;
    this.#next = (this.#next + 1) % TRACED_IDS_MAX;
    const entry: Entry = { name, evaluations: [] };
    this.#entries.set(name, entry);
    return entry;
  }
}

function nameOf(topic: string, id: string): string {
  return `${topic}\0${id}`;
}
