/**
 * Asks the queries of a batch task for a stretch of the past and writes the answers to a file.
 *
 * One entry per query node; its queries run one after the other, and a series is written as soon as it has
 * arrived, so no answer is held as a whole. Source: reference storage-and-influx.md §9.2.
 */

import { type QueryHistory, queryHistory } from "#engine/batch-history.ts";
import type { BatchSource, ResultSeries } from "#engine/outside-ports.ts";
import type { Time } from "#lib/time.ts";
import type { Dbrp } from "#model/dbrp.ts";
import type { NodeDefinition } from "#tick/environment.ts";
import { batchLine } from "./batch-line.ts";
import { Handover } from "./handover.ts";
import { pack } from "./recording-writer.ts";
import { zip } from "./zip-writer.ts";

export interface BatchRecording {
  readonly queries: BatchSource;
  readonly dbrps: readonly Dbrp[];
  /** Exclusive. */
  readonly start: Time;
  /** Inclusive. */
  readonly stop: Time;
  readonly now: Time;
  readonly path: string;
  readonly signal: AbortSignal;
}

/** Rejects with the reason of the first failure; what was written until then stays. */
export async function recordBatches(
  nodes: readonly NodeDefinition[],
  { queries, dbrps, start, stop, now, path, signal }: BatchRecording,
): Promise<void> {
  const histories = queryHistory(nodes, { queries, dbrps, range: { start, stop, now } });
  const entries = histories.map((history, i) => ({
    name: String(i),
    content: answersOf(history, signal),
  }));
  await pack(zip(entries), path);
}

function answersOf(history: QueryHistory, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  return handedOver(async (take) => {
    for (const ask of history.asks()) {
      signal.throwIfAborted();
      await ask.run((series) => {
        const { byName } = history;
        return take(encoded(batchLine(series, { byName, tmax: ask.tmax(series) })));
      }, signal);
    }
  });
}

/** What a query gives, one series after the other, as lines of one entry. */
export function linesOf(
  run: (take: (series: ResultSeries) => Promise<void>) => Promise<void>,
  lineOf: (series: ResultSeries) => string,
): AsyncGenerator<Uint8Array> {
  return handedOver((take) => run((series) => take(encoded(lineOf(series)))));
}

function handedOver(
  produce: (take: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  return new Handover<Uint8Array>(produce).items();
}

function encoded(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
