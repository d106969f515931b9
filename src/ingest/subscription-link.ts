/**
 * Keeps the subscriptions of one InfluxDB as they should be: one pass looks at everything and repairs.
 *
 * A pass reads databases, retention policies and subscriptions, drops those of our own name that point
 * elsewhere or are not wanted, and creates what is missing. Rows with other names are never touched. One
 * error ends the pass; the next one starts from what it finds, so nothing is remembered that could be wrong,
 * except the UDP listeners that are open. Source: reference storage-and-influx §3.
 */

import type { InfluxClient } from "#clients/influx/client.ts";
import {
  createSubscription,
  dropSubscription,
  SHOW_DATABASES,
  SHOW_SUBSCRIPTIONS,
  showRetentionPolicies,
} from "#clients/influx/ddl.ts";
import { columnTexts } from "#clients/influx/result.ts";
import type { WriteChunk, WriteOutcome } from "#engine/ports.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { SUBSCRIPTIONS_MAX } from "./limits.ts";
import { type InfluxdbSection, isWanted } from "./subscription-config.ts";
import {
  type Destination,
  formatDestination,
  makeToken,
  parseDestination,
  sameHost,
  tokenOwner,
} from "./subscription-destination.ts";
import { UdpListener } from "./udp.ts";

/** Subscription tokens that the HTTP API accepts. Durable. */
export interface SubscriptionTokens {
  list(): readonly string[];
  /** Opens writes to this database. */
  grant(token: string, database: string): Promise<void>;
  revoke(token: string): Promise<void>;
}

/** What a link needs besides its section. */
export interface LinkOptions {
  readonly client: InfluxClient;
  readonly hostname: string;
  /** Port of the HTTP API. */
  readonly httpPort: number;
  /** Set when the HTTP API asks for credentials. */
  readonly tokens: SubscriptionTokens | undefined;
  readonly random: Random;
  readonly log: Log;
  readonly write: (chunk: WriteChunk) => Promise<WriteOutcome>;
}

/** Names by which subscriptions are known. */
export interface LinkNames {
  /** Ours. */
  readonly name: string;
  /** Names of older versions, taken over under the new name. */
  readonly legacy: readonly string[];
  /** Names we gave up; what points to us under them is dropped. */
  readonly abandoned: readonly string[];
}

export interface LinkCounters {
  passes: number;
  failures: number;
  created: number;
  dropped: number;
}

interface Row {
  readonly db: string;
  readonly rp: string;
  readonly name: string;
  readonly mode: string;
  readonly destinations: readonly string[];
}

export class SubscriptionLink {
  readonly section: InfluxdbSection;
  readonly counters: LinkCounters = { passes: 0, failures: 0, created: 0, dropped: 0 };
  /** Subscriptions that are as they should be, after the last pass. */
  running = 0;
  readonly #options: LinkOptions;
  readonly #listeners = new Map<
    string,
    { readonly listener: UdpListener; readonly port: number }
  >();

  constructor(section: InfluxdbSection, options: LinkOptions) {
    this.section = section;
    this.#options = options;
  }

  /** One pass. Throws the first error; what was done until then stays done. */
  async pass(names: LinkNames, signal: AbortSignal): Promise<void> {
    this.counters.passes += 1;
    try {
      await this.#pass(names, signal);
    } catch (error) {
      this.counters.failures += 1;
      throw error;
    }
  }

  async #pass(names: LinkNames, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    await client.ping(signal);
    const policies = await this.#policies(signal);
    const rows = await this.#rows(signal);
    await this.#dropAbandoned(names, rows, signal);
    const own = await this.#takeOver(names, rows, signal);
    const running = new Map<string, Destination>();
    for (const row of own) {
      const destination = this.#ours(row);
      const wanted = isWanted(this.section, row.db, row.rp);
      if (destination !== undefined && wanted && (await this.#listen(row, destination.port))) {
        running.set(keyOf(row), destination);
      } else {
        await this.#drop(row, signal);
      }
    }
    for (const policy of policies) {
      if (running.has(keyOf(policy)) || !isWanted(this.section, policy.db, policy.rp)) continue;
      running.set(keyOf(policy), await this.#create(names.name, policy, signal));
    }
    await this.#closeListeners((key) => running.has(key));
    await this.#revokeTokens([...running.values()]);
    this.running = running.size;
  }

  /** Drops all subscriptions of our name and closes the listeners. */
  async unlink(name: string, signal: AbortSignal): Promise<void> {
    await this.dropNamed(name, signal);
    await this.close();
    await this.#revokeTokens([]);
  }

  /** Drops all subscriptions of a name, wherever they point. Others may be doing the same. */
  async dropNamed(name: string, signal: AbortSignal): Promise<void> {
    for (const row of await this.#rows(signal)) {
      if (row.name !== name) continue;
      try {
        await this.#drop(row, signal);
      } catch (error) {
        const left = await this.#rows(signal);
        if (left.some((other) => other.name === name && keyOf(other) === keyOf(row))) throw error;
      }
    }
  }

  /** Closes the listeners; subscriptions stay. */
  async close(): Promise<void> {
    this.running = 0;
    await this.#closeListeners(() => false);
  }

  async #policies(signal: AbortSignal): Promise<{ db: string; rp: string }[]> {
    const { client } = this.#options;
    const [databases] = await client.query(SHOW_DATABASES, signal);
    const all: { db: string; rp: string }[] = [];
    for (const db of columnTexts(databases, "name")) {
      const [policies] = await client.query(showRetentionPolicies(db), signal);
      for (const rp of columnTexts(policies, "name")) all.push({ db, rp });
      if (all.length > SUBSCRIPTIONS_MAX) {
        throw new Error(`more than ${SUBSCRIPTIONS_MAX} retention policies`);
      }
    }
    return all;
  }

  async #rows(signal: AbortSignal): Promise<Row[]> {
    const [result] = await this.#options.client.query(SHOW_SUBSCRIPTIONS, signal);
    return (result?.series ?? []).flatMap(({ name: db, columns, values }) =>
      values.map((cells) => {
        const cell = (column: string): unknown => cells[columns.indexOf(column)];
        const destinations = cell("destinations");
        return {
          db,
          rp: String(cell("retention_policy")),
          name: String(cell("name")),
          mode: String(cell("mode")),
          destinations: Array.isArray(destinations) ? destinations.map(String) : [],
        };
      }),
    );
  }

  async #dropAbandoned(names: LinkNames, rows: readonly Row[], signal: AbortSignal): Promise<void> {
    for (const row of rows) {
      // Under a name shared by a cluster, only what points to this member is ours to drop.
      if (row.name !== names.name && names.abandoned.includes(row.name) && this.#pointsToUs(row)) {
        await this.#drop(row, signal);
      }
    }
  }

  /** Our rows, after those with a name of older versions were created anew under ours. */
  async #takeOver(names: LinkNames, rows: readonly Row[], signal: AbortSignal): Promise<Row[]> {
    const own = rows.filter((row) => row.name === names.name);
    const taken = new Set(own.map(keyOf));
    for (const row of rows) {
      if (!names.legacy.includes(row.name)) continue;
      await this.#drop(row, signal);
      if (taken.has(keyOf(row)) || row.destinations.length === 0) continue;
      const moved = { ...row, name: names.name };
      const statement = createSubscription(moved, row.mode, row.destinations);
      await this.#options.client.query(statement, signal);
      this.counters.created += 1;
      taken.add(keyOf(row));
      own.push(moved);
    }
    return own;
  }

  #pointsToUs(row: Row): boolean {
    const to = parseDestination(row.destinations[0] ?? "");
    if (to === undefined || !sameHost(to.host, this.#host())) return false;
    return to.protocol === "udp" || to.port === this.#port();
  }

  /** The destination of a row when it is as we would write it; its path is not compared. */
  #ours(row: Row): Destination | undefined {
    const to = parseDestination(row.destinations[0] ?? "");
    if (to === undefined || to.protocol !== this.section["subscription-protocol"]) return undefined;
    if (!sameHost(to.host, this.#host())) return undefined;
    if (to.protocol !== "udp" && to.port !== this.#port()) return undefined;
    const { tokens } = this.#options;
    if (to.protocol === "udp" || tokens === undefined) {
      return to.token === undefined ? to : undefined;
    }
    if (to.token === undefined || tokenOwner(to.token) !== this.section.name) return undefined;
    return tokens.list().includes(to.token) ? to : undefined;
  }

  #host(): string {
    return this.section["kapacitor-hostname"] || this.#options.hostname;
  }

  #port(): number {
    return this.section["http-port"] || this.#options.httpPort;
  }

  async #drop(row: Row, signal: AbortSignal): Promise<void> {
    await this.#options.client.query(dropSubscription(row), signal);
    this.counters.dropped += 1;
    this.#options.log.info("dropped subscription", { name: row.name, db: row.db, rp: row.rp });
  }

  async #create(
    name: string,
    { db, rp }: { db: string; rp: string },
    signal: AbortSignal,
  ): Promise<Destination> {
    const protocol = this.section["subscription-protocol"];
    const isUdp = protocol === "udp";
    const { tokens, random, client, log } = this.#options;
    const port = isUdp ? await this.#openListener(db, rp, 0) : this.#port();
    const token = tokens === undefined || isUdp ? undefined : makeToken(this.section.name, random);
    if (token !== undefined) await tokens?.grant(token, db);
    const destination: Destination = { protocol, host: this.#host(), port, token };
    const text = formatDestination(destination, isUdp ? "" : this.section["subscription-path"]);
    await client.query(createSubscription({ name, db, rp }, "ANY", [text]), signal);
    this.counters.created += 1;
    log.info("created subscription", { name, db, rp });
    return destination;
  }

  /** Sees that somebody listens on a UDP subscription's port; false when the port cannot be had. */
  async #listen(row: Row, port: number): Promise<boolean> {
    if (this.section["subscription-protocol"] !== "udp") return true;
    const open = this.#listeners.get(keyOf(row));
    if (open?.port === port) return true;
    try {
      await this.#openListener(row.db, row.rp, port);
      return true;
    } catch (error) {
      this.#options.log.warn("subscription port is taken", { port, err: errorMessage(error) });
      return false;
    }
  }

  async #openListener(db: string, rp: string, port: number): Promise<number> {
    const key = keyOf({ db, rp });
    const old = this.#listeners.get(key);
    this.#listeners.delete(key);
    await old?.listener.close();
    const host = this.section["udp-bind"];
    const listener = new UdpListener({
      bind: `${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`,
      db,
      rp,
      buffer: this.section["udp-buffer"],
      readBuffer: this.section["udp-read-buffer"],
      write: this.#options.write,
      log: this.#options.log,
    });
    const bound = await listener.open();
    this.#listeners.set(key, { listener, port: bound });
    return bound;
  }

  async #closeListeners(keep: (key: string) => boolean): Promise<void> {
    for (const [key, { listener }] of this.#listeners) {
      if (keep(key)) continue;
      this.#listeners.delete(key);
      await listener.close();
    }
  }

  /** Takes back tokens of this InfluxDB that no subscription carries. */
  async #revokeTokens(running: readonly Destination[]): Promise<void> {
    const { tokens } = this.#options;
    if (tokens === undefined) return;
    const used = new Set(running.map(({ token }) => token));
    for (const token of tokens.list()) {
      if (tokenOwner(token) === this.section.name && !used.has(token)) await tokens.revoke(token);
    }
  }
}

function keyOf({ db, rp }: { db: string; rp: string }): string {
  return JSON.stringify([db, rp]);
}
