/**
 * The daemon that is measured: one member with an empty directory of its own, stopped and removed at the end.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atExit, CPU_TICK_SECONDS, cpuSeconds, memoryMiB, resetPeak } from "./bench-process.ts";
import { Member, until } from "./lab.ts";

export const DATABASE = "bench";
const START_BOUND_MS = 60_000;

/** Node → counter → value, as the task's `stats.node-stats` has them. */
export type Counters = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface DaemonOptions {
  readonly influxUrl?: string;
}

/** What wants to know of every process of the daemons that benches start: a profile is taken of each. */
export interface DaemonWatch {
  /** Words to launch the next process with. */
  launch(): readonly string[];
  /** Its work is done and it is about to be stopped. */
  ending(daemon: BenchDaemon): Promise<void>;
}

let watch: DaemonWatch | undefined;

export function watchDaemons(watcher: DaemonWatch): void {
  watch = watcher;
}

export class BenchDaemon implements AsyncDisposable {
  readonly #member: Member;
  readonly #keep: () => void;

  private constructor(member: Member) {
    this.#member = member;
    this.#keep = atExit(() => {
      if (member.pid > 0) process.kill(member.pid, "SIGKILL");
      rmSync(member.directory, { recursive: true, force: true });
    });
  }

  static async start({ influxUrl }: DaemonOptions = {}): Promise<BenchDaemon> {
    const directory = mkdtempSync(join(tmpdir(), "kapacitor-bench-"));
    const influx = influxUrl === undefined ? {} : { influxUrl };
    const launch = watch?.launch() ?? [];
    const options = { name: "bench", host: "127.0.0.1", directory, launch, ...influx };
    return new BenchDaemon(await Member.create(options));
  }

  get url(): string {
    return this.#member.url;
  }

  get pid(): number {
    return this.#member.pid;
  }

  get directory(): string {
    return this.#member.directory;
  }

  cpuSeconds(): number {
    return cpuSeconds(this.pid);
  }

  /** CPU time since it was `before`; at least a tick of the clock, so that a short run's rate is too low, never infinite. */
  cpuSecondsSince(before: number): number {
    return Math.max(CPU_TICK_SECONDS, this.cpuSeconds() - before);
  }

  memoryMiB(which: "now" | "peak" = "now"): number {
    return memoryMiB(this.pid, which);
  }

  resetPeak(): void {
    resetPeak(this.pid);
  }

  /** Defines and enables; throws with the daemon's answer when it is refused. */
  async define(id: string, script: string, type: "stream" | "batch" = "stream"): Promise<void> {
    const dbrps = [{ db: DATABASE, rp: "autogen" }];
    await this.ask("/tasks", { id, type, dbrps, script, status: "enabled" });
  }

  async counters(task: string): Promise<Counters> {
    const answer = await this.ask(`/tasks/${task}?fields=stats`);
    const stats: unknown = Reflect.get(Object(answer), "stats");
    return (Reflect.get(Object(stats), "node-stats") ?? {}) as Counters;
  }

  /** GET without a body, POST with one; throws unless the answer is 2xx. */
  async ask(path: string, body?: object): Promise<unknown> {
    const request = body && { method: "POST", body: JSON.stringify(body) };
    const answer = await fetch(`${this.url}/kapacitor/v1${path}`, request);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text.slice(0, 300)}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** Until the condition on its counters holds; throws with the counters after the bound. */
  async untilCounters(
    task: string,
    boundMs: number,
    holds: (counters: Counters) => boolean,
  ): Promise<Counters> {
    let seen: Counters = {};
    try {
      await until(`counters of ${task}`, boundMs, async () => {
        seen = await this.counters(task);
        return holds(seen);
      });
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error} ${JSON.stringify(seen)}`);
    }
    return seen;
  }

  async stop(signal: NodeJS.Signals): Promise<number> {
    if (this.pid > 0) await watch?.ending(this);
    return this.#member.kill(signal);
  }

  /** Starts again on the same directory; resolves to the ms until `/ping` answered, to about 1 ms. */
  async restart(): Promise<number> {
    this.#member.launch = watch?.launch() ?? [];
    const start = performance.now();
    const [ms] = await Promise.all([this.#firstPing(start), this.#member.start()]);
    return ms;
  }

  async #firstPing(start: number): Promise<number> {
    for (;;) {
      const ms = performance.now() - start;
      const answer = await fetch(`${this.url}/kapacitor/v1/ping`).catch(() => undefined);
      if (answer?.status === 204) return performance.now() - start;
      if (ms > START_BOUND_MS) throw new Error("the daemon does not answer");
      await Bun.sleep(1);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
    this.#keep();
    rmSync(this.#member.directory, { recursive: true, force: true });
  }
}
