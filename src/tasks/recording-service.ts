/**
 * Recordings: made from what passes by or from queries, kept as files, listed, deleted.
 *
 * A request is answered when the recording is stored as running; a stream recording listens from that moment on.
 * It ends when a point that its task would get is later than `stop`, which the point shows and no clock
 * can. What ran when the daemon ended is failed at the next start; files nobody knows become finished
 * recordings then. Source: http-api §5, storage-and-influx §8.2, §9.
 */

import type { ForkTarget } from "#engine/fork.ts";
import type { BatchSource } from "#engine/outside-ports.ts";
import { measurementsOf } from "#engine/task.ts";
import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { compareTime, type Time } from "#lib/time.ts";
import { uuid4 } from "#lib/uuid.ts";
import { put, remove, type Store, type Write } from "#storage/store.ts";
import { checkId, isAllowedId } from "./ids.ts";
import type { Language } from "./ports.ts";
import { recordBatches } from "./record-batches.ts";
import { type QueryRecording, type RawQueries, recordQuery } from "./record-query.ts";
import { RecordingFiles } from "./recording-files.ts";
import { RECORDINGS_RUNNING_MAX } from "./recording-limits.ts";
import {
  allRecordings,
  pageByDate,
  type RecordingType,
  recordingKind,
  SHUTDOWN_ERROR,
  type StoredRecording,
} from "./recording-store.ts";
import { StreamRecordingWriter } from "./recording-writer.ts";
import { aborted, RunningJobs } from "./running-jobs.ts";
import { failed, notFound } from "./task-error.ts";
import type { TaskService } from "./task-service.ts";
import { type Page, type StoredTask, stamp } from "./task-store.ts";

/** The stream of points that all tasks share. */
export interface PointTap {
  /** Gives the target the points it wants until cancelled. */
  tap(target: ForkTarget): Cancel;
}

export interface RecordingServices {
  readonly store: Store;
  readonly tasks: Pick<TaskService, "get">;
  readonly language: Pick<Language, "evaluate" | "parseVars">;
  readonly points: PointTap;
  /** Where absent, batch recordings are not available. */
  readonly queries?: BatchSource | undefined;
  /** Where absent, query recordings are not available. */
  readonly rawQueries?: RawQueries | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface StreamRequest {
  /** Random when empty. */
  readonly id: string;
  readonly task: string;
  readonly stop: Time;
}

export interface BatchRequest {
  readonly id: string;
  readonly task: string;
  readonly start: Time;
  readonly stop: Time;
}

export interface QueryRequest extends QueryRecording {
  readonly id: string;
}

/** What the signal of a deleted recording says. */
const DELETED = "the recording was deleted";

export class RecordingService {
  readonly files: RecordingFiles;
  readonly #services: RecordingServices;
  readonly #jobs = new RunningJobs("recordings", RECORDINGS_RUNNING_MAX);

  /** `dir` is the `[replay]` directory; nothing is touched before `open`. */
  constructor(services: RecordingServices, dir: string) {
    this.#services = services;
    this.files = new RecordingFiles(dir);
  }

  /** True when the queries of batch tasks can be asked. */
  get hasBatches(): boolean {
    return this.#services.queries !== undefined;
  }

  /** True when any query can be asked. */
  get hasQueries(): boolean {
    return this.#services.rawQueries !== undefined;
  }

  /** Brings the list in line with the directory. Rejects when the directory or the store does not work. */
  async open(): Promise<void> {
    const { store, log } = this.#services;
    const found = this.files.scan((name) => {
      log.warn("ignoring file in replay directory", { file: name });
    });
    const table = store.table(recordingKind);
    const writes: Write[] = allRecordings(store)
      .filter(({ status }) => status === "running")
      .map((recording) => {
        const size = this.files.sizeOf(this.files.pathOf(recording));
        return putRecording({ ...recording, status: "failed", error: SHUTDOWN_ERROR, size });
      });
    for (const { id, type, size, modified } of found) {
      if (table.has(id) || !isAllowedId(id)) continue;
      const date = stamp(modified);
      writes.push(
        putRecording({ id, type, size, date, error: "", status: "finished", progress: 1 }),
      );
    }
    if (writes.length > 0) await store.commit(writes);
  }

  /** Ends what is running; it is stored as failed. */
  async close(): Promise<void> {
    await this.#jobs.endAll(SHUTDOWN_ERROR);
  }

  get(id: string): StoredRecording | undefined {
    return this.#services.store.table(recordingKind).get(id);
  }

  list(page: Page): readonly StoredRecording[] {
    return pageByDate(allRecordings(this.#services.store), page);
  }

  /** Records what a stream task would get. Rejects with `TaskError`, `StorageError`. */
  recordStream({ id, task: taskId, stop }: StreamRequest): Promise<StoredRecording> {
    if (id !== "") checkId("recording", id);
    const task = this.#task(taskId);
    return this.#begin(id, "stream", (path, signal) =>
      this.#recordStream(task, { stop, path, signal }),
    );
  }

  /** Records the answers to a batch task's queries in (start, stop]. Rejects as `recordStream`. */
  recordBatch({ id, task: taskId, start, stop }: BatchRequest): Promise<StoredRecording> {
    if (id !== "") checkId("recording", id);
    const task = this.#task(taskId);
    return this.#begin(id, "batch", (path, signal) =>
      this.writeBatches(task, { start, stop }, path, signal),
    );
  }

  /** Records the answer to one query. Rejects as `recordStream`. */
  recordQuery({ id, ...query }: QueryRequest): Promise<StoredRecording> {
    if (id !== "") checkId("recording", id);
    return this.#begin(id, query.type, (path, signal) => this.writeQuery(query, path, signal));
  }

  /** Writes a batch task's answers to a file of the caller. Rejects with the reason of a failure. */
  async writeBatches(
    task: StoredTask,
    { start, stop }: Pick<BatchRequest, "start" | "stop">,
    path: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { queries, clock } = this.#services;
    if (queries === undefined) throw new Error("queries of batch tasks are not available yet");
    if (task.type !== "batch") throw new Error("wrong task type");
    const { nodes } = this.#script(task);
    const { dbrps } = task;
    await recordBatches(nodes, { queries, dbrps, start, stop, now: clock.now(), path, signal });
  }

  /** Writes the answer to a query to a file of the caller. Rejects with the reason of a failure. */
  async writeQuery(query: QueryRecording, path: string, signal: AbortSignal): Promise<void> {
    const { rawQueries } = this.#services;
    if (rawQueries === undefined) throw new Error("queries are not available yet");
    await recordQuery(query, rawQueries, path, signal);
  }

  /**
   * Forgets a recording, running or not, and deletes its file. A missing one is fine; the missing file of a
   * finished one is a `failed` `TaskError`, after the rest was done. One that never got as far may have none.
   */
  async delete(id: string): Promise<void> {
    const recording = this.get(id);
    if (recording === undefined) return;
    await this.#services.store.commit([remove(recordingKind, id)]);
    await this.#jobs.end(id, DELETED);
    const path = this.files.pathOf(recording);
    const removed = this.files.remove(path);
    if (!removed && recording.status === "finished")
      throw failed(`remove ${path}: no such file or directory`);
  }

  /** Runs `work` after the recording was stored as running; its work begins before this resolves. */
  async #begin(
    given: string,
    type: RecordingType,
    work: (path: string, signal: AbortSignal) => Promise<void>,
  ): Promise<StoredRecording> {
    const { store, clock, random } = this.#services;
    const id = given === "" ? uuid4(random) : given;
    if (this.get(id) !== undefined || this.#jobs.has(id)) throw failed("recording already exists");
    this.#jobs.checkRoom();
    const recording: StoredRecording = {
      id,
      type,
      size: 0,
      date: stamp(clock.now()),
      error: "",
      status: "running",
      progress: 0,
    };
    const stored = store.commit([putRecording(recording)]);
    // A failed commit ends the job before it is known to anybody.
    stored.catch((error: unknown) => void this.#jobs.end(id, errorMessage(error)));
    this.#jobs.start(id, (signal) => this.#run(recording, work, signal));
    await stored;
    return recording;
  }

  async #run(
    recording: StoredRecording,
    work: (path: string, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { store, clock, log } = this.#services;
    const { id } = recording;
    const path = this.files.pathOf(recording);
    let error = "";
    try {
      await work(path, signal);
    } catch (cause) {
      error = errorMessage(cause);
      log.error("recording failed", { recording: id, err: error });
    }
    try {
      // Deleted meanwhile: nothing to tell.
      if (this.get(id) === undefined) return;
      const date = stamp(clock.now());
      const status = error === "" ? "finished" : "failed";
      const size = this.files.sizeOf(path);
      await store.commit([putRecording({ ...recording, date, status, error, size, progress: 1 })]);
    } catch (cause) {
      log.error("failed to store a recording's result", { recording: id, err: cause });
    }
  }

  async #recordStream(
    task: StoredTask,
    { stop, path, signal }: { stop: Time; path: string; signal: AbortSignal },
  ): Promise<void> {
    if (task.type !== "stream") throw new Error("wrong task type");
    const wanted = measurementsOf(this.#script(task).nodes);
    const writer = new StreamRecordingWriter(path);
    const stopped = Promise.withResolvers<void>();
    let isOver = false;
    const untap = this.#services.points.tap({
      dbrps: task.dbrps,
      // Both would give each point of a named measurement twice.
      measurements: wanted.has("") ? new Set([""]) : wanted,
      fieldsOf: () => "all",
      push(point) {
        if (isOver) return;
        if (compareTime(point.timeMs, point.timeNs, stop.ms, stop.ns) > 0) {
          isOver = true;
          stopped.resolve();
        } else writer.add(point);
      },
    });
    try {
      await Promise.race([stopped.promise, writer.failed, aborted(signal)]);
    } finally {
      untap();
      await writer.end();
    }
    if (writer.leftOut > 0) {
      this.#services.log.warn("points left out of a recording: the format cannot hold them", {
        task: task.id,
        points: writer.leftOut,
      });
    }
  }

  #script(task: StoredTask) {
    const { language } = this.#services;
    return language.evaluate(task.script, language.parseVars(task.vars));
  }

  #task(id: string): StoredTask {
    const task = this.#services.tasks.get(id);
    if (task === undefined) throw notFound("no task exists");
    return task;
  }
}

function putRecording(recording: StoredRecording): Write {
  return put(recordingKind, recording.id, recording);
}
