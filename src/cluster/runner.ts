/**
 * Runs the membership core on real sockets, timers and disk: performs its actions, feeds it what happens.
 *
 * Inputs that arise while a step's actions are performed wait in line, so the core never runs inside
 * itself. Nothing here decides anything about membership.
 */

import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import { BEAT_MS, BEAT_SLACK_MS } from "./limits.ts";
import type { Address, MonoMs } from "./ports.ts";
import { encodeImage } from "./swim/image.ts";
import type { Action, Input } from "./swim/io.ts";
import type { Swim } from "./swim/swim.ts";
import { TcpHost } from "./transport/tcp.ts";
import { openUdp, type UdpSocket } from "./transport/udp.ts";

/** Durable files in the data directory; the daemon gives it. */
export interface ClusterStore {
  /** `undefined` when there is no such file. */
  load(file: string): Promise<Uint8Array | undefined>;
  /** Resolves when the new content is on disk, whole. */
  replace(file: string, bytes: Uint8Array): Promise<void>;
}

/** Membership state in the data directory. */
export const MEMBERS_FILE = "cluster.members";

export interface RunnerOptions {
  readonly swim: Swim;
  readonly clock: Clock;
  readonly log: Log;
  readonly store: ClusterStore;
  /** Sees every action after it was performed. */
  readonly onAction: (action: Action) => void;
  /** After every step. */
  readonly onStep: () => void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Ports asked for until one is free for UDP and TCP; more failures have another cause. */
const FREE_PORT_TRIES = 20;

export class Runner {
  readonly #options: RunnerOptions;
  readonly #inputs: Input[] = [];
  #stepping = false;
  #stopped = false;
  #udp: UdpSocket | undefined;
  #tcp: TcpHost | undefined;
  #cancelWake: Cancel | undefined;
  /** Waiting for what is decided next to be on disk. */
  #waiters: Waiter[] = [];
  #writing: Promise<void> = Promise.resolve();
  readonly counters: Record<string, number> = {};

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /**
   * Binds UDP and TCP on one port; returns it. Rejects when either cannot be bound. Port 0 means any that is free for
   * both: one that the system gives for UDP may be taken for TCP, then another one is asked for.
   */
  async bind(address: Address): Promise<number> {
    for (let left = address.port === 0 ? FREE_PORT_TRIES : 1; ; left--) {
      try {
        return await this.#bindBoth(address);
      } catch (error) {
        if (left <= 1) throw error;
      }
    }
  }

  async #bindBoth(address: Address): Promise<number> {
    const udp = await openUdp({
      bind: address,
      onDatagram: (from, bytes) => this.input({ kind: "datagram", from, bytes }),
      count: (reason) => this.#count(reason),
    });
    this.#udp = udp;
    const bind = { host: address.host, port: udp.port };
    const tcp = new TcpHost({
      bind,
      input: (input) => this.input(input),
      count: (reason) => this.#count(reason),
    });
    try {
      tcp.listen();
    } catch (error) {
      udp.close();
      throw error;
    }
    this.#tcp = tcp;
    return udp.port;
  }

  input(input: Input): void {
    if (this.#stopped) return;
    this.#inputs.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        this.#step(next);
      }
    } finally {
      this.#stepping = false;
    }
  }

  /** Feeds an input and resolves when what it decided is on disk. Rejects when it cannot be saved. */
  durable(input: Input): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.push({ resolve, reject });
    this.input(input);
    return promise;
  }

  /** Closes sockets and timers; resolves when the last write has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelWake?.();
    this.#udp?.close();
    this.#tcp?.stop();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new Error("shutting down"));
    await this.#writing;
  }

  #step(input: Input): void {
    const { swim, clock, log, onAction, onStep } = this.#options;
    let actions: readonly Action[];
    try {
      actions = swim.step(input, clock.monoMs());
    } catch (error) {
      // A bug of ours: this input is lost, the daemon goes on.
      this.#count("step-errors");
      log.error("membership step failed", { input: input.kind, err: errorMessage(error) });
      return;
    }
    for (const action of actions) {
      this.#perform(action);
      onAction(action);
    }
    onStep();
  }

  #perform(action: Action): void {
    switch (action.kind) {
      case "datagram": {
        const why = this.#udp?.send(action.to, action.bytes);
        if (why !== undefined) this.input({ kind: "send-failed", to: action.to, why });
        return;
      }
      case "open":
        this.#tcp?.open(action.connection, action.to);
        return;
      case "write":
        this.#tcp?.write(action.connection, action.bytes);
        return;
      case "close":
        this.#tcp?.close(action.connection, action.how);
        return;
      case "wake":
        this.#wake(action.at);
        return;
      case "persist":
        this.#persist(action.ticket);
        return;
      case "log":
        this.#options.log[action.level](action.message, action.fields);
        return;
      default:
        return;
    }
  }

  #wake(at: number | undefined): void {
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    if (at === undefined) return;
    const { clock, swim } = this.#options;
    const due = swim.hasNews ? at : inStep(at);
    this.#cancelWake = clock.after(Math.max(0, due - clock.monoMs()), () =>
      this.input({ kind: "wake" }),
    );
  }

  #persist(ticket: number): void {
    const { swim, store } = this.#options;
    const bytes = encodeImage(swim.image());
    const waiters = this.#waiters.splice(0);
    this.#writing = store.replace(MEMBERS_FILE, bytes).then(
      () => {
        for (const waiter of waiters) waiter.resolve();
        this.input({ kind: "stored", ticket, ok: true });
      },
      (error: unknown) => {
        const text = `cannot save cluster state: ${errorMessage(error)}`;
        for (const waiter of waiters) waiter.reject(new Error(text));
        this.input({ kind: "stored", ticket, ok: false });
      },
    );
  }

  #count(reason: string): void {
    this.counters[reason] = (this.counters[reason] ?? 0) + 1;
  }
}

/** With the next beat, if that comes soon. */
function inStep(at: MonoMs): MonoMs {
  const beat = Math.ceil(at / BEAT_MS) * BEAT_MS;
  return beat - at <= BEAT_SLACK_MS ? beat : at;
}
