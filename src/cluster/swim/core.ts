/**
 * What all parts of one member share: its clock reading, dice, table, queue, counters and way out.
 *
 * The parts (`facts`, `spreader`, `prober`, `links`, `syncer`) hold this object and push actions to
 * `out`; `Swim.step` hands them over. Nothing here waits or calls outside.
 */

import type { LogFields, LogLevel } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { INCARNATION_RESERVE, PACKET_MIN, PERSIST_EVERY_MS } from "../limits.ts";
import { ByteWriter } from "../messages/bytes.ts";
import { IdTable } from "../messages/member-id.ts";
import type { Profile, Rank } from "../messages/message.ts";
import { ALIVE } from "../messages/message.ts";
import { type GossipRecord, writeRecord } from "../messages/registry.ts";
import type { Address, MemberId, MonoMs } from "../ports.ts";
import { writeFrameLength } from "../transport/frame.ts";
import type { Channel } from "../transport/greeting.ts";
import { Awareness } from "./awareness.ts";
import { BroadcastQueue, type NewsKind, sendLimit } from "./broadcast-queue.ts";
import type { Crypto } from "./crypto.ts";
import type { StartNumbers } from "./image.ts";
import type { Action } from "./io.ts";
import { KeyWarnings } from "./key-warnings.ts";
import type { SwimOptions } from "./options.ts";
import { PacketCodec } from "./packet.ts";
import { type Entry, INCARNATION_MAX, MemberTable, pathOf } from "./table.ts";
import { Timers } from "./timers.ts";

/**
 * Deliberate faults, only ever passed by the simulator's tests, which must find each of them.
 * Production passes none.
 */
export type PlantedBug =
  | "no-refute"
  | "removed-can-return"
  | "suspect-beats-newer"
  | "forgets-incarnation"
  | "no-heal"
  | "no-stall-rule"
  | "no-replay-check"
  | "stops-probing-on-local-error"
  | "leaks-relays";

export interface CoreSetup {
  readonly clusterId: string;
  readonly initialized: boolean;
  /** Own epoch; of an uninitialized member the last one it was removed in, 0 if never. */
  readonly epoch: number;
  readonly start: StartNumbers;
  /** Own description; `boot` and the three flags are set here. */
  readonly profile: Profile;
  readonly options: SwimOptions;
  readonly random: Random;
  readonly crypto: Crypto;
  /** Shared by all simulated members to save memory; each daemon has its own. */
  readonly ids?: IdTable;
  readonly planted?: ReadonlySet<PlantedBug>;
  /** Asks the simulator whether to misbehave within what is allowed, at a named point; in production it never does. */
  readonly mischief?: (name: MischiefPoint) => boolean;
}

/** Where the core may do the unusual but legal thing. */
export type MischiefPoint =
  /** Use the smallest packet. */
  | "smallest-packet"
  /** Write the state at once, though nothing is urgent. */
  | "early-write"
  /** Probe whoever was probed before once more. */
  | "same-target";

const encoder = new TextEncoder();

export class Core {
  now: MonoMs = 0;
  out: Action[] = [];
  readonly counters: Record<string, number> = {};
  readonly timers = new Timers();
  readonly queue = new BroadcastQueue();
  readonly awareness = new Awareness();
  readonly ids: IdTable;
  readonly table: MemberTable;
  readonly codec: PacketCodec;
  readonly keyWarnings = new KeyWarnings("gossip", (message, fields) =>
    this.log("warn", message, fields),
  );
  readonly random: Random;
  readonly crypto: Crypto;
  options: SwimOptions;
  clusterId: string;
  clusterTag: Uint8Array;
  initialized: boolean;
  boot: bigint;
  /** On disk: no incarnation above it was ever announced. */
  reserved: number;
  self: Entry;
  leaving = false;
  /** Left for good or a duplicate: hears and says nothing. */
  halted = false;
  viewChanged = false;
  /** Counts changes of cluster: what was being read when it changed belongs to the former one. */
  life = 0;
  readonly #planted: ReadonlySet<PlantedBug> | undefined;
  readonly #mischief: ((name: MischiefPoint) => boolean) | undefined;
  readonly #writer = new ByteWriter(16 * 1024);
  readonly #recordWriter = new ByteWriter(2 * 1024);
  #counter = 0;
  #ticket = 0;
  #outstanding: number | undefined;
  #dirty = false;
  /** Of what is to be written something is waited for. */
  #urgent = false;
  #persistedAt = Number.NEGATIVE_INFINITY;
  #persistArmed = false;
  /** Sends over the kept connection of a tcp-only pair; set by `Links`. */
  tcpSend: (entry: Entry, first: readonly GossipRecord[]) => void = () => {};

  constructor(setup: CoreSetup) {
    this.ids = setup.ids ?? new IdTable();
    this.random = setup.random;
    this.crypto = setup.crypto;
    this.options = setup.options;
    this.#planted = setup.planted;
    this.#mischief = setup.mischief;
    this.clusterId = setup.clusterId;
    this.clusterTag = this.#tagOf(setup.clusterId);
    this.initialized = setup.initialized;
    this.boot = setup.start.boot;
    this.reserved = setup.start.reserved;
    const id = setup.profile.id;
    this.table = new MemberTable(this.ids, id);
    this.self = this.#addSelf(
      { ...setup.profile, boot: this.boot, tcpOnly: false, leaving: false, reclaimed: false },
      setup.epoch,
      setup.start.incarnation,
    );
    this.codec = new PacketCodec(this.crypto, this.ids, {
      clusterId: this.clusterId,
      clusterTag: this.clusterTag,
      id,
      boot: this.boot,
    });
  }

  get id(): MemberId {
    return this.self.id;
  }

  get profile(): Profile {
    return this.self.profile as Profile;
  }

  mischief(name: MischiefPoint): boolean {
    return this.#mischief?.(name) === true;
  }

  planted(bug: PlantedBug): boolean {
    return this.#planted?.has(bug) === true;
  }

  count(reason: string, by = 1): void {
    this.counters[reason] = (this.counters[reason] ?? 0) + by;
  }

  log(level: LogLevel, message: string, fields: LogFields = {}): void {
    this.out.push({ kind: "log", level, message, fields });
  }

  /** Notes a change of an entry's rank for the trace and the view. */
  changed(entry: Entry, from: Rank | undefined): void {
    this.viewChanged = true;
    this.out.push({ kind: "change", id: entry.id, from, to: entry.rank, reason: entry.reason });
  }

  /** Alone under another cluster ID: everybody else forgotten, own profile first in line. */
  becomeAlone(clusterId: string, initialized: boolean, epoch: number): void {
    const { incarnation } = this.self;
    const profile = { ...this.profile, joined: 1, leaving: false, tcpOnly: false };
    this.life++;
    this.table.clear();
    this.queue.clear();
    this.awareness.reset();
    this.initialized = initialized;
    this.self = this.#addSelf(profile, epoch, incarnation);
    this.setClusterId(clusterId);
  }

  setClusterId(clusterId: string): void {
    this.clusterId = clusterId;
    this.clusterTag = this.#tagOf(clusterId);
    this.#identify();
  }

  /** A later boot number for the running process (U31). */
  setBoot(boot: bigint): void {
    this.boot = boot;
    this.#counter = 0;
    this.#identify();
  }

  /** Raises the own incarnation (a liar's huge numbers stop at the largest); what the disk reserves is raised before it is exceeded. */
  setIncarnation(incarnation: number): void {
    // Never lower, whatever was heard in another epoch.
    const capped = Math.min(Math.max(incarnation, this.self.incarnation), INCARNATION_MAX - 1);
    const { epoch, profile } = this.self;
    this.table.set(
      this.self,
      { epoch, incarnation: capped, rank: ALIVE, profile, reason: "silent" },
      this.now,
    );
    if (capped < this.reserved) return;
    this.reserved = Math.min(capped + INCARNATION_RESERVE, INCARNATION_MAX - 1);
    this.persist(true);
  }

  setProfile(profile: Profile): void {
    const { epoch, incarnation } = this.self;
    this.table.set(
      this.self,
      { epoch, incarnation, rank: ALIVE, profile, reason: "silent" },
      this.now,
    );
  }

  /** Largest packet towards a member, bytes. */
  packetMax(entry: Entry): number {
    if (this.mischief("smallest-packet")) return PACKET_MIN;
    return Math.min(entry.path?.packetMax ?? this.options.packetMax, this.options.packetMax);
  }

  path(entry: Entry): ReturnType<typeof pathOf> {
    return pathOf(entry, this.options.packetMax);
  }

  /** One packet to a member: `first`, then as much news as fits. */
  send(entry: Entry, first: readonly GossipRecord[]): void {
    if (entry.profile === undefined) return;
    if (entry.path?.tcpOnly === true) this.tcpSend(entry, first);
    else this.sendUdp(entry.profile.gossip, first, this.packetMax(entry));
  }

  /** The same to an address, always as a datagram. Returns how many facts rode along. */
  sendUdp(
    to: Address,
    first: readonly GossipRecord[],
    max = this.options.packetMax,
    news = true,
  ): number {
    const writer = this.#writer;
    this.codec.begin(writer, ++this.#counter, this.codec.isKeyless(to));
    for (const record of first) writeRecord(writer, record, this.ids);
    const room = max - (this.codec.overhead - 44);
    const rode = news ? this.#fill(writer, room) : 0;
    const bytes = this.codec.finish(writer);
    this.count("datagrams-sent");
    this.count("datagram-bytes-sent", bytes.length);
    this.out.push({ kind: "datagram", to, bytes });
    return rode;
  }

  /** A frame for a gossip connection: length, then a packet of the connection's own counter; plain without channel. */
  frame(
    records: readonly GossipRecord[],
    counter: number,
    channel: Channel | undefined,
    news: boolean,
    encoded: readonly Uint8Array[] = [],
  ): Uint8Array {
    const writer = this.#writer;
    this.codec.begin(writer, counter, channel === undefined);
    for (const record of records) writeRecord(writer, record, this.ids);
    for (const record of encoded) writer.raw(record);
    if (news) this.#fill(writer, Math.max(writer.at, this.options.packetMax));
    const packet = this.codec.finish(writer, channel);
    const out = new Uint8Array(packet.length + 4);
    writeFrameLength(out, 0, packet.length);
    out.set(packet, 4);
    this.count("frame-bytes-sent", out.length);
    return out;
  }

  /** Queues a fact about a subject for gossip. */
  enqueue(subject: string, record: GossipRecord, kind: NewsKind): void {
    const writer = this.#recordWriter;
    writer.at = 0;
    writeRecord(writer, record, this.ids);
    const dropped = this.queue.put(subject, writer.copy(), kind, this.table.members);
    if (dropped > 0) this.count("notes-dropped-queue-full", dropped);
  }

  get sendLimit(): number {
    return sendLimit(this.table.liveCount);
  }

  /** Asks for a state write: at once when urgent, else at most once a second. */
  persist(urgent: boolean): void {
    this.#dirty = true;
    this.#urgent ||= urgent;
    if (this.#outstanding !== undefined) return;
    const due = this.#persistedAt + PERSIST_EVERY_MS;
    if (urgent || due <= this.now || this.mischief("early-write")) this.#flush();
    else this.#armPersist(due);
  }

  /** The last write ended. A failed one is tried again a second later, loudly. */
  stored(ticket: number, ok: boolean): void {
    if (ticket !== this.#outstanding) return;
    this.#outstanding = undefined;
    if (!ok) {
      this.count("state-writes-failed");
      this.log("error", "cluster state could not be saved; trying again");
      this.#dirty = true;
    }
    if (this.#dirty && this.#urgent && ok) this.#flush();
    else if (this.#dirty) this.#armPersist(this.#persistedAt + PERSIST_EVERY_MS);
  }

  #armPersist(at: MonoMs): void {
    if (this.#persistArmed) return;
    this.#persistArmed = true;
    this.timers.add(Math.max(at, this.now), () => {
      this.#persistArmed = false;
      if (this.#dirty && this.#outstanding === undefined) this.#flush();
    });
  }

  /** After `timers.clear()`: what was armed is gone. */
  timersCleared(): void {
    this.#persistArmed = false;
  }

  #flush(): void {
    this.#dirty = false;
    this.#urgent = false;
    this.#persistedAt = this.now;
    this.#outstanding = ++this.#ticket;
    this.out.push({ kind: "persist", ticket: this.#ticket });
  }

  #fill(writer: ByteWriter, end: number): number {
    return this.queue.size === 0 ? 0 : this.queue.fill(writer, end, this.sendLimit);
  }

  #addSelf(profile: Profile, epoch: number, incarnation: number): Entry {
    const reason = "silent";
    return this.table.add(
      profile.id,
      { epoch, incarnation, rank: ALIVE, profile, reason },
      this.now,
    );
  }

  #identify(): void {
    this.codec.setIdentity({
      clusterId: this.clusterId,
      clusterTag: this.clusterTag,
      id: this.self.id,
      boot: this.boot,
    });
  }

  #tagOf(clusterId: string): Uint8Array {
    return this.crypto.sha256(encoder.encode(`cluster${clusterId}`)).slice(0, 8);
  }
}
