/** Recordings and replays over a real engine, the real language, a real directory and a memory store. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BatchSource } from "#engine/outside-ports.ts";
import type { Clock } from "#lib/clock.ts";
import { type LogEntry, logTo } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { MemoryStore } from "#storage/memory.ts";
import type { Store } from "#storage/store.ts";
import { put } from "#storage/store.ts";
import type { Language } from "#tasks/ports.ts";
import type { RawQueries } from "#tasks/record-query.ts";
import { RecordingService } from "#tasks/recording-service.ts";
import type { ReplayEngine } from "#tasks/replay-service.ts";
import { ReplayService } from "#tasks/replay-service.ts";
import { TaskService } from "#tasks/task-service.ts";
import { type StoredTask, taskKind } from "#tasks/task-store.ts";
import { tickLanguage } from "#tasks/tick-language.ts";
import { FakeTopics } from "#test/http/fake-services.ts";
import { TestEngine } from "#test/support/engine.ts";

export interface WorldOptions {
  readonly store?: Store;
  readonly dir?: string;
  readonly queries?: BatchSource;
  readonly rawQueries?: RawQueries;
  /** In place of a clock that stands still. */
  readonly clock?: Clock;
}

export class RecordingWorld {
  readonly main: TestEngine;
  readonly store: Store;
  readonly dir: string;
  readonly log: LogEntry[] = [];
  readonly tasks: TaskService;
  readonly recordings: RecordingService;
  readonly replays: ReplayService;
  readonly language: Language;
  /** Engines of replays, in order. */
  readonly engines: TestEngine[] = [];
  /** What `<task>/<endpoint>` of replays held just before their tasks were stopped. */
  readonly endpoints = new Map<string, unknown>();

  constructor({ store, dir, queries, rawQueries, clock: given }: WorldOptions = {}) {
    this.main = new TestEngine(given === undefined ? {} : { otherClock: given });
    this.store = store ?? new MemoryStore();
    this.dir = dir ?? mkdtempSync(join(tmpdir(), "replay-"));
    const clock = given ?? this.main.clock;
    this.language = tickLanguage(this.main.environment);
    const services = {
      store: this.store,
      engine: this.main.engine,
      topics: new FakeTopics(),
      language: this.language,
      clock,
      random: new SeededRandom(3),
      log: logTo((entry) => this.log.push(entry)),
    };
    this.tasks = new TaskService(services);
    const more = { ...services, tasks: this.tasks, points: this.main.engine, queries, rawQueries };
    this.recordings = new RecordingService(more, this.dir);
    this.replays = new ReplayService({
      ...services,
      tasks: this.tasks,
      recordings: this.recordings,
      replayEngine: (name, taskFailed) => this.#replayEngine(clock, name, taskFailed),
      endpoints: () => this.main.engine.endpoints(),
    });
  }

  async open(): Promise<this> {
    await this.recordings.open();
    await this.replays.open();
    return this;
  }

  async close(): Promise<void> {
    await this.replays.close();
    await this.recordings.close();
    await this.main.engine.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async define(id: string, script: string, more: Partial<StoredTask> = {}): Promise<void> {
    const type = script.includes("batch") ? ("batch" as const) : ("stream" as const);
    const task: StoredTask = {
      id,
      templateId: "",
      type,
      dbrps: [{ db: "db", rp: "rp" }],
      script,
      status: "disabled",
      vars: {},
      error: "",
      created: "",
      modified: "",
      lastEnabled: "",
      ...more,
    };
    await this.store.commit([put(taskKind, id, task)]);
  }

  path(file: string): string {
    return join(this.dir, file);
  }

  #replayEngine(
    clock: Clock,
    name: string,
    taskFailed: (task: string, error: string) => void,
  ): ReplayEngine {
    const made = new TestEngine({ otherClock: clock, name, takesBatches: true, taskFailed });
    const { engine } = made;
    this.engines.push(made);
    return {
      start: (task) => engine.start(task),
      push: (point) => engine.push(point),
      pushBatch: (task, query, batch) => engine.pushBatch(task, query, batch),
      stats: (task) => engine.stats(task),
      dot: (task, view) => engine.dot(task, view),
      endpoint: (task, endpoint) => engine.endpoint(task, endpoint),
      endpoints: () => engine.endpoints(),
      stop: (task) => {
        for (const path of engine.endpoints()) {
          this.endpoints.set(path, engine.endpoint(task, path.slice(task.length + 1)));
        }
        return engine.stop(task);
      },
      close: () => engine.close(),
    };
  }
}

/** Waits for an observable, letting timers and files go on between two looks. */
export async function until<T>(look: () => T | undefined | false, mostMs = 4_000): Promise<T> {
  const start = performance.now();
  while (performance.now() - start < mostMs) {
    const seen = look();
    if (seen !== undefined && seen !== false) return seen;
    await new Promise<void>((done) => setImmediate(done));
  }
  throw new Error("waited too long");
}
