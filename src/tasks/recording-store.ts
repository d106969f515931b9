/**
 * Recordings and replays as they are stored, and their lists.
 *
 * A recording's points are in a file of the `[replay]` directory, named after its ID and type. Lists show the
 * newest first; within one second the greater ID comes first. Source: http-api §5, §6,
 * storage-and-influx §8.1.
 */

import { type Static, Type } from "@sinclair/typebox";
import { compileGlob, GlobError } from "#lib/glob.ts";
import { compareBytes } from "#lib/json.ts";
import type { AnyKind, Store } from "#storage/store.ts";
import { exactJsonKind, type Page } from "./task-store.ts";

const Text = Type.String();
const Status = Type.Union([
  Type.Literal("running"),
  Type.Literal("finished"),
  Type.Literal("failed"),
]);

/** What both have: the date is that of the start while it runs, then of the end. Progress is 0 or 1. */
const shared = { id: Text, date: Text, error: Text, status: Status, progress: Type.Number() };

const RecordingSchema = Type.Object({
  ...shared,
  type: Type.Union([Type.Literal("stream"), Type.Literal("batch")]),
  /** Bytes; 0 while it runs, −1 when the file is missing. */
  size: Type.Number(),
});
export type StoredRecording = Readonly<Static<typeof RecordingSchema>>;

const ReplaySchema = Type.Object({
  ...shared,
  task: Text,
  /** Empty for a live replay. */
  recording: Text,
  recordingTime: Type.Boolean(),
  clock: Type.Union([Type.Literal("fast"), Type.Literal("real")]),
  /** Of a finished replay. */
  stats: Type.Optional(
    Type.Object({
      taskStats: Type.Record(Text, Type.Number()),
      nodeStats: Type.Record(Text, Type.Record(Text, Type.Number())),
    }),
  ),
});
export type StoredReplay = Readonly<Static<typeof ReplaySchema>>;

export type RecordingType = StoredRecording["type"];
export type ReplayClock = StoredReplay["clock"];

export const recordingKind = exactJsonKind("recordings", RecordingSchema);
export const replayKind = exactJsonKind("replays", ReplaySchema);

/** For the list of all kinds that the store is opened with. */
export const RECORDING_KINDS: readonly AnyKind[] = [
  recordingKind as AnyKind,
  replayKind as AnyKind,
];

/** Why something that ran when the daemon ended has failed. */
export const SHUTDOWN_ERROR = "unexpected Kapacitor shutdown";

interface Dated {
  readonly id: string;
  readonly date: string;
}

/** One page, newest first. A malformed pattern gives an empty page. */
export function pageByDate<T extends Dated>(rows: readonly T[], page: Page): T[] {
  const start = Math.max(0, page.offset);
  return matching(rows, page.pattern)
    .sort(newestFirst)
    .slice(start, page.limit < 0 ? undefined : start + page.limit);
}

function matching<T extends Dated>(rows: readonly T[], pattern: string): T[] {
  if (pattern === "") return [...rows];
  try {
    const glob = compileGlob(pattern);
    return rows.filter(({ id }) => glob(id));
  } catch (error) {
    if (error instanceof GlobError) return [];
    throw error;
  }
}

/** Stored dates are in UTC, so their first 19 characters order them by second. */
function newestFirst(a: Dated, b: Dated): number {
  return compareBytes(b.date.slice(0, 19), a.date.slice(0, 19)) || compareBytes(b.id, a.id);
}

export function allRecordings(store: Store): StoredRecording[] {
  return store
    .table(recordingKind)
    .entries()
    .map(([, recording]) => recording);
}

export function allReplays(store: Store): StoredReplay[] {
  return store
    .table(replayKind)
    .entries()
    .map(([, replay]) => replay);
}
