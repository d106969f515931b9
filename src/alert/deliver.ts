/**
 * Delivery in one place: every stage an event passes on its way to a handler, in order.
 *
 * match → inhibit → silence → own → order → send → record. Stages with `decide` are asked here, at the
 * moment an owner accepts the event; the first that stops it ends the way, and its reason is counted and
 * traced. The others name who does them: the list is the whole story, also where the code is elsewhere.
 */

import type { AlertEvent } from "./event.ts";
import type { Level } from "./level.ts";
import type { EventMatch } from "./match.ts";
import type { StageName } from "./trace.ts";

/** One event on its way to one handler. */
export interface Candidate {
  readonly event: AlertEvent;
  readonly previousLevel: Level;
  readonly match: EventMatch;
  /** The ID of a silence that covers the event now; asked at most once per event. */
  silencedBy(): string | undefined;
}

/** Why a stage stopped an event; `undefined` lets it pass. */
export type Stop = { readonly reason: StopReason; readonly detail: string } | undefined;

/** Counted per handler under these names. */
export type StopReason = "matchFalse" | "matchError" | "silenced";

export interface Stage {
  readonly name: StageName;
  /** Who carries it out. */
  readonly by: "alert" | "alert node" | "ownership";
  readonly doc: string;
  decide?(candidate: Candidate): Stop;
}

export const STAGES: readonly Stage[] = [
  {
    name: "match",
    by: "alert",
    doc: "The handler's match expression must hold.",
    decide: matchStage,
  },
  {
    name: "inhibit",
    by: "alert node",
    doc: "A firing alert of another node may suppress the event.",
  },
  { name: "silence", by: "alert", doc: "A silence may cover the event.", decide: silenceStage },
  {
    name: "own",
    by: "ownership",
    doc: "One owner of the topic tells the handler; others stand by.",
  },
  {
    name: "order",
    by: "ownership",
    doc: "Events of one ID go out in the order of their data time.",
  },
  { name: "send", by: "alert", doc: "The handler's queue: attempts, pauses, bounds." },
  { name: "record", by: "ownership", doc: "The outcome is stored and told to the other owners." },
];

/** Asks the stages in order. The first stop, with its stage; `undefined` when all let the event pass. */
export function decide(
  candidate: Candidate,
): { readonly stage: StageName; readonly reason: StopReason; readonly detail: string } | undefined {
  for (const stage of STAGES) {
    const stop = stage.decide?.(candidate);
    if (stop !== undefined) return { stage: stage.name, ...stop };
  }
  return undefined;
}

function matchStage({ event, previousLevel, match }: Candidate): Stop {
  const verdict = match(event, previousLevel);
  switch (verdict.kind) {
    case "matches":
      return undefined;
    case "differs":
      return { reason: "matchFalse", detail: "the match expression is false" };
    case "error":
      return { reason: "matchError", detail: verdict.error };
  }
}

function silenceStage({ silencedBy }: Candidate): Stop {
  const id = silencedBy();
  return id === undefined ? undefined : { reason: "silenced", detail: `silence ${id}` };
}
