/**
 * The engine in this process: takes bodies of line protocol, runs them through all tasks, answers when done.
 *
 * Work is done in slices of at most `SLICE_MS` per turn of the event loop, so that gossip, RPC and the API
 * stay prompt under any load. A body is answered after its points were processed by every task and the events
 * they raised are safe. What waits is bounded; beyond the bound a write is refused as overloaded, with nothing
 * taken: back-pressure, never silent loss.
 */

import type { Cancel } from "#lib/clock.ts";
import type { LineProtocolCursor } from "#model/line-protocol.ts";
import { LineProtocolReader } from "#model/line-protocol.ts";
import type { Point } from "#model/point.ts";
import type { Result } from "#model/result.ts";
import type { Series } from "#model/series.ts";
import type { SeriesTable } from "#model/series-table.ts";
import type { ScriptResult } from "#tick/environment.ts";
import { dotOfTask } from "./dot.ts";
import type { ForkTarget } from "./fork.ts";
import {
  BACKLOG_BYTES_MAX,
  BACKLOG_WRITES_MAX,
  EXPIRED_SERIES_MIN,
  LOOPBACK_ROUNDS_AWAITED,
  SLICE_CHECK_LINES,
  SLICE_MS,
  SLICE_STEPS_MAX,
} from "./limits.ts";
import type {
  AlertPort,
  EngineHost,
  EngineServices,
  IngressCount,
  StartOutcome,
  TaskDefinition,
  TaskStats,
  WriteChunk,
  WriteOutcome,
} from "./ports.ts";
import { RunLength } from "./run-length.ts";
import { type EdgeCount, edgeCountsOf, RateMeter, statsOf } from "./stats.ts";
import type { TaskBatch } from "./task.ts";
import { TaskMaster, type TaskMasterOptions } from "./task-master.ts";

export interface EngineOptions extends TaskMasterOptions {
  /** Bounds of what waits; the defaults are in limits.ts. */
  readonly backlogBytesMax?: number;
  readonly backlogWritesMax?: number;
}

/** A write on its way. */
interface Job {
  readonly chunk: WriteChunk;
  readonly answer: (outcome: WriteOutcome) => void;
  readonly fail: (error: unknown) => void;
  cursor: LineProtocolCursor | undefined;
  /** Set when the whole body has been read. */
  points: readonly Point[] | undefined;
  next: number;
  /** Lines of the body. */
  lines: number;
  rounds: number;
  readonly eventsBefore: number;
}

export class InProcessEngine implements EngineHost {
  readonly #services: EngineServices;
  readonly #master: TaskMaster;
  readonly #reader: LineProtocolReader;
  readonly #table: SeriesTable;
  readonly #wants = (series: Series): boolean | readonly string[] =>
    this.#master.fork.wants(series);
  readonly #bytesMax: number;
  readonly #writesMax: number;
  readonly #meters = new Map<string, RateMeter>();
  readonly #run = new RunLength();
  /** From `#head` on; before it stand places of finished jobs, emptied, since a job holds its body and points. */
  readonly #queue: (Job | undefined)[] = [];
  #head = 0;
  /** Groups expired since the table of series started anew. */
  #expired = 0;
  #bytes = 0;
  #events = 0;
  #turnOpen = false;
  #deadlineMs = 0;
  #stepsLeft = 0;
  #working = false;
  #closed = false;

  constructor(services: EngineServices, table: SeriesTable, options: EngineOptions) {
    this.#services = { ...services, alerts: this.#countingAlerts(services.alerts) };
    this.#master = new TaskMaster(
      {
        ...this.#services,
        taskFailed: (task, error) => {
          this.#meters.delete(task);
          services.taskFailed(task, error);
        },
      },
      options,
      {
        wake: () => {
          if (!this.#working && !this.#turnOpen) this.#openTurn();
        },
        expired: (groups) => this.#forgetSeries(groups),
      },
    );
    this.#table = table;
    this.#reader = new LineProtocolReader(table);
    this.#bytesMax = options.backlogBytesMax ?? BACKLOG_BYTES_MAX;
    this.#writesMax = options.backlogWritesMax ?? BACKLOG_WRITES_MAX;
  }

  start(task: TaskDefinition): StartOutcome {
    this.#services.taskStarting?.();
    return this.#started(task.id, this.#master.start(task));
  }

  /** Starts a task whose script has been read already. */
  startScript(task: TaskDefinition, script: ScriptResult): StartOutcome {
    this.#services.taskStarting?.();
    if (this.isRunning(task.id)) return this.#master.start(task);
    return this.#started(task.id, this.#master.startScript(task, script));
  }

  async stop(id: string): Promise<void> {
    const stopped = this.#master.stop(id);
    this.#meters.delete(id);
    await stopped;
    await this.#services.alerts.settled();
  }

  isRunning(id: string): boolean {
    return this.#master.get(id) !== undefined;
  }

  write(chunk: WriteChunk): Promise<WriteOutcome> {
    const size = chunk.body.length;
    const waiting = this.#queue.length - this.#head;
    const full = waiting >= this.#writesMax || (waiting > 0 && this.#bytes + size > this.#bytesMax);
    if (this.#closed || full) return Promise.resolve({ kind: "overloaded" });
    this.#services.written?.(size);
    return new Promise((answer, fail) => {
      this.#bytes += size;
      this.#queue.push({
        chunk,
        answer,
        fail,
        cursor: undefined,
        points: undefined,
        next: 0,
        lines: 0,
        rounds: 0,
        eventsBefore: this.#events,
      });
      this.#work();
    });
  }

  /** Gives a listener (a recording) the points it wants, like a task, until cancelled. It must not throw. */
  tap(target: ForkTarget): Cancel {
    this.#master.fork.add(target);
    return () => this.#master.fork.remove(target);
  }

  /** What running tasks want of a series' points: nothing, everything, or some fields. */
  wantsOf(series: Series): boolean | readonly string[] {
    return this.#wants(series);
  }

  /** Pushes one point past the reader (internal statistics, replays, tests). Never throws. */
  push(point: Point): void {
    this.#master.push(point);
    this.#work();
  }

  /** Hands in the result of a batch task's query, by its place in the script. Never throws. */
  pushBatch(task: string, query: number, batch: TaskBatch): void {
    this.#master.get(task)?.pushBatch(query, batch);
    this.#work();
  }

  /** Ends a task's stream but leaves it there to be asked; see `Task.drain`. Resolves when all came out. */
  async drain(task: string): Promise<void> {
    const running = this.#master.get(task);
    running?.drain();
    await running?.drained();
    await this.#services.alerts.settled();
  }

  endpoint(task: string, endpoint: string): Result | undefined {
    return this.#master.get(task)?.pipeline.endpoints.get(endpoint)?.();
  }

  stats(task: string): TaskStats | undefined {
    const running = this.#master.get(task);
    return running === undefined ? undefined : statsOf(running, this.#throughput(task));
  }

  dot(task: string, view: "attributes" | "labels"): string | undefined {
    const running = this.#master.get(task);
    return running === undefined ? undefined : dotOfTask(running, this.#throughput(task), view);
  }

  ingress(): readonly IngressCount[] {
    return this.#table.counts().filter(({ points }) => points > 0);
  }

  /** The edges of all running tasks. */
  edges(): readonly EdgeCount[] {
    return [...this.#master.tasks()].flatMap(edgeCountsOf);
  }

  endpoints(): readonly string[] {
    const names: string[] = [];
    for (const task of this.#master.tasks()) {
      for (const name of task.pipeline.endpoints.keys()) names.push(`${task.id}/${name}`);
    }
    return names.sort();
  }

  /**
   * Answers what waits as overloaded, saves and stops all tasks, and waits until their events are safe. Tasks whose
   * state cannot be saved are drained.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const job of this.#queue.splice(0)) job?.answer({ kind: "overloaded" });
    this.#head = 0;
    this.#bytes = 0;
    await this.#master.suspendAll();
    this.#master.fork.close();
    await this.#services.alerts.settled();
  }

  /** Series of groups that are over are mostly over too: the table of series starts anew when many are. */
  #forgetSeries(groups: number): void {
    this.#expired += groups;
    if (this.#expired < EXPIRED_SERIES_MIN || this.#expired * 2 < this.#table.keys) return;
    this.#expired = 0;
    this.#table.restart();
  }

  #started(id: string, outcome: StartOutcome): StartOutcome {
    if (outcome.kind === "started") {
      this.#meters.set(id, new RateMeter(this.#services.clock));
      this.#work();
    }
    return outcome;
  }

  #throughput(id: string): number {
    const received = this.#master.get(id)?.received ?? 0;
    return this.#meters.get(id)?.read(received) ?? 0;
  }

  /** Works until nothing waits or this turn's time is used up; then the next turn goes on. */
  #work(): void {
    if (this.#working) return;
    if (!this.#turnOpen) this.#openTurn();
    this.#working = true;
    try {
      while (this.#stepsLeft-- > 0 && this.#services.clock.monoMs() < this.#deadlineMs) {
        if (!this.#step()) break;
      }
    } finally {
      this.#working = false;
    }
    if (!this.#turnOpen && this.#hasWork()) this.#openTurn();
  }

  #hasWork(): boolean {
    return this.#head < this.#queue.length || this.#master.hasLoopback;
  }

  #openTurn(): void {
    const { clock } = this.#services;
    this.#turnOpen = true;
    this.#deadlineMs = clock.monoMs() + SLICE_MS;
    this.#stepsLeft = SLICE_STEPS_MAX;
    clock.after(0, () => {
      this.#turnOpen = false;
      if (this.#hasWork()) this.#work();
    });
  }

  /** One small piece of work; false when nothing is left. */
  #step(): boolean {
    const job = this.#queue[this.#head];
    if (job === undefined) return this.#stepLoopback();
    if (job.points === undefined) return this.#read(job);
    const { points } = job;
    this.#push(job, points);
    if (job.next < points.length) return true;
    if (this.#master.hasLoopback && job.rounds < LOOPBACK_ROUNDS_AWAITED) {
      job.rounds++;
      job.points = this.#master.takeLoopback();
      job.next = 0;
      return true;
    }
    this.#finish(job, { kind: "written", points: job.lines });
    return true;
  }

  /** Pushes the next run of points into the tasks. */
  #push(job: Job, points: readonly Point[]): void {
    const { clock } = this.#services;
    const first = job.next;
    job.next = Math.min(points.length, first + this.#run.points);
    const start = clock.monoMs();
    this.#master.pushRun(points, first, job.next);
    if (job.next > first) this.#run.took(job.next - first, clock.monoMs() - start);
  }

  #read(job: Job): boolean {
    const { body, db, rp, precision } = job.chunk;
    job.cursor ??= this.#reader.open(body, {
      db,
      rp,
      precision,
      now: this.#services.clock.now(),
      wants: this.#wants,
    });
    if (!job.cursor.next(SLICE_CHECK_LINES)) return true;
    const { errors, points, lines } = job.cursor;
    if (errors.length > 0) {
      this.#finish(job, { kind: "malformed", errors });
      return true;
    }
    job.points = points;
    job.lines = lines;
    job.cursor = undefined;
    return true;
  }

  #stepLoopback(): boolean {
    const points = this.#master.takeLoopback();
    for (const point of points) this.#master.push(point);
    return points.length > 0;
  }

  #finish(job: Job, outcome: WriteOutcome): void {
    this.#queue[this.#head++] = undefined;
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
    } else if (this.#head >= 1_024) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    this.#bytes -= job.chunk.body.length;
    if (this.#events === job.eventsBefore) job.answer(outcome);
    else this.#services.alerts.settled().then(() => job.answer(outcome), job.fail);
  }

  #countingAlerts(alerts: AlertPort): AlertPort {
    return {
      publish: (event, scope) => {
        this.#events++;
        alerts.publish(event, scope);
      },
      isBlank: (topic) => alerts.isBlank(topic),
      lastState: (topic, id) => alerts.lastState(topic, id),
      openInline: (topic, handlers) => alerts.openInline(topic, handlers),
      inhibited: (event) => alerts.inhibited?.(event),
      globals: (handlers) => alerts.globals(handlers),
      remember: (topic, state) => alerts.remember(topic, state),
      closeInline: (topic) => alerts.closeInline(topic),
      settled: () => alerts.settled(),
    };
  }
}
