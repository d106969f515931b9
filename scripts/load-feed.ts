/**
 * A steady load of alerts on a test cluster, and what became of it: lost, sent twice, late.
 *
 * Every alert is an event ID of its own, written to all members at the same moment, as a client that feeds all of them
 * does. An alert counts when at least one member has taken its point: what nobody acknowledged may be lost.
 */

import {
  type ClusterMember,
  expected,
  keyOf,
  point,
  type TestCluster,
  writeTo,
} from "./cluster-lab.ts";

import { runWhileServing } from "./lab.ts";

/** When the feed gives a write up, ms; unanswered ones would use up the connections of this process. */
const WRITE_TIMEOUT_MS = 2_000;

export interface FeedOptions {
  readonly alerts: number;
  /** Alerts a second; `Infinity` writes them all in one body per member. */
  readonly perSecond: number;
  /** Begins the event IDs. */
  readonly name: string;
}

export class LoadFeed {
  /** Event key → when its point was handed over. */
  readonly written = new Map<string, number>();
  /** Keys that at least one member has acknowledged. */
  readonly taken = new Set<string>();
  /** All alerts are written; writes may still be unanswered. */
  readonly done: Promise<void>;
  readonly #cluster: TestCluster;
  readonly #options: FeedOptions;
  readonly #leftOut = new Set<ClusterMember>();
  readonly #writes = new Map<Promise<void>, ClusterMember>();
  readonly #waiting: { readonly alerts: number; readonly resolve: () => void }[] = [];

  constructor(cluster: TestCluster, options: FeedOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.done = this.#run();
  }

  /** Resolves when so many alerts are written. */
  reached(alerts: number): Promise<void> {
    if (this.written.size >= alerts) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ alerts, resolve });
    return promise;
  }

  /** Writes no more to this member; resolves when no write to it is under way. */
  async leaveOut(member: ClusterMember): Promise<void> {
    this.#leftOut.add(member);
    const underWay = [...this.#writes].filter(([, to]) => to === member);
    await Promise.all(underWay.map(([write]) => write));
  }

  /** Resolves when every write is answered or given up. */
  async settled(): Promise<void> {
    await this.done;
    await Promise.all(this.#writes.keys());
  }

  async #run(): Promise<void> {
    const { alerts, perSecond, name } = this.#options;
    const hosts = Array.from({ length: alerts }, (_, i) => `${name}${i}`);
    if (perSecond === Number.POSITIVE_INFINITY) return this.#send(hosts);
    const start = performance.now();
    for (const [i, host] of hosts.entries()) {
      const wait = start + (i * 1_000) / perSecond - performance.now();
      if (wait > 0) await Bun.sleep(wait);
      this.#send([host]);
    }
  }

  #send(hosts: readonly string[]): void {
    const body = hosts.map((host) => point(host, "CRITICAL", 0)).join("");
    const keys = hosts.map((host) => expected(host, "CRITICAL", 0));
    const now = performance.now();
    for (const key of keys) this.written.set(key, now);
    for (const member of this.#cluster.members) {
      if (!this.#leftOut.has(member)) this.#write(member, body, keys);
    }
    for (const waiting of this.#waiting.splice(0)) {
      if (this.written.size >= waiting.alerts) waiting.resolve();
      else this.#waiting.push(waiting);
    }
  }

  #write(member: ClusterMember, body: string, keys: readonly string[]): void {
    // A killed member refuses; a stopped one finds it in its sockets when it goes on.
    const write = writeTo(member.process, body, WRITE_TIMEOUT_MS).then(
      () => {
        for (const key of keys) this.taken.add(key);
      },
      () => {},
    );
    this.#writes.set(write, member);
    void write.finally(() => this.#writes.delete(write));
  }
}

export interface Outcome {
  readonly alerts: number;
  /** Sends beyond the first, over all alerts. */
  readonly extra: number;
  readonly lost: number;
  /** Most sends of one alert. */
  readonly most: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  /** When the alerts that were sent twice arrived, by `performance.now()`. */
  readonly repeats: readonly (readonly number[])[];
}

/** Waits until all have arrived, within the bound, and then for a while, so that repeats are seen. */
export async function outcomeOf(
  cluster: TestCluster,
  feed: LoadFeed,
  { boundMs, quietMs }: { readonly boundMs: number; readonly quietMs: number },
): Promise<Outcome> {
  await feed.settled();
  const { received } = cluster.webhook;
  const end = performance.now() + boundMs;
  const missing = (): boolean => {
    const arrived = new Set(received.map(keyOf));
    return [...feed.taken].some((key) => !arrived.has(key));
  };
  while (performance.now() < end && missing()) await Bun.sleep(50);
  let count = received.length;
  for (let since = performance.now(); performance.now() - since < quietMs; await Bun.sleep(50)) {
    if (received.length === count) continue;
    [count, since] = [received.length, performance.now()];
  }
  const arrivals = new Map<string, number[]>();
  for (const notification of received) {
    const key = keyOf(notification);
    if (!feed.written.has(key)) continue;
    const times = arrivals.get(key);
    if (times === undefined) arrivals.set(key, [notification.at]);
    else times.push(notification.at);
  }
  const delays = [...arrivals]
    .map(([key, [first = 0]]) => first - (feed.written.get(key) ?? 0))
    .sort((a, b) => a - b);
  const sends = [...arrivals.values()].map((times) => times.length);
  return {
    alerts: feed.written.size,
    extra: sends.reduce((sum, times) => sum + times - 1, 0),
    lost: [...feed.taken].filter((key) => !arrivals.has(key)).length,
    most: Math.max(0, ...sends),
    p50Ms: delays[Math.floor(delays.length / 2)] ?? 0,
    p99Ms: delays[Math.floor(delays.length * 0.99)] ?? 0,
    longestMs: delays.at(-1) ?? 0,
    repeats: [...arrivals.values()].filter((times) => times.length > 1),
  };
}

/** Lets code and connections get warm: the first alerts of a process are not what is measured. */
export async function warmUp(cluster: TestCluster, alerts = 200): Promise<void> {
  const feed = new LoadFeed(cluster, { alerts, perSecond: 200, name: "warm" });
  await outcomeOf(cluster, feed, { boundMs: 30_000, quietMs: 300 });
  cluster.webhook.received.length = 0;
}

/** Between an endpoint's acceptance and the notice to the other owners, ms; generous for a busy machine. */
const IN_FLIGHT_MS = 300;

/** Was the first send of an alert that came twice in flight when a member was killed? */
export function isExplained(times: readonly number[], killedAt: readonly number[]): boolean {
  const [first = 0] = times;
  return killedAt.some((at) => first > at - IN_FLIGHT_MS && first < at + IN_FLIGHT_MS);
}

/** A further member joins and runs the task too. */
export async function addMember(cluster: TestCluster): Promise<void> {
  const added = await cluster.startMember(cluster.members.length);
  const words = ["member", "add", "-url", cluster.at(0).process.url, added.process.rpcAddress];
  await runWhileServing("kapacitorctl", ...words);
  await cluster.defineTask("t", [added]);
}

/**
 * The first owner of the topic is taken out. Nothing is written to it any more: it is a cluster of its own then, which
 * would tell the endpoint of everything that it gets.
 */
export async function removeFirstOwner(cluster: TestCluster, feed: LoadFeed): Promise<void> {
  const [first, other] = cluster.ranking();
  if (first === undefined || other === undefined) throw new Error("two members at least");
  await feed.leaveOut(first);
  const words = ["member", "remove", "-url", other.process.url, first.id];
  await runWhileServing("kapacitorctl", ...words);
}
