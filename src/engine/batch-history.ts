/**
 * What the queries of a batch task would have asked in a stretch of time, for recordings and live replays.
 *
 * One entry per query node, in creation order, which is the order of the entries in a recording. Nothing is asked
 * here; the caller runs one after the other. Source: reference nodes.md §1 (query, recording list).
 */

import { neg } from "#lib/int64.ts";
import { addDuration, compareTime, type Time } from "#lib/time.ts";
import type { Dbrp } from "#model/dbrp.ts";
import type { NodeDefinition } from "#tick/environment.ts";
import type { BatchAsk } from "./batch-runner.ts";
import { dueBetween } from "./batch-schedule.ts";
import { recordingPlan } from "./nodes/query.ts";
import { fluxRecordingPlan } from "./nodes/query-flux.ts";
import type { BatchSource } from "./outside-ports.ts";

export interface QueryHistory {
  /** Its batches are grouped by name too. */
  readonly byName: boolean;
  /** Every query in order of time; ends before what lies in the future. */
  asks(): Generator<BatchAsk>;
}

export interface HistoryRange {
  /** Exclusive. */
  readonly start: Time;
  /** Inclusive. */
  readonly stop: Time;
  readonly now: Time;
}

/** Throws `Error` when a query is not allowed or its schedule is wrong. */
export function queryHistory(
  nodes: readonly NodeDefinition[],
  { queries, dbrps, range }: { queries: BatchSource; dbrps: readonly Dbrp[]; range: HistoryRange },
): readonly QueryHistory[] {
  return nodes.flatMap((node) => {
    const plan = planOf(node, queries, dbrps);
    if (plan === undefined) return [];
    const { start, stop, now } = range;
    return {
      byName: plan.byName,
      *asks() {
        for (const due of dueBetween(plan.schedule, start, stop)) {
          const end = addDuration(due.ms, due.ns, neg(plan.offset));
          if (compareTime(end.ms, end.ns, now.ms, now.ns) > 0) return;
          yield plan.ask(due);
        }
      },
    };
  });
}

function planOf(node: NodeDefinition, queries: BatchSource, dbrps: readonly Dbrp[]) {
  switch (node.type.method) {
    case "query":
      return recordingPlan(node, queries, dbrps);
    case "queryFlux":
      return fluxRecordingPlan(node, queries);
    default:
      return undefined;
  }
}
