/**
 * Membership as the rest of the daemon sees it: the `Membership` port over the core, real sockets and disk.
 *
 * Life: `load` reads the disk and reserves this start's numbers on it; `open` binds and goes on the air; `close` leaves
 * gracefully. Between `load` and `open` the view already exists, so that RPC can be built on it.
 * A member that is alone is silent: no packet leaves before an add.
 */

import { type Cancel, type Clock, every } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { Join } from "./join.ts";
import { HANDOVER_MS } from "./limits.ts";
import { formatHostPort, isWildcard, splitHostPort } from "./messages/ip.ts";
import { ALIVE, DEAD, LEFT, type Profile, type Rank, REMOVED } from "./messages/message.ts";
import type {
  Address,
  ClusterView,
  MemberId,
  MemberStatus,
  Membership,
  MemberView,
  Rpc,
} from "./ports.ts";
import { type ClusterStore, MEMBERS_FILE, Runner } from "./runner.ts";
import type { Crypto } from "./swim/crypto.ts";
import {
  decodeImage,
  encodeImage,
  type Image,
  nextStart,
  type StartNumbers,
} from "./swim/image.ts";
import type { Action, PathOutcome } from "./swim/io.ts";
import { addressProblem } from "./swim/join-rules.ts";
import type { KeyReport } from "./swim/key-ring.ts";
import { LAN, type SwimOptions, soundOptions } from "./swim/options.ts";
import { Swim } from "./swim/swim.ts";
import type { Entry } from "./swim/table.ts";
import { systemCrypto } from "./transport/crypto.ts";
import { PROTOCOL_MAX, PROTOCOL_MIN, parseMemberId } from "./transport/hello.ts";
import { resolveAll } from "./transport/tcp.ts";

/** Own advertised name and peers' names are looked up again this often, milliseconds. */
const RESOLVE_EVERY_MS = 60_000;
/** For LEFT to be on its way, milliseconds; the core needs at most a second. */
const DEPART_MS = 1_500;
/** For the outcome of a path check, milliseconds; the core needs 1,200. */
const CHECK_WAIT_MS = 1_500;
/** Packet size when an address is IPv6: its smallest link carries 1,280 bytes. */
const PACKET_MAX_V6 = 1_200;

/** What of `[cluster]`, `[rpc]` and `[alert]` matters here; `config/cluster-settings.ts` makes one. */
export interface ClusterOptions {
  readonly gossipBind: Address;
  /** `host:port` texts as others are told. Port 0 means the bound one. */
  readonly gossipAdvertise: string;
  readonly rpcAdvertise: string;
  readonly apiAdvertise: string;
  readonly roles: readonly string[];
  /** What is set; the rest is the LAN profile. */
  readonly protocol: Partial<SwimOptions>;
  readonly encryptionKeys: readonly Uint8Array[];
  readonly acceptPlain: boolean;
  readonly redundancy: number;
}

export interface ClusterSetup {
  readonly identity: { readonly clusterId: string; readonly serverId: string };
  readonly options: ClusterOptions;
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly crypto?: Crypto;
  /** Persists `cluster.id` and re-links what hangs on it. Called when it differs, also at `load`. */
  readonly onClusterId: (id: string) => void | Promise<void>;
  /** Passes on pending work before leaving or being removed. */
  readonly handOver?: (why: "leaving" | "removed") => Promise<void>;
  /** A member was added and is alive: resolves when it holds what is replicated (U6), rejects when it takes too long. */
  readonly caughtUp?: (member: MemberId) => Promise<void>;
  /** The process did not run for a while: alert sending holds (gossip.md §14.5). */
  readonly onStall?: (ms: number) => void;
  /** Another live process has this identity: this one must not answer for it any more (U31). */
  readonly onDuplicate?: () => void;
  /** A hint from another member (gossip.md §5 NOTE). */
  readonly onNote?: (kind: number, origin: MemberId, bytes: Uint8Array) => void;
}

interface StepWaiter {
  readonly holds: () => boolean;
  readonly resolve: (held: boolean) => void;
  readonly cancel: Cancel;
}

export class Cluster implements Membership {
  readonly #setup: ClusterSetup;
  readonly #start: StartNumbers;
  readonly #swim: Swim;
  readonly #runner: Runner;
  readonly #listeners: ((view: ClusterView) => void)[] = [];
  readonly #waiters = new Set<StepWaiter>();
  #view: ClusterView | undefined;
  #join: Join | undefined;
  #knownClusterId: string;
  #cancelResolve: Cancel = () => {};
  #port = 0;
  #onGone: () => void = () => {};
  #checks = 0;
  readonly #checking = new Map<number, (outcome: PathOutcome) => void>();
  #state: "loaded" | "open" | "closed" = "loaded";

  private constructor(setup: ClusterSetup, image: Image | undefined, start: StartNumbers) {
    this.#setup = setup;
    this.#start = start;
    this.#knownClusterId = setup.identity.clusterId;
    const { options } = setup;
    const keys = options.encryptionKeys;
    this.#swim = new Swim(
      {
        clusterId: image?.clusterId ?? setup.identity.clusterId,
        initialized: image?.initialized ?? false,
        epoch: image?.epoch ?? 0,
        start,
        profile: firstProfile(setup, start, image),
        options: this.#soundOptions(options),
        random: setup.random,
        crypto: setup.crypto ?? systemCrypto,
      },
      image?.entries ?? [],
    );
    if (keys.length > 0) {
      this.#swim.step({ kind: "keys", keys, acceptPlain: options.acceptPlain }, 0);
    }
    this.#runner = new Runner({
      swim: this.#swim,
      clock: setup.clock,
      log: setup.log,
      store: setup.store,
      onAction: (action) => this.#onAction(action),
      onStep: () => this.#checkWaiters(),
    });
  }

  /**
   * Reads `cluster.members` and makes this start's numbers durable. Throws `Error` when the file is damaged or
   * cannot be written: a member must never run with numbers that are not on disk.
   */
  static async load(setup: ClusterSetup): Promise<Cluster> {
    const bytes = await setup.store.load(MEMBERS_FILE);
    let image: Image | undefined;
    try {
      image = bytes === undefined ? undefined : decodeImage(bytes);
    } catch (error) {
      throw new Error(`cannot read ${MEMBERS_FILE}: ${errorMessage(error)}`, { cause: error });
    }
    if (parseMemberId(setup.identity.serverId) === undefined) {
      throw new Error(`server ID ${setup.identity.serverId} is not a UUID`);
    }
    const start = nextStart(image, setup.clock.now().ms, setup.random);
    const cluster = new Cluster(setup, image, start);
    await setup.store.replace(MEMBERS_FILE, encodeImage(cluster.#swim.image()));
    await cluster.#clusterIdChanged();
    return cluster;
  }

  /** This start's boot number, for the HELLO of RPC. */
  get boot(): bigint {
    return this.#start.boot;
  }

  /** The port bound for gossip; 0 before `open`. */
  get port(): number {
    return this.#port;
  }

  /** Local health score, 0 (well) … 7. */
  get health(): number {
    return this.#swim.health.score;
  }

  /**
   * Binds the gossip port and, when there are others, goes on the air. Throws `Error` with one line when the port
   * is taken, a name does not resolve, or what we would advertise cannot be reached by our peers.
   */
  async open(rpc: Rpc): Promise<void> {
    const { options, clock } = this.#setup;
    const bind = await this.#literal(formatHostPort(options.gossipBind), "bind-address");
    try {
      this.#port = await this.#runner.bind(bind);
    } catch (error) {
      const where = formatHostPort(bind);
      throw new Error(`cannot bind gossip address ${where}: ${errorMessage(error)}`, {
        cause: error,
      });
    }
    try {
      await this.#takeAddress();
    } catch (error) {
      await this.#runner.stop();
      throw error;
    }
    this.#join = new Join({
      swim: this.#swim,
      clock,
      log: this.#setup.log,
      rpc,
      input: (input) => this.#runner.input(input),
      durable: (input) => this.#runner.durable(input),
      until: (holds, waitMs) => this.#until(holds, waitMs),
      clusterIdChanged: () => this.#clusterIdChanged(),
      caughtUp: async (member) => this.#setup.caughtUp?.(member),
      handOver: (why) => this.#handOver(why),
    });
    this.#state = "open";
    this.#runner.input({ kind: "start" });
    this.#cancelResolve = every(clock, RESOLVE_EVERY_MS, () => {
      this.#followName().catch((error: unknown) =>
        this.#setup.log.warn("own address does not resolve", { err: errorMessage(error) }),
      );
    });
  }

  /** Leaves gracefully: says so, hands over, says LEFT, closes. */
  async close(): Promise<void> {
    if (this.#state !== "open") return this.kill();
    this.#runner.input({ kind: "leave" });
    await this.#handOver("leaving");
    let gone = false;
    this.#onGone = () => {
      gone = true;
    };
    this.#runner.input({ kind: "depart" });
    await this.#until(() => gone, DEPART_MS);
    await this.kill();
  }

  /** Closes sockets and timers without a word, as a crash would. */
  async kill(): Promise<void> {
    this.#state = "closed";
    this.#cancelResolve();
    await this.#runner.stop();
    for (const waiter of this.#waiters) this.#settle(waiter, false);
  }

  view(): ClusterView {
    this.#view ??= this.#makeView();
    return this.#view;
  }

  onChange(listener: (view: ClusterView) => void): void {
    this.#listeners.push(listener);
  }

  async add(rpcAddress: string): Promise<void> {
    if (splitHostPort(rpcAddress) === undefined) {
      throw new Error(`address ${JSON.stringify(rpcAddress)} is not host:port`);
    }
    await this.#opened().add(rpcAddress);
  }

  async remove(id: string): Promise<void> {
    await this.#opened().remove(id);
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#swim.counters, ...this.#runner.counters };
  }

  /** Was this member taken out of our cluster? For RPC's HELLO. */
  isRemoved(member: MemberId): boolean {
    return this.#swim.entry(member)?.rank === REMOVED;
  }

  /** Somebody says that we were removed: asks that member by gossip, whose answer carries the epoch. */
  checkRemoval(by: MemberId): void {
    this.#runner.input({ kind: "sync", with: by });
  }

  /** Do gossip datagrams and connections pass to this member? Takes 1.5 s at most. */
  async checkPath(member: MemberId): Promise<PathOutcome> {
    const number = ++this.#checks;
    const { promise, resolve } = Promise.withResolvers<PathOutcome>();
    this.#checking.set(number, resolve);
    const cancel = this.#setup.clock.after(CHECK_WAIT_MS, () =>
      resolve({ answered: 0, udpMs: 0, udpAddress: "", tcp: "timeout" }),
    );
    this.#runner.input({ kind: "check", with: member, check: number });
    const outcome = await promise;
    cancel();
    this.#checking.delete(number);
    return outcome;
  }

  /** Milliseconds since a ping of this member came by datagram; `undefined` when none did. */
  pingAgeMs(member: MemberId): number | undefined {
    const at = this.#swim.pingHeardAt(member);
    return at === undefined ? undefined : this.#setup.clock.monoMs() - at;
  }

  /** Sends a hint to everybody; losing one must not matter. At most 512 bytes. */
  note(kind: number, bytes: Uint8Array): void {
    this.#runner.input({ kind: "note", noteKind: kind, bytes });
  }

  /** Which keys others were seen to use for gossip. */
  keyReport(): KeyReport {
    return this.#swim.keyReport(this.#setup.clock.monoMs());
  }

  /** Live reload of keys, and of intervals, which hold from the next round on. Addresses need a restart. */
  reload(options: ClusterOptions): void {
    this.#runner.input({ kind: "options", options: this.#soundOptions(options) });
    this.#runner.input({
      kind: "keys",
      keys: options.encryptionKeys,
      acceptPlain: options.acceptPlain,
    });
    if (options.redundancy !== this.#swim.profile.redundancy) {
      this.#runner.input({ kind: "profile", change: { redundancy: options.redundancy } });
    }
  }

  #opened(): Join {
    if (this.#join === undefined || this.#state !== "open") throw new Error("cluster is not open");
    return this.#join;
  }

  #onAction(action: Action): void {
    const { log, onStall, onNote } = this.#setup;
    switch (action.kind) {
      case "view": {
        this.#view = undefined;
        const view = this.view();
        for (const listener of this.#listeners) listener(view);
        return;
      }
      case "change":
        log.info("member changed", {
          member: action.id,
          status: RANK_WORDS[action.to],
          ...(action.to === DEAD ? { reason: action.reason } : {}),
        });
        return;
      case "reset":
        log.warn("this member was removed from its cluster", { cluster: action.clusterId });
        this.#clusterIdChanged().catch((error: unknown) =>
          log.error("cluster ID could not be saved", { err: errorMessage(error) }),
        );
        return;
      case "stalled":
        onStall?.(action.ms);
        return;
      case "note":
        onNote?.(action.noteKind, action.origin, action.bytes);
        return;
      case "duplicate":
        this.#setup.onDuplicate?.();
        return;
      case "checked":
        this.#checking.get(action.check)?.(action.outcome);
        return;
      case "gone":
        this.#onGone();
        return;
      default:
        return;
    }
  }

  async #clusterIdChanged(): Promise<void> {
    const { clusterId } = this.#swim;
    if (clusterId === this.#knownClusterId) return;
    this.#knownClusterId = clusterId;
    await this.#setup.onClusterId(clusterId);
  }

  async #handOver(why: "leaving" | "removed"): Promise<void> {
    const { handOver, clock, log } = this.#setup;
    if (handOver === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.after(HANDOVER_MS, () => {
      log.warn("hand-over took too long", { duration_ms: HANDOVER_MS });
      resolve();
    });
    handOver(why)
      .catch((error: unknown) => log.warn("hand-over failed", { err: errorMessage(error) }))
      .finally(resolve);
    await promise;
    cancel();
  }

  #until(holds: () => boolean, waitMs: number): Promise<boolean> {
    if (holds()) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter: StepWaiter = {
      holds,
      resolve,
      cancel: this.#setup.clock.after(waitMs, () => this.#settle(waiter, holds())),
    };
    this.#waiters.add(waiter);
    return promise;
  }

  #checkWaiters(): void {
    for (const waiter of this.#waiters) if (waiter.holds()) this.#settle(waiter, true);
  }

  #settle(waiter: StepWaiter, held: boolean): void {
    waiter.cancel();
    this.#waiters.delete(waiter);
    waiter.resolve(held);
  }

  /** Finds the literal address we advertise and refuses one that our peers could not use. */
  async #takeAddress(): Promise<void> {
    const change = await this.#advertised();
    const others = this.#swim.table();
    const own = { id: this.#swim.id, gossip: change.gossip };
    const problem = others.length > 1 ? addressProblem(own, others) : undefined;
    if (problem !== undefined) throw new Error(problem);
    if (isWildcard(change.gossip.host)) {
      throw new Error(
        `gossip advertise address ${change.gossipText} is a wildcard: set hostname or [cluster] advertise-address`,
      );
    }
    this.#runner.input({ kind: "profile", change });
  }

  async #followName(): Promise<void> {
    const change = await this.#advertised();
    const { gossip } = this.#swim.profile;
    if (change.gossip.host === gossip.host && change.gossip.port === gossip.port) return;
    this.#setup.log.info("own address changed", { address: formatHostPort(change.gossip) });
    this.#runner.input({ kind: "profile", change });
  }

  async #advertised(): Promise<{ readonly gossip: Address; readonly gossipText: string }> {
    const text = withPort(this.#setup.options.gossipAdvertise, this.#port);
    return { gossip: await this.#literal(text, "advertise-address"), gossipText: text };
  }

  async #literal(text: string, what: string): Promise<Address> {
    const found = await resolveAll(text);
    const first = found.find(({ host }) => !host.includes(":")) ?? found[0];
    if (first === undefined) throw new Error(`[cluster] ${what}: ${text} does not resolve`);
    return first;
  }

  #soundOptions(options: ClusterOptions): SwimOptions {
    const v6 = [options.gossipBind.host, options.gossipAdvertise].some(
      (text) => text.includes("::") || text.startsWith("["),
    );
    const packetMax = v6 ? PACKET_MAX_V6 : LAN.packetMax;
    const sound = soundOptions({ ...LAN, packetMax, ...options.protocol });
    if (sound.raised) {
      this.#setup.log.warn("probe-timeout is more than half of probe-interval; interval raised", {
        probe_interval_ms: sound.options.probeIntervalMs,
      });
    }
    return sound.options;
  }

  #makeView(): ClusterView {
    const members: MemberView[] = [];
    for (const entry of this.#swim.entries()) {
      const member = memberView(entry);
      if (member !== undefined) members.push(member);
    }
    members.sort((a, b) => a.joined - b.joined || (a.id < b.id ? -1 : 1));
    const { clusterId, id, initialized } = this.#swim;
    return { clusterId, localId: id, initialized, members };
  }
}

const RANK_WORDS: Readonly<Record<Rank, MemberStatus>> = {
  0: "alive",
  1: "suspect",
  2: "dead",
  3: "left",
  4: "removed",
};

/** A table entry as the rest of the daemon sees it; `undefined` for one that is removed or not described yet. */
export function memberView(entry: Entry): MemberView | undefined {
  const { profile, rank } = entry;
  if (profile === undefined || rank === REMOVED) return undefined;
  return {
    id: entry.id,
    gossipAddress: profile.gossipText,
    rpcAddress: profile.rpc,
    apiAddress: profile.api,
    roles: profile.roles,
    status: rank === ALIVE && profile.leaving ? "leaving" : RANK_WORDS[rank],
    joined: profile.joined,
    redundancy: profile.redundancy,
    crashEvidence: (rank === DEAD || rank === LEFT) && entry.reason === "refused",
  };
}

/** Own description before the address is known: `open` completes it. */
function firstProfile(setup: ClusterSetup, start: StartNumbers, image: Image | undefined): Profile {
  const { options, identity } = setup;
  const id = parseMemberId(identity.serverId) ?? (identity.serverId as MemberId);
  return {
    id,
    boot: start.boot,
    gossip: { host: "0.0.0.0", port: options.gossipBind.port },
    gossipText: options.gossipAdvertise,
    rpc: options.rpcAdvertise,
    api: options.apiAdvertise,
    roles: options.roles,
    protocolMin: PROTOCOL_MIN,
    protocolMax: PROTOCOL_MAX,
    redundancy: options.redundancy,
    joined: image?.joined ?? 1,
    tcpOnly: false,
    leaving: false,
    reclaimed: false,
  };
}

/** Port 0 of an advertised text is the bound port. */
function withPort(text: string, port: number): string {
  const address = splitHostPort(text);
  return address?.port === 0 ? formatHostPort({ host: address.host, port }) : text;
}
