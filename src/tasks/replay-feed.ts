/**
 * Feeds recorded data to a task: shifted to now or as recorded, at once or at the pace of the recording.
 *
 * The first point is moved to the moment at which the replay was made, all others by the same distance. With
 * `recordingTime` they keep their times and only the pace follows the shift. Each query of a batch recording has
 * a distance of its own; batches of all queries are handed in by order of their last point's time.
 * Source: reference storage-and-influx.md §9.3.
 */

import { BatchGroups } from "#engine/batch-groups.ts";
import type { TaskBatch } from "#engine/task.ts";
import type { Clock } from "#lib/clock.ts";
import type { DurationNs } from "#lib/int64.ts";
import { addDuration, compareTime, NS_PER_MS, type Time, timeDifference } from "#lib/time.ts";
import { LineProtocolReader } from "#model/line-protocol.ts";
import { Point } from "#model/point.ts";
import { SeriesTable } from "#model/series-table.ts";
import { type RecordedBatch, type RecordedLines, RecordingError } from "./recording-file.ts";
import { REPLAY_SLICE_MS } from "./recording-limits.ts";
import type { ReplayClock } from "./recording-store.ts";

export interface FeedOptions {
  readonly clock: Clock;
  /** When the replay was made. */
  readonly zero: Time;
  readonly recordingTime: boolean;
  readonly pace: ReplayClock;
  readonly signal: AbortSignal;
}

/** Rejects with `RecordingError` for lines that are no line protocol, and with the signal's reason. */
export async function feedStream(
  recorded: AsyncIterable<RecordedLines>,
  options: FeedOptions,
  push: (point: Point) => void,
): Promise<void> {
  const reader = new LineProtocolReader(new SeriesTable());
  const pace = new Pace(options);
  let shift: Shift | undefined;
  for await (const { db, rp, body } of recorded) {
    const now = options.clock.now();
    const { points, errors } = reader.readAll(body, { db, rp, precision: "ns", now });
    if (errors.length > 0) throw new RecordingError(errors.join("; "));
    for (const point of points) {
      shift ??= new Shift(options.zero, { ms: point.timeMs, ns: point.timeNs });
      const due = shift.time(point.timeMs, point.timeNs);
      if (pace.mustWait(due)) await pace.wait(due);
      push(options.recordingTime ? point : at(point, due));
    }
  }
}

/** Batches of each query, in order. Rejects with the signal's reason. */
export async function feedBatches(
  queries: readonly (readonly RecordedBatch[])[],
  options: FeedOptions,
  push: (query: number, batch: TaskBatch) => void,
): Promise<void> {
  const pace = new Pace(options);
  const feeds = queries.map((batches, query) => new BatchFeed(batches, query, options));
  for (;;) {
    const [first] = feeds.filter((feed) => feed.due !== undefined).sort(compareFeeds);
    if (first?.due === undefined) return;
    if (pace.mustWait(first.due)) await pace.wait(first.due);
    push(first.query, first.take());
  }
}

class BatchFeed {
  readonly query: number;
  /** When the next batch's last point is due; `undefined` after the last one. */
  due: Time | undefined;
  readonly #batches: readonly RecordedBatch[];
  readonly #groups = new BatchGroups();
  readonly #shift: Shift | undefined;
  readonly #keepsTime: boolean;
  #next = 0;

  constructor(batches: readonly RecordedBatch[], query: number, options: FeedOptions) {
    const first = batches[0]?.points[0];
    this.#batches = batches;
    this.query = query;
    this.#keepsTime = options.recordingTime;
    if (first !== undefined) {
      this.#shift = new Shift(options.zero, { ms: first.timeMs, ns: first.timeNs });
    }
    this.due = this.#dueNext();
  }

  take(): TaskBatch {
    const batch = this.#batches[this.#next++] as RecordedBatch;
    const shift = this.#shift as Shift;
    const { name, tags, byName, tmax, points } = batch;
    this.due = this.#dueNext();
    const end = this.#keepsTime ? tmax : shift.time(tmax.ms, tmax.ns);
    return {
      group: this.#groups.find(name, tags, byName),
      begin: { name, tmaxMs: end.ms, tmaxNs: end.ns, sizeHint: points.length },
      points: this.#keepsTime
        ? points
        : points.map((point) => at(point, shift.time(point.timeMs, point.timeNs))),
    };
  }

  #dueNext(): Time | undefined {
    const last = this.#batches[this.#next]?.points.at(-1);
    return last === undefined ? undefined : this.#shift?.time(last.timeMs, last.timeNs);
  }
}

function compareFeeds(a: BatchFeed, b: BatchFeed): number {
  if (a.due === undefined || b.due === undefined) return 0;
  return compareTime(a.due.ms, a.due.ns, b.due.ms, b.due.ns) || a.query - b.query;
}

/** The distance between recorded times and those of the replay. */
class Shift {
  readonly #distance: DurationNs;

  constructor(zero: Time, first: Time) {
    this.#distance = timeDifference(zero.ms, zero.ns, first.ms, first.ns);
  }

  time(ms: number, ns: number): Time {
    return addDuration(ms, ns, this.#distance);
  }
}

function at({ series, shape, values }: Point, { ms, ns }: Time): Point {
  return new Point(series, shape, values, ms, ns);
}

/** Waits for due times, or lets others work now and then. */
class Pace {
  readonly #options: FeedOptions;
  #sliceEndMs: number;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#sliceEndMs = options.clock.monoMs() + REPLAY_SLICE_MS;
  }

  mustWait(due: Time): boolean {
    const { clock, pace, signal } = this.#options;
    if (signal.aborted || clock.monoMs() >= this.#sliceEndMs) return true;
    return pace === "real" && this.#untilMs(due) > 0;
  }

  /** Rejects with the signal's reason. */
  async wait(due: Time): Promise<void> {
    const { clock, pace, signal } = this.#options;
    signal.throwIfAborted();
    const delayMs = pace === "real" ? Math.max(0, this.#untilMs(due)) : 0;
    // Nothing may stay at the signal: a replay waits as often as it has points.
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        cancel();
        reject(signal.reason);
      };
      const cancel = clock.after(delayMs, () => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
      signal.addEventListener("abort", stop, { once: true });
    });
    this.#sliceEndMs = clock.monoMs() + REPLAY_SLICE_MS;
  }

  #untilMs({ ms, ns }: Time): number {
    const now = this.#options.clock.now();
    return ms - now.ms + (ns - now.ns) / NS_PER_MS;
  }
}
