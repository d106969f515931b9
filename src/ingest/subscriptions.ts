/**
 * Subscriptions at all configured InfluxDBs: when to look after them, and under which names.
 *
 * Passes (subscription-link.ts) run at the start, every sync interval, when the API asks, after a change of
 * configuration and when the cluster ID changed; for one InfluxDB one at a time. At the start an InfluxDB
 * that does not answer is tried again with growing waits until `startup-timeout`; the HTTP API meanwhile
 * listens (the original opens it last, so nothing answers while it waits). Later failures are logged and the
 * next pass tries again.
 */

import { InfluxError } from "#clients/influx/client.ts";
import type { WriteChunk, WriteOutcome } from "#engine/ports.ts";
import { type Cancel, type Clock, every } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import {
  ABANDONED_MAX,
  DEPARTED_MAX,
  PASS_MS_MAX,
  RETRY_FACTOR,
  RETRY_FIRST_MS,
  RETRY_MAX_MS,
  RETRY_SPREAD,
} from "./limits.ts";
import { type InfluxdbSection, influxClientOf, toMs } from "./subscription-config.ts";
import { tokenOwner } from "./subscription-destination.ts";
import { type LinkNames, SubscriptionLink, type SubscriptionTokens } from "./subscription-link.ts";

/** Who we are; `clusterId` may change while running. */
export interface SubscriptionIdentity {
  readonly serverId: string;
  clusterId(): string;
}

export interface SubscriptionsOptions {
  readonly sections: readonly InfluxdbSection[];
  readonly identity: SubscriptionIdentity;
  /** The global `hostname`. */
  readonly hostname: string;
  /** Port of the HTTP API. */
  readonly httpPort: number;
  /** Given when `[http] auth-enabled`: subscriptions then carry tokens. */
  readonly tokens?: SubscriptionTokens;
  /** `[http] shared-secret`, for InfluxDBs that know it; absent or empty = none. */
  readonly sharedSecret?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Is this server a member of our cluster (again)? Absent: none but ourselves is. */
  isMember?(serverId: string): boolean;
  /** Where UDP subscriptions hand their datagrams. */
  readonly write: (chunk: WriteChunk) => Promise<WriteOutcome>;
}

/** A link and what belongs to its life. */
interface Managed {
  readonly link: SubscriptionLink;
  readonly stop: AbortController;
  cancelTick: Cancel;
  /** The end of the pass before; passes of one link wait for each other. */
  turn: Promise<void>;
  /** Passes under way or waiting; a sync pass is left out when there is one. */
  pending: number;
  /** Server IDs of removed members whose subscriptions are still to be dropped here. */
  readonly departed: Set<string>;
}

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  #links: Managed[] = [];
  #linkedClusterId: string;
  #abandoned: string[] = [];
  #closed = false;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    this.#linkedClusterId = options.identity.clusterId();
    this.#links = options.sections.flatMap((section) => this.#manage(section));
  }

  /**
   * Links everything once. Resolves when all are linked or subscriptions are off; rejects when an InfluxDB
   * did not answer within its `startup-timeout` (`failed to connect to InfluxDB, retry limit reached`) or its
   * first pass failed otherwise: the original's server exits then. Sync passes go on in either case.
   */
  async start(): Promise<void> {
    const links = [...this.#links];
    for (const managed of links) this.#tick(managed);
    const results = await Promise.allSettled(links.map((managed) => this.#linkFirst(managed)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Passes over all now; throws the first error. `POST /subscriptions`. */
  async relink(): Promise<void> {
    const links = [...this.#links];
    const results = await Promise.allSettled(links.map((managed) => this.#pass(managed)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /**
   * Drops what a member left behind that was removed from the cluster; subscriptions in server mode. An InfluxDB
   * that fails is tried again with each of its passes (until this process ends); failures are logged. A member
   * that still runs, on its own now, makes its subscriptions anew with its next pass.
   */
  async dropMember(serverId: string): Promise<void> {
    for (const { departed } of this.#links) {
      departed.add(serverId);
      for (const oldest of departed) {
        if (departed.size <= DEPARTED_MAX) break;
        departed.delete(oldest);
      }
    }
    await Promise.all(
      this.#links.map((managed) =>
        this.#pass(managed).catch((error) => this.#failed(managed.link, error)),
      ),
    );
  }

  /**
   * Takes over changed sections: what vanished, was disabled or no longer subscribes is unlinked (its
   * subscriptions are dropped), the rest is linked anew. Errors are logged.
   */
  async update(sections: readonly InfluxdbSection[]): Promise<void> {
    const old = this.#links;
    this.#links = sections.flatMap((section) => this.#manage(section));
    for (const managed of old) {
      const { link } = managed;
      await this.#halt(managed);
      const heir = this.#links.find((other) => other.link.section.name === link.section.name);
      for (const id of managed.departed) heir?.departed.add(id);
      const ownName = this.#namesOf(link.section).name;
      const same = heir !== undefined && this.#namesOf(heir.link.section).name === ownName;
      const end = same
        ? link.close()
        : this.#bounded(undefined, (signal) => link.unlink(ownName, signal));
      await end.catch((error) => this.#failed(link, error));
    }
    await this.#revokeForeign(sections);
    for (const managed of this.#links) {
      this.#tick(managed);
      await this.#pass(managed).catch((error) => this.#failed(managed.link, error));
    }
  }

  /** Ends all passes and closes listeners. Subscriptions stay in InfluxDB. */
  async stop(): Promise<void> {
    this.#closed = true;
    for (const managed of this.#links) {
      await this.#halt(managed);
      await managed.link.close();
    }
  }

  /** Subscriptions in place, over all InfluxDBs. */
  get count(): number {
    return this.#links.reduce((sum, { link }) => sum + link.running, 0);
  }

  /** Per InfluxDB: `num_subscriptions` and what passes did. */
  counters(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    const entries = this.#links.map(({ link }) => [
      link.section.name,
      { num_subscriptions: link.running, ...link.counters },
    ]);
    return Object.fromEntries(entries);
  }

  #manage(section: InfluxdbSection): Managed[] {
    if (!section.enabled || section["disable-subscriptions"]) return [];
    const { hostname, httpPort, tokens, random, clock, write } = this.#options;
    const client = influxClientOf(section, clock, this.#options.sharedSecret ?? "");
    const log = this.#options.log.with({ influxdb: section.name });
    const options = { client, hostname, httpPort, tokens, random, log, write };
    const link = new SubscriptionLink(section, options);
    const stop = new AbortController();
    const departed = new Set<string>();
    return [{ link, stop, cancelTick: () => {}, turn: Promise.resolve(), pending: 0, departed }];
  }

  #tick(managed: Managed): void {
    const interval = toMs(managed.link.section["subscriptions-sync-interval"]) || 60_000;
    managed.cancelTick = every(this.#options.clock, interval, () => {
      if (managed.pending > 0) return;
      this.#pass(managed).catch((error) => this.#failed(managed.link, error));
    });
  }

  async #halt(managed: Managed): Promise<void> {
    managed.cancelTick();
    managed.stop.abort(new Error("stopped"));
    await managed.turn;
  }

  /** Runs a pass after those that were asked for before. */
  #pass(managed: Managed): Promise<void> {
    const { link, stop } = managed;
    const run = async (): Promise<void> => {
      if (this.#closed || stop.signal.aborted) return;
      this.#noteClusterId();
      await this.#bounded(stop.signal, async (signal) => {
        await link.pass(this.#namesOf(link.section), signal);
        await this.#dropDeparted(managed, signal);
      });
    };
    managed.pending += 1;
    const pass = managed.turn.then(run).finally(() => {
      managed.pending -= 1;
    });
    managed.turn = pass.catch(() => undefined);
    return pass;
  }

  async #dropDeparted({ link, departed }: Managed, signal: AbortSignal): Promise<void> {
    const { isMember, identity } = this.#options;
    for (const id of departed) {
      const isBack = id === identity.serverId || isMember?.(id) === true;
      if (!isBack) await link.dropNamed(`kapacitor-${id}`, signal);
      departed.delete(id);
    }
  }

  /** Runs something that must end within `PASS_MS_MAX`, however long InfluxDB keeps silent. */
  async #bounded(
    parent: AbortSignal | undefined,
    run: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const guard = new AbortController();
    const abort = (): void => guard.abort(parent?.reason);
    parent?.addEventListener("abort", abort);
    const expired = new Error(`no end within ${PASS_MS_MAX} ms`);
    const cancel = this.#options.clock.after(PASS_MS_MAX, () => guard.abort(expired));
    try {
      await run(guard.signal);
    } finally {
      cancel();
      parent?.removeEventListener("abort", abort);
    }
  }

  async #linkFirst(managed: Managed): Promise<void> {
    const { clock, random, log } = this.#options;
    const { signal } = managed.stop;
    const deadline = clock.monoMs() + toMs(managed.link.section["startup-timeout"]);
    let waitMs = RETRY_FIRST_MS;
    for (;;) {
      try {
        return await this.#pass(managed);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof InfluxError) || error.status !== undefined) throw error;
        const delayMs = waitMs * (1 + RETRY_SPREAD * (2 * random.float() - 1));
        if (clock.monoMs() + delayMs > deadline) {
          const text = "failed to connect to InfluxDB, retry limit reached";
          throw new Error(text, { cause: error });
        }
        log.debug("failed to connect to InfluxDB, retrying", { err: errorMessage(error) });
        await sleep(clock, delayMs, signal);
        waitMs = Math.min(waitMs * RETRY_FACTOR, RETRY_MAX_MS);
      }
    }
  }

  #noteClusterId(): void {
    const now = this.#options.identity.clusterId();
    if (now === this.#linkedClusterId) return;
    this.#abandoned = [this.#linkedClusterId, ...this.#abandoned].filter((id) => id !== now);
    this.#abandoned.length = Math.min(this.#abandoned.length, ABANDONED_MAX);
    this.#linkedClusterId = now;
  }

  #namesOf(section: InfluxdbSection): LinkNames {
    const { identity } = this.#options;
    const clusterId = this.#linkedClusterId;
    const isCluster = section["subscription-mode"] === "cluster";
    return {
      name: `kapacitor-${isCluster ? clusterId : identity.serverId}`,
      legacy: ["kapacitor", clusterId],
      abandoned: isCluster ? this.#abandoned.map((id) => `kapacitor-${id}`) : [],
    };
  }

  /** Takes back the tokens of InfluxDBs that are no longer configured. */
  async #revokeForeign(sections: readonly InfluxdbSection[]): Promise<void> {
    const { tokens } = this.#options;
    const names = new Set(sections.map(({ name }) => name));
    for (const token of tokens?.list() ?? []) {
      if (!names.has(tokenOwner(token) ?? "")) await tokens?.revoke(token);
    }
  }

  #failed(link: SubscriptionLink, error: unknown): void {
    if (this.#closed) return;
    const fields = { influxdb: link.section.name, err: errorMessage(error) };
    this.#options.log.error("failed to link subscriptions", fields);
  }
}

function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(delayMs, resolve);
  const abort = (): void => {
    cancel();
    resolve();
  };
  signal.addEventListener("abort", abort, { once: true });
  return promise.finally(() => signal.removeEventListener("abort", abort));
}
