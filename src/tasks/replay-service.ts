/**
 * Replays: recorded data, or data just asked for, fed to a task that runs apart from all others.
 *
 * Each replay has an engine named after it, with its own statistics and anonymous topics; handlers, databases and
 * endpoints are the real ones, so an endpoint that is taken fails the replay. The statistics of a finished
 * replay are kept. What ran when the daemon ended is failed at the next start. As in the original, a replay
 * with a known ID is run all the same; the old one stays until the new one has ended.
 * Source: http-api §6, storage-and-influx §9.3.
 */

import type { StartOutcome, TaskDefinition, TaskStats } from "#engine/ports.ts";
import type { TaskBatch } from "#engine/task.ts";
import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import type { Time } from "#lib/time.ts";
import { uuid4 } from "#lib/uuid.ts";
import type { Point } from "#model/point.ts";
import type { Result } from "#model/result.ts";
import { put, remove, type Store, type Write } from "#storage/store.ts";
import { varValues } from "#tick/vars.ts";
import { checkId, isAllowedId } from "./ids.ts";
import type { Language } from "./ports.ts";
import { REPLAYS_RUNNING_MAX } from "./recording-limits.ts";
import type { RecordingService } from "./recording-service.ts";
import {
  allReplays,
  pageByDate,
  type RecordingType,
  type ReplayClock,
  replayKind,
  SHUTDOWN_ERROR,
  type StoredReplay,
} from "./recording-store.ts";
import { openData, type ReplayData } from "./replay-data.ts";
import { RunningJobs } from "./running-jobs.ts";
import { failed, invalid, notFound } from "./task-error.ts";
import type { TaskService } from "./task-service.ts";
import { type Page, type StoredTask, stamp } from "./task-store.ts";

/** An engine for one replay. */
export interface ReplayEngine {
  start(task: TaskDefinition): StartOutcome;
  push(point: Point): void;
  pushBatch(task: string, query: number, batch: TaskBatch): void;
  stats(task: string): TaskStats | undefined;
  dot(task: string, view: "attributes" | "labels"): string | undefined;
  endpoint(task: string, endpoint: string): Result | undefined;
  /** `<task>/<endpoint>`. */
  endpoints(): readonly string[];
  stop(task: string): Promise<void>;
  close(): Promise<void>;
}

/** Makes an engine that takes batches from outside. `taskFailed` is called when its task dies. */
export type MakeReplayEngine = (
  name: string,
  taskFailed: (task: string, error: string) => void,
) => ReplayEngine;

export interface ReplayServices {
  readonly store: Store;
  readonly tasks: Pick<TaskService, "get">;
  readonly recordings: RecordingService;
  readonly language: Pick<Language, "evaluate" | "parseVars">;
  readonly replayEngine: MakeReplayEngine;
  /** Endpoints of tasks that run outside of replays: `<task>/<endpoint>`. */
  endpoints(): readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

interface CommonRequest {
  /** Random when empty. */
  readonly id: string;
  readonly task: string;
  readonly recordingTime: boolean;
  readonly clock: ReplayClock;
}

export interface ReplayRequest extends CommonRequest {
  readonly recording: string;
}

export interface LiveBatchRequest extends CommonRequest {
  readonly start: Time;
  readonly stop: Time;
}

export interface LiveQueryRequest extends CommonRequest {
  readonly query: string;
  readonly cluster: string;
}

/** A replay that runs now. */
export interface RunningReplay {
  readonly task: string;
  readonly engine: ReplayEngine;
}

export class ReplayService {
  readonly #services: ReplayServices;
  readonly #jobs = new RunningJobs("replays", REPLAYS_RUNNING_MAX);
  readonly #running = new Map<string, RunningReplay>();

  constructor(services: ReplayServices) {
    this.#services = services;
  }

  /** Fails what ran when the daemon ended. Rejects when the store does not work. */
  async open(): Promise<void> {
    const { store } = this.#services;
    const writes = allReplays(store)
      .filter(({ status }) => status === "running")
      .map((replay) => putReplay({ ...replay, status: "failed", error: SHUTDOWN_ERROR }));
    if (writes.length > 0) await store.commit(writes);
  }

  /** Ends what is running; it is stored as failed. */
  async close(): Promise<void> {
    await this.#jobs.endAll(SHUTDOWN_ERROR);
  }

  get(id: string): StoredReplay | undefined {
    return this.#services.store.table(replayKind).get(id);
  }

  list(page: Page): readonly StoredReplay[] {
    return pageByDate(allReplays(this.#services.store), page);
  }

  /** A replay whose task is running, for its numbers. */
  running(id: string): RunningReplay | undefined {
    return this.#running.get(id);
  }

  /** Data of an endpoint of a task that is replayed now. */
  endpoint(task: string, endpoint: string): Result | undefined {
    for (const replay of this.#running.values()) {
      if (replay.task !== task) continue;
      const result = replay.engine.endpoint(task, endpoint);
      if (result !== undefined) return result;
    }
    return undefined;
  }

  /** Feeds a recording to a task. Rejects with `TaskError`, `StorageError`. */
  async replay(request: ReplayRequest): Promise<StoredReplay> {
    if (request.id !== "") checkId("replay", request.id);
    const task = this.#task(request.task, "task load: ");
    const { recordings } = this.#services;
    const recording = recordings.get(request.recording);
    if (recording === undefined) throw notFound("recording not found: no recording exists");
    const running = this.#jobs.has(request.id) ? this.get(request.id) : undefined;
    if (running !== undefined) return running;
    const path = recordings.files.pathOf(recording);
    const replay = this.#stored(request, request.recording);
    return this.#begin(replay, task, async () => openData(path, task.type));
  }

  /** Feeds a batch task with the answers to its own queries in (start, stop]. Rejects as `replay`. */
  async replayBatch(request: LiveBatchRequest): Promise<StoredReplay> {
    checkLiveId("replay", request.id);
    const task = this.#task(request.task, "");
    if (task.type !== "batch") throw invalid(`cannot replay batch against stream task: ${task.id}`);
    const { start, stop } = request;
    return this.#beginLive(request, task, (path, signal) =>
      this.#services.recordings.writeBatches(task, { start, stop }, path, signal),
    );
  }

  /** Feeds a task with the answer to a query. Rejects as `replay`. */
  async replayQuery(request: LiveQueryRequest): Promise<StoredReplay> {
    checkLiveId("recording", request.id);
    const task = this.#task(request.task, "");
    const { query, cluster } = request;
    const type: RecordingType = task.type;
    return this.#beginLive(request, task, (path, signal) =>
      this.#services.recordings.writeQuery({ query, cluster, type }, path, signal),
    );
  }

  /** Forgets a replay. One that runs goes on and is stored no more; a missing one is fine. */
  async delete(id: string): Promise<void> {
    if (this.get(id) !== undefined) await this.#services.store.commit([remove(replayKind, id)]);
  }

  async #beginLive(
    request: CommonRequest,
    task: StoredTask,
    write: (path: string, signal: AbortSignal) => Promise<void>,
  ): Promise<StoredReplay> {
    if (this.get(request.id) !== undefined) throw failed("replay already exists");
    const { files } = this.#services.recordings;
    const replay = this.#stored(request, "");
    const path = files.livePathOf(replay.id);
    return this.#begin(replay, task, async (signal) => {
      try {
        await write(path, signal);
      } catch (error) {
        files.remove(path);
        throw error;
      }
      return { ...(await openData(path, task.type)), close: () => void files.remove(path) };
    });
  }

  async #begin(
    replay: StoredReplay,
    task: StoredTask,
    open: (signal: AbortSignal) => Promise<ReplayData>,
  ): Promise<StoredReplay> {
    const { store, clock } = this.#services;
    if (this.#jobs.has(replay.id)) throw failed("replay already exists");
    this.#jobs.checkRoom();
    const zero = clock.now();
    const isKnown = this.get(replay.id) !== undefined;
    if (!isKnown) await store.commit([putReplay(replay)]);
    if (this.#jobs.has(replay.id)) return replay;
    this.#jobs.start(replay.id, (signal) => this.#run(replay, { task, zero, signal, open }));
    return replay;
  }

  async #run(
    replay: StoredReplay,
    run: {
      readonly task: StoredTask;
      readonly zero: Time;
      readonly signal: AbortSignal;
      readonly open: (signal: AbortSignal) => Promise<ReplayData>;
    },
  ): Promise<void> {
    const { store, clock, log } = this.#services;
    let error = "";
    let stats: TaskStats | undefined;
    try {
      const data = await run.open(run.signal);
      try {
        stats = await this.#feed(replay, { ...run, data });
      } finally {
        data.close();
      }
    } catch (cause) {
      error = errorMessage(cause);
      log.error("replay failed", { replay: replay.id, task: replay.task, err: error });
    }
    try {
      if (this.get(replay.id) === undefined) return;
      const status = error === "" ? "finished" : "failed";
      const date = stamp(clock.now());
      const ended = { ...replay, status, error, date, progress: 1 } as const;
      await store.commit([
        putReplay(stats === undefined ? ended : { ...ended, stats: { ...stats } }),
      ]);
    } catch (cause) {
      log.error("failed to store a replay's result", { replay: replay.id, err: cause });
    }
  }

  /** Runs the task with the data; the statistics are those before it is drained. Rejects with the reason. */
  async #feed(
    replay: StoredReplay,
    run: {
      readonly task: StoredTask;
      readonly zero: Time;
      readonly signal: AbortSignal;
      readonly data: ReplayData;
    },
  ): Promise<TaskStats> {
    const { clock, replayEngine } = this.#services;
    const died = new AbortController();
    const engine = replayEngine(replay.id, (_task, error) => {
      died.abort(new Error(`task run: ${error}`));
    });
    try {
      const queries = this.#start(run.task, engine);
      this.#running.set(replay.id, { task: run.task.id, engine });
      const signal = AbortSignal.any([run.signal, died.signal]);
      const { zero } = run;
      const { recordingTime, clock: pace } = replay;
      const target = { engine, task: run.task.id, queries };
      await run.data.feed({ clock, zero, recordingTime, pace, signal }, target);
      died.signal.throwIfAborted();
      const stats = engine.stats(run.task.id);
      await engine.stop(run.task.id);
      died.signal.throwIfAborted();
      return stats ?? { taskStats: {}, nodeStats: {} };
    } finally {
      this.#running.delete(replay.id);
      await engine.close();
    }
  }

  /** Returns how many query nodes the task has. */
  #start(task: StoredTask, engine: ReplayEngine): number {
    const { language } = this.#services;
    const { id, type, script, dbrps } = task;
    const vars = language.parseVars(task.vars);
    const { nodes } = language.evaluate(script, vars);
    this.#checkEndpoints(id, nodes);
    const outcome = engine.start({ id, type, script, dbrps, vars: varValues(vars) });
    if (outcome.kind === "refused") throw new Error(`task start: ${outcome.error}`);
    return nodes.filter(({ type: { method } }) => method === "query" || method === "queryFlux")
      .length;
  }

  /** An endpoint has one address, whoever runs the task. */
  #checkEndpoints(task: string, nodes: ReturnType<Language["evaluate"]>["nodes"]): void {
    const taken = new Set(this.#services.endpoints());
    for (const { engine } of this.#running.values()) {
      for (const endpoint of engine.endpoints()) taken.add(endpoint);
    }
    for (const { name, type, args } of nodes) {
      const [endpoint] = args;
      if (type.method !== "httpOut" || endpoint?.kind !== "string") continue;
      const path = `${task}/${endpoint.value}`;
      if (!taken.has(path)) continue;
      throw new Error(
        `task run: ${name}: http: multiple registrations for /kapacitor/v1/tasks/${path}`,
      );
    }
  }

  #stored(request: CommonRequest, recording: string): StoredReplay {
    const { clock, random } = this.#services;
    return {
      id: request.id === "" ? uuid4(random) : request.id,
      task: request.task,
      recording,
      recordingTime: request.recordingTime,
      clock: request.clock,
      date: stamp(clock.now()),
      error: "",
      status: "running",
      progress: 0,
    };
  }

  #task(id: string, prefix: string): StoredTask {
    const task = this.#services.tasks.get(id);
    if (task === undefined) throw notFound(`${prefix}no task exists`);
    return task;
  }
}

/** Live replays word this refusal in their own way, one of them with the wrong noun. Source: http-api §1.8. */
function checkLiveId(noun: "replay" | "recording", id: string): void {
  if (id === "" || isAllowedId(id)) return;
  throw invalid(`${noun} ID must match ^[-\\._\\p{L}0-9]+$ ${JSON.stringify(id)}`);
}

function putReplay(replay: StoredReplay): Write {
  return put(replayKind, replay.id, replay);
}
