/**
 * One member's membership as a synchronous state machine: an input and the time in, actions out.
 *
 * It never waits, reads no clock, rolls no dice of its own and calls nobody, so the daemon runs it on
 * sockets and the simulator on virtual ones, byte for byte the same. It is total: any bytes, in
 * any order, at any time give actions and counters, never an exception.
 * Parts: `facts` (what is believed), `spreader` (when news leaves), `prober` (who answers), `links` (TCP),
 * `syncer` (whole tables), on one `core`. Source: gossip.md; SWIM (2002); Lifeguard (2017).
 */

import { errorMessage } from "#lib/errors.ts";
import { ANSWER_EVERY_MS, DATAGRAM_MAX, STALL_READ_MS } from "../limits.ts";
import type { IdTable } from "../messages/member-id.ts";
import { randomUuid } from "../messages/member-id.ts";
import { DEAD, LEFT, type Profile, REMOVED, SUSPECT } from "../messages/message.ts";
import { NOTE_BYTES_MAX } from "../messages/note.ts";
import { type GossipRecord, readRecord } from "../messages/registry.ts";
import type { SyncEntry } from "../messages/sync.ts";
import { type Address, type MemberId, type MonoMs, WireError } from "../ports.ts";
import { Core, type CoreSetup } from "./core.ts";
import { Departure } from "./departure.ts";
import { Facts } from "./facts.ts";
import type { Image } from "./image.ts";
import type { Action, Adoption, Input } from "./io.ts";
import type { KeyReport } from "./key-ring.ts";
import { type Link, Links } from "./links.ts";
import { NoteLog } from "./note-log.ts";
import { Origin } from "./origin.ts";
import type { Opened } from "./packet.ts";
import { Prober } from "./prober.ts";
import { ReplayGuard } from "./replay-guard.ts";
import { Spreader } from "./spreader.ts";
import { Syncer, syncEntry } from "./syncer.ts";
import type { Entry } from "./table.ts";

/** A stall is lateness beyond this, or beyond a probe interval if that is longer, milliseconds. */
const STALL_MS_MIN = 500;

type RecordHandlers = {
  readonly [K in GossipRecord["kind"]]: (
    record: Extract<GossipRecord, { kind: K }>,
    origin: Origin,
  ) => void;
};

export class Swim {
  readonly #core: Core;
  readonly #facts: Facts;
  readonly #spreader: Spreader;
  readonly #links: Links;
  readonly #prober: Prober;
  readonly #syncer: Syncer;
  readonly #notes = new NoteLog();
  readonly #departure: Departure;
  readonly #handlers: RecordHandlers;
  readonly #guard: ReplayGuard;
  #started = false;
  #holdUntil: MonoMs = 0;
  #wakeAt: MonoMs | undefined;
  #noteCounter: number;

  constructor(setup: CoreSetup, entries: readonly SyncEntry[] = []) {
    this.#core = new Core(setup);
    this.#guard = new ReplayGuard(this.#core);
    // Seconds of the start: above the counters of earlier processes, so that no note is taken for old.
    this.#noteCounter = Number(BigInt.asUintN(31, setup.start.boot >> 26n));
    this.#spreader = new Spreader(this.#core);
    this.#facts = new Facts(this.#core, this.#spreader, {
      turnedAlive: (entry, isNew) => this.#turnedAlive(entry, isNew),
      turnedGone: (entry) => this.#syncer.heal(entry),
      selfRemoved: () => this.#reset(),
      duplicate: () => this.#stopAsDuplicate(),
    });
    this.#links = new Links(this.#core, (packet, link) => this.#receive(packet, undefined, link));
    this.#prober = new Prober(this.#core, this.#facts, this.#links);
    this.#syncer = new Syncer(this.#core, this.#facts, this.#links);
    this.#departure = new Departure(this.#core, this.#facts);
    this.#spreader.sendLarge = (entry, records) => this.#sendLarge(entry, records);
    this.#handlers = this.#makeHandlers();
    this.#load(entries);
    this.#core.out = [];
    this.#core.viewChanged = false;
  }

  // —— what others may look at ——

  get id(): MemberId {
    return this.#core.id;
  }

  get clusterId(): string {
    return this.#core.clusterId;
  }

  get initialized(): boolean {
    return this.#core.initialized;
  }

  get incarnation(): number {
    return this.#core.self.incarnation;
  }

  get epoch(): number {
    return this.#core.self.epoch;
  }

  /** How often this process changed clusters. */
  get life(): number {
    return this.#core.life;
  }

  get boot(): bigint {
    return this.#core.boot;
  }

  get profile(): Profile {
    return this.#core.profile;
  }

  /** Is there something to tell the others? */
  get hasNews(): boolean {
    return this.#core.queue.size > 0;
  }

  /** Local health, 0 … 7, and the worst it has been. */
  get health(): { readonly score: number; readonly peak: number } {
    return this.#core.awareness;
  }

  get counters(): Readonly<Record<string, number>> {
    return this.#core.counters;
  }

  /** Which keys others were seen to use. */
  keyReport(now: MonoMs): KeyReport {
    return this.#core.codec.ring.report(now);
  }

  /** Current sizes of everything bounded. */
  get sizes(): {
    readonly members: number;
    readonly queue: number;
    readonly timers: number;
    readonly links: number;
    readonly relays: number;
    /** Replay windows of senders that are no members. */
    readonly windows: number;
  } {
    return {
      members: this.#core.table.size,
      queue: this.#core.queue.size,
      timers: this.#core.timers.size,
      links: this.#links.open,
      relays: this.#prober.relays,
      windows: this.#guard.strangers,
    };
  }

  get ids(): IdTable {
    return this.#core.ids;
  }

  /** All entries, self and tombstones included. Borrowed: not to be changed or kept. */
  entries(): Iterable<Entry> {
    return this.#core.table.all();
  }

  entry(id: MemberId): Entry | undefined {
    return this.#core.table.get(id);
  }

  /** When a ping of this member last came by datagram. */
  pingHeardAt(id: MemberId): MonoMs | undefined {
    const at = this.#core.table.get(id)?.pingedAt ?? Number.NEGATIVE_INFINITY;
    return at === Number.NEGATIVE_INFINITY ? undefined : at;
  }

  get viewHash(): { readonly high: number; readonly low: number } {
    return { high: this.#core.table.hashHigh, low: this.#core.table.hashLow };
  }

  /** What the disk must hold now. */
  image(): Image {
    const core = this.#core;
    const entries: SyncEntry[] = [];
    for (const entry of core.table.all()) if (entry !== core.self) entries.push(syncEntry(entry));
    return {
      clusterId: core.clusterId,
      initialized: core.initialized,
      epoch: core.self.epoch,
      joined: core.profile.joined,
      incarnation: core.planted("forgets-incarnation") ? 0 : core.reserved,
      boot: core.boot,
      entries,
    };
  }

  /** The table as `member add` offers it, self included. */
  table(): SyncEntry[] {
    const entries: SyncEntry[] = [];
    for (const entry of this.#core.table.all()) entries.push(syncEntry(entry));
    return entries;
  }

  // —— the machine ——

  /** One step. `now` must not run backwards; if it does, the step happens at the last time seen. */
  step(input: Input, now: MonoMs): readonly Action[] {
    const core = this.#core;
    core.now = Math.max(core.now, now);
    core.out = [];
    if (this.#started && !core.halted) this.#noticeStall();
    this.#dispatch(input);
    this.#runTimers();
    if (core.viewChanged) {
      core.viewChanged = false;
      core.out.push({ kind: "view" });
    }
    this.#wish();
    return core.out;
  }

  #dispatch(input: Input): void {
    const core = this.#core;
    if (core.halted && input.kind !== "stored" && input.kind !== "ended") return;
    switch (input.kind) {
      case "start":
        this.#start();
        return;
      case "wake":
        this.#wakeAt = undefined;
        return;
      case "datagram":
        this.#datagram(input.from, input.bytes);
        return;
      case "send-failed":
        this.#prober.onSendFailed(input.to, input.why);
        return;
      case "opened":
        this.#links.opened(input.connection);
        return;
      case "accepted":
        this.#links.accepted(input.connection, input.from);
        return;
      case "data":
        this.#links.data(input.connection, input.bytes);
        return;
      case "ended":
        this.#links.ended(input.connection, input.why);
        return;
      case "stored":
        core.stored(input.ticket, input.ok);
        return;
      case "adopt":
        this.#adopt(input.offer);
        return;
      case "admit": {
        core.initialized = true;
        this.#facts.alive(input.version, input.profile);
        core.viewChanged = true;
        core.persist(true);
        const entry = core.table.get(input.profile.id);
        if (entry !== undefined) this.#syncer.request(entry, "join");
        return;
      }
      case "remove":
        this.#remove(input.id);
        return;
      case "removed":
        this.#facts.removed({
          kind: "removed",
          epoch: input.epoch,
          id: core.id,
          remover: core.id,
        });
        return;
      case "leave":
        this.#departure.leave();
        return;
      case "depart":
        this.#departure.depart();
        return;
      case "note":
        this.#note(input.noteKind, input.bytes);
        return;
      case "profile":
        this.#facts.updateSelf({ ...core.profile, ...input.change });
        return;
      case "options":
        core.options = input.options;
        return;
      case "keys":
        core.codec.setKeys(input.keys, input.acceptPlain);
        this.#links.keysChanged();
        return;
      case "sync": {
        const entry = core.table.get(input.with);
        if (entry !== undefined) this.#syncer.request(entry, "join");
        return;
      }
      case "check":
        this.#prober.checks.begin(input.with, input.check);
        return;
    }
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    if (this.#core.table.members < 2) return;
    this.#startTimers();
    this.#facts.announceSelf();
    this.#syncer.greetAll();
  }

  /** Nothing ticks in a member that is alone. */
  #startTimers(): void {
    this.#spreader.start();
    this.#prober.start();
    this.#syncer.start();
  }

  /** Rules 1–3 of gossip.md §13. */
  #noticeStall(): void {
    const core = this.#core;
    const due = core.timers.next();
    if (due === undefined || core.planted("no-stall-rule")) return;
    const late = core.now - due;
    if (late <= Math.max(STALL_MS_MIN, core.options.probeIntervalMs)) return;
    core.count("stalls");
    core.timers.shift(late);
    for (const entry of core.table.live) {
      if (entry.suspicion !== undefined) {
        entry.suspicion.startedAt += late;
      }
    }
    core.awareness.add(Math.ceil(late / core.options.probeIntervalMs));
    this.#holdUntil = core.now + STALL_READ_MS;
    core.out.push({ kind: "stalled", ms: late });
    core.log("warn", "the process did not run for a while", { duration_ms: Math.round(late) });
  }

  #runTimers(): void {
    const core = this.#core;
    if (core.now < this.#holdUntil) return;
    while (!core.halted) {
      const timer = core.timers.takeDue(core.now);
      if (timer === undefined) return;
      timer.run();
    }
    core.timers.clear();
  }

  #wish(): void {
    const core = this.#core;
    const next = core.timers.next();
    const at = next === undefined ? undefined : Math.max(next, this.#holdUntil);
    if (at === this.#wakeAt && at !== undefined && at > core.now) return;
    if (at === undefined && this.#wakeAt === undefined) return;
    this.#wakeAt = at;
    core.out.push({ kind: "wake", at });
  }

  // —— packets ——

  #datagram(from: Address, bytes: Uint8Array): void {
    const core = this.#core;
    core.count("datagrams-received");
    const opened = core.codec.open(bytes, DATAGRAM_MAX);
    if (typeof opened === "string") {
      core.count(`dropped-${opened}`);
      core.keyWarnings.dropped(opened, from, core.now);
      return;
    }
    if (opened.sender === core.id) {
      core.count("dropped-own-id");
      return;
    }
    if (!this.#isFresh(opened, from)) return;
    core.count("datagrams-accepted");
    core.codec.ring.saw(opened.key, core.now);
    core.codec.heard(from, opened.keyless);
    this.#receive(opened, from, undefined);
  }

  /** Replay check of datagrams. Connections have their own counters. */
  #isFresh(packet: Opened, from: Address): boolean {
    const core = this.#core;
    const entry = core.table.get(packet.sender);
    const verdict = this.#guard.judge(packet, entry);
    if (verdict === "fresh") return true;
    if (verdict === "replay" && core.planted("no-replay-check")) return true;
    core.count(`dropped-${verdict}`);
    if (verdict === "old-boot") this.#answerSuperseded(entry, from);
    return false;
  }

  /** The sender's identity is in use by a younger process; if the sender lives, it must know (U31). */
  #answerSuperseded(entry: Entry | undefined, from: Address): void {
    const core = this.#core;
    if (entry?.profile === undefined || !this.#mayAnswer(entry)) return;
    const { epoch, incarnation, profile } = entry;
    const version = { epoch, incarnation };
    core.sendUdp(from, [{ kind: "alive", version, profile }], undefined, false);
  }

  #mayAnswer(entry: Entry): boolean {
    const path = this.#core.path(entry);
    if (this.#core.now - path.answeredAt < ANSWER_EVERY_MS) return false;
    path.answeredAt = this.#core.now;
    return true;
  }

  #receive(packet: Opened, from: Address | undefined, link: Link | undefined): void {
    const core = this.#core;
    const origin = new Origin(core, this.#links, packet.sender, from, link);
    const { records } = packet;
    const { life } = core;
    let count = 0;
    let hash: { readonly hashHigh: number; readonly hashLow: number } | undefined;
    try {
      while (records.left > 0 && !core.halted && core.life === life) {
        const record = readRecord(records, core.ids);
        count++;
        if (record === undefined) {
          core.count("records-unknown");
          continue;
        }
        if (record.kind === "ping" || record.kind === "ack") hash = record;
        this.#handle(record, origin);
      }
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      core.count("dropped-malformed");
      core.log("debug", "malformed record", { member: packet.sender, err: errorMessage(error) });
    }
    const entry = core.table.get(packet.sender);
    if (entry === undefined || core.life !== life) return;
    entry.heardAt = core.now;
    if (entry.rank === REMOVED) this.#answerRemoved(entry, origin);
    else if (hash !== undefined && count === 1) {
      this.#syncer.compareHash(entry, hash.hashHigh, hash.hashLow);
    }
  }

  #handle<K extends GossipRecord["kind"]>(
    record: Extract<GossipRecord, { kind: K }>,
    origin: Origin,
  ): void {
    const handler = this.#handlers[record.kind as K] as (r: typeof record, o: Origin) => void;
    handler(record, origin);
  }

  #makeHandlers(): RecordHandlers {
    const facts = this.#facts;
    return {
      ping: (record, origin) => this.#prober.onPing(record, origin),
      ack: (record, origin) => this.#prober.onAck(record, origin),
      "ping-req": (record, origin) => this.#prober.onPingReq(record, origin),
      nack: (record, origin) => this.#prober.onNack(record, origin),
      alive: (record) => facts.alive(record.version, record.profile),
      suspect: (record) => facts.suspect(record),
      dead: (record) => facts.dead(record),
      left: (record) => facts.left(record),
      removed: (record) => facts.removed(record),
      note: (record) => {
        if (record.origin === this.#core.id || !this.#notes.isNew(record)) return;
        const { noteKind, origin, counter, bytes } = record;
        this.#spreader.spread(record, `note ${origin} ${counter}`, true);
        this.#core.out.push({ kind: "note", noteKind, origin, bytes });
      },
      big: () => this.#core.count("big-frames"),
      sync: (record, origin) => this.#syncer.onSync(record, origin),
      pad: () => {},
    };
  }

  #answerRemoved(entry: Entry, origin: Origin): void {
    if (origin.link === undefined && !this.#mayAnswer(entry)) return;
    const { id, epoch } = entry;
    this.#core.count("removed-answers");
    const remover = entry.remover ?? this.#core.id;
    origin.reply([{ kind: "removed", epoch, id, remover }]);
  }

  // —— membership changes ——

  #turnedAlive(entry: Entry, isNew: boolean): void {
    if (!this.#started) return;
    if (isNew) this.#prober.inserted(entry);
    this.#startTimers();
    this.#syncer.turnedAlive(entry);
  }

  #adopt(offer: Adoption): void {
    const core = this.#core;
    // Added again before we heard of our removal: what we know of this cluster stays true.
    const known = core.initialized && core.clusterId === offer.clusterId;
    if (!known) {
      this.#clearActivity();
      core.becomeAlone(offer.clusterId, true, offer.epoch);
    }
    core.setProfile({ ...core.profile, joined: offer.joined });
    const { profile, incarnation } = core.self;
    core.table.set(
      core.self,
      { epoch: offer.epoch, incarnation, rank: 0, profile, reason: "silent" },
      core.now,
    );
    core.setIncarnation(incarnation + 1);
    core.viewChanged = true;
    if (known) for (const entry of offer.entries) this.#facts.merge(entry, offer.adder);
    else this.#load(offer.entries);
    core.persist(true);
    if (!this.#started) return;
    this.#startTimers();
    this.#facts.announceSelf();
  }

  #remove(id: MemberId): void {
    const core = this.#core;
    if (id === core.id) {
      this.#tellRemoval();
      this.#reset();
      return;
    }
    const entry = core.table.get(id);
    // It waited here while this member was removed itself: there is nobody to remove any more.
    if (entry === undefined) return;
    const { epoch, profile } = entry;
    const gossip = profile?.gossip;
    const record = { kind: "removed", epoch, id, remover: core.id } as const;
    this.#facts.removed(record);
    if (gossip !== undefined) core.sendUdp(gossip, [record], undefined, false);
  }

  /** Removing oneself: the others hear it from us, as nobody else can tell them. */
  #tellRemoval(): void {
    const core = this.#core;
    const { id, epoch } = core.self;
    const record = { kind: "removed", epoch, id, remover: id } as const;
    for (const entry of core.table.pick(core.random, 2 * core.options.gossipMembers)) {
      core.send(entry, [record]);
    }
  }

  /** Removed: alone again, under a new cluster ID, with the old member ID. */
  #reset(): void {
    const core = this.#core;
    core.count("removed-self");
    this.#clearActivity();
    const clusterId = randomUuid(core.random.bytes(16));
    // The epoch is kept: whoever adds us later may not know of this removal.
    core.becomeAlone(clusterId, false, core.self.epoch);
    core.setIncarnation(core.self.incarnation + 1);
    core.viewChanged = true;
    core.out.push({ kind: "reset", clusterId });
    core.persist(true);
  }

  #stopAsDuplicate(): void {
    const core = this.#core;
    core.halted = true;
    this.#clearActivity();
    core.out.push({ kind: "duplicate" });
    core.log("error", "another live process has this member's identity; not clustering", {
      member: core.id,
    });
  }

  #clearActivity(): void {
    this.#core.timers.clear();
    this.#core.timersCleared();
    this.#links.reset();
    this.#prober.reset();
    this.#syncer.reset();
    this.#spreader.reset();
    this.#guard.reset();
  }

  /** Takes entries as they are, without telling anybody: from disk or from the adder. */
  #load(entries: readonly SyncEntry[]): void {
    const core = this.#core;
    for (const entry of entries) {
      const id = entry.rank === REMOVED ? entry.id : entry.profile.id;
      if (id === core.id || core.table.get(id) !== undefined) continue;
      if (entry.rank === REMOVED) {
        const state = { epoch: entry.epoch, incarnation: 0xffffffff, profile: undefined };
        const added = core.table.add(id, { ...state, rank: REMOVED, reason: "silent" }, core.now);
        added.remover = entry.remover;
        continue;
      }
      // A suspicion does not survive its process: without its timer it would last for ever.
      const rank = entry.rank === SUSPECT ? 0 : entry.rank;
      const { version, profile, reason } = entry;
      core.table.add(id, { ...version, rank, profile, reason }, core.now);
    }
    if (!this.#started) return;
    for (const entry of core.table.all()) {
      if (entry.rank === DEAD || entry.rank === LEFT) this.#syncer.heal(entry);
    }
  }

  // —— notes ——

  #note(noteKind: number, bytes: Uint8Array): void {
    const core = this.#core;
    if (bytes.length > NOTE_BYTES_MAX) {
      core.count("notes-too-large");
      return;
    }
    // Nobody is there to hear it; whoever joins later is not meant.
    if (core.table.live.length === 0) {
      core.count("notes-alone");
      return;
    }
    const counter = ++this.#noteCounter;
    const record = { kind: "note", noteKind, origin: core.id, counter, bytes } as const;
    this.#spreader.spread(record, `note ${core.id} ${counter}`, true);
  }

  #sendLarge(entry: Entry, records: readonly Uint8Array[]): void {
    const core = this.#core;
    if (entry.profile === undefined) return;
    this.#links.dial({
      purpose: "big",
      peer: entry.id,
      to: entry.profile.gossipText,
      onReady: (link) => {
        core.count("big-sent");
        this.#links.sendRaw(link, records);
        this.#links.finish(link);
      },
      onEnd: () => {},
    });
  }
}
