/**
 * A recording opened for a replay. Which format a file must have follows from the task's type.
 *
 * Stream recordings are read while they are fed; batch recordings at once, within the bounds of
 * `recording-file.ts`. Texts of errors are the original's. Source: http-api §6.
 */

import { readFile } from "node:fs/promises";
import { errorMessage } from "#lib/errors.ts";
import type { TaskType } from "#tick/environment.ts";
import { RecordingError, readBatchRecording } from "./recording-file.ts";
import { checkStreamFile, readRecordedLines, readStart } from "./recording-reader.ts";
import { type FeedOptions, feedBatches, feedStream } from "./replay-feed.ts";
import type { ReplayEngine } from "./replay-service.ts";
import { isZip } from "./zip-file.ts";

/** The running task that is fed. */
export interface ReplayTarget {
  readonly engine: ReplayEngine;
  readonly task: string;
  /** Query nodes of the task. */
  readonly queries: number;
}

export interface ReplayData {
  /** Feeds everything to the task. Rejects with the reason of a failure, or the signal's. */
  feed(options: FeedOptions, target: ReplayTarget): Promise<void>;
  close(): void;
}

/** Rejects with `data source open: …` when the file is none for this type of task. */
export async function openData(path: string, type: TaskType): Promise<ReplayData> {
  try {
    return type === "stream" ? await openStream(path) : await openBatches(path);
  } catch (error) {
    throw new RecordingError(`data source open: ${errorMessage(error)}`, { cause: error });
  }
}

async function openStream(path: string): Promise<ReplayData> {
  await checkStreamFile(path);
  return {
    feed: (options, { engine }) =>
      failingAs(() => feedStream(readRecordedLines(path), options, (point) => engine.push(point))),
    close() {},
  };
}

async function openBatches(path: string): Promise<ReplayData> {
  if (!isZip(await readStart(path))) throw new RecordingError("zip: not a valid zip file");
  const queries = readBatchRecording(await readFile(path));
  return {
    async feed(options, { engine, task, queries: wanted }) {
      if (wanted !== queries.length) {
        throw new RecordingError(
          `unexpected number of batch collectors. exp ${queries.length} got ${wanted}`,
        );
      }
      await failingAs(() =>
        feedBatches(queries, options, (query, batch) => engine.pushBatch(task, query, batch)),
      );
    },
    close() {},
  };
}

/** What is wrong with the data is told apart from what is wrong with the task. */
async function failingAs(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    throw new RecordingError(`running replay: ${error.message}`, { cause: error });
  }
}
