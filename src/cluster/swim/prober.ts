/**
 * The failure detector: one probe per interval, helpers and TCP when it stays unanswered, suspicion
 * only with evidence (gossip.md §6).
 *
 * A process that died refuses connects, a slow or cut off one does not; refused connects therefore
 * shorten everything. A failed probe also counts against ourselves unless the helpers we asked say that
 * they are well and could not reach the target either.
 */

import { shuffle } from "#lib/random.ts";
import { RELAYS_MAX } from "../limits.ts";
import type { Ack } from "../messages/ack.ts";
import { formatHostPort } from "../messages/ip.ts";
import { ALIVE, SUSPECT } from "../messages/message.ts";
import type { Nack, NackReason } from "../messages/nack.ts";
import type { Ping } from "../messages/ping.ts";
import type { PingReq } from "../messages/ping-req.ts";
import type { GossipRecord } from "../messages/registry.ts";
import type { Address, MemberId } from "../ports.ts";
import type { Core } from "./core.ts";
import type { Facts } from "./facts.ts";
import type { SendFailure } from "./io.ts";
import type { Link, Links } from "./links.ts";
import type { Origin } from "./origin.ts";
import { PathChecks } from "./path-checks.ts";
import { PathWatch } from "./path-watch.ts";
import type { Entry } from "./table.ts";
import type { Timer } from "./timers.ts";

/** Share of the time left to a helper after which it says that it got no answer. */
const NACK_SHARE = 0.8;

interface Probe {
  readonly seq: number;
  readonly target: Entry;
  readonly helpers: Set<MemberId>;
  /** Others that could help, whether asked or not. */
  helpersPossible: number;
  nacks: number;
  refusedByHelper: boolean;
  refusedByTcp: boolean;
  escalated: boolean;
  answered: "no" | "udp" | "tcp";
  settled: boolean;
  timer: Timer | undefined;
  link: Link | undefined;
}

/** A ping made for somebody else. */
interface Relay {
  readonly seq: number;
  readonly askerSeq: number;
  readonly asker: Origin;
  readonly target: MemberId;
  nacked: boolean;
  link: Link | undefined;
}

export class Prober {
  readonly #core: Core;
  readonly #facts: Facts;
  readonly #links: Links;
  readonly #paths: PathWatch;
  /** On behalf of operators; beside the probes and without influence on them. */
  readonly checks: PathChecks;
  #list: Entry[] = [];
  #at = 0;
  #seq = 0;
  #probe: Probe | undefined;
  readonly #relays = new Map<number, Relay>();
  #ticking = false;
  /** Members to whom a send failed locally in this interval. */
  readonly #localErrors = new Set<string>();

  constructor(core: Core, facts: Facts, links: Links) {
    this.#core = core;
    this.#facts = facts;
    this.#links = links;
    this.#paths = new PathWatch(core);
    this.checks = new PathChecks(core, links, {
      nextSeq: () => this.#nextSeq(),
      ping: (seq, target) => this.#ping(seq, target, undefined),
    });
  }

  start(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    // Whom we know by now is in the list from the beginning; who comes later is inserted.
    this.#refill();
    this.#arm(this.#core.random.float() * this.#core.options.probeIntervalMs);
  }

  /** Timers and connections were cleared. */
  reset(): void {
    this.#ticking = false;
    this.#probe = undefined;
    this.#relays.clear();
    this.#list = [];
    this.#at = 0;
    this.checks.reset();
  }

  get relays(): number {
    return this.#relays.size;
  }

  /** A new member enters the list at a random place. */
  inserted(entry: Entry): void {
    this.#list.splice(this.#core.random.below(this.#list.length + 1), 0, entry);
  }

  onPing(record: Ping, origin: Origin): void {
    const core = this.#core;
    if (record.target !== core.id) {
      core.count("pings-for-another");
      return;
    }
    this.checks.onPing(origin);
    const first: GossipRecord[] = [];
    const fact = origin.entry === undefined ? undefined : this.#facts.buddyFact(origin.entry);
    // Told first, so that the member refutes before anything else (Lifeguard's buddy rule).
    if (fact !== undefined) first.push(fact);
    first.push(this.#ack(record.seq));
    origin.reply(first);
  }

  onAck(record: Ack, origin: Origin): void {
    const probe = this.#probe;
    if (probe !== undefined && record.seq === probe.seq) {
      if (origin.sender === probe.target.id) this.#answered(probe, origin.link ? "tcp" : "udp");
      else if (probe.helpers.has(origin.sender)) this.#answered(probe, "udp");
      else this.#core.count("acks-unasked");
      return;
    }
    const relay = this.#relays.get(record.seq);
    if (relay !== undefined && relay.target === origin.sender) {
      this.#relays.delete(record.seq);
      if (relay.link !== undefined) this.#links.finish(relay.link);
      this.#core.count("pings-relayed");
      relay.asker.reply([this.#ack(relay.askerSeq)]);
      return;
    }
    if (this.checks.onAck(record.seq, origin)) return;
    if (!this.#paths.onAck(record.seq, origin)) this.#core.count("acks-late");
  }

  onNack(record: Nack, origin: Origin): void {
    const probe = this.#probe;
    if (probe === undefined || record.seq !== probe.seq || !probe.helpers.delete(origin.sender)) {
      this.#core.count("nacks-late");
      return;
    }
    probe.nacks++;
    this.#core.count(`nacks-${record.reason}`);
    if (record.reason === "refused") probe.refusedByHelper = true;
    this.#weighRefusals(probe);
    // It may still relay an answer that comes late.
    probe.helpers.add(origin.sender);
  }

  /** Somebody asks us to ping for it. */
  onPingReq(record: PingReq, origin: Origin): void {
    const core = this.#core;
    if (record.target === core.id) {
      origin.reply([this.#ack(record.seq)]);
      return;
    }
    if (this.#relays.size >= RELAYS_MAX) {
      core.count("relays-refused-full");
      origin.reply([{ kind: "nack", seq: record.seq, reason: "unknown" }]);
      return;
    }
    const relay: Relay = {
      seq: this.#nextSeq(),
      askerSeq: record.seq,
      asker: origin,
      target: record.target,
      nacked: false,
      link: undefined,
    };
    this.#relays.set(relay.seq, relay);
    const entry = core.table.get(record.target);
    core.sendUdp(record.address, this.#ping(relay.seq, record.target, entry));
    this.#relayByTcp(relay, record.address, entry);
    const left = core.options.probeIntervalMs - core.options.probeTimeoutMs;
    core.timers.add(core.now + left * NACK_SHARE, () => this.#nack(relay, "timeout"));
    if (core.planted("leaks-relays")) return;
    core.timers.add(core.now + core.options.probeIntervalMs, () => {
      if (this.#relays.get(relay.seq) !== relay) return;
      this.#relays.delete(relay.seq);
      if (relay.link !== undefined) this.#links.finish(relay.link);
    });
  }

  /** A datagram could not be handed over: a failed direct ping, never a reason to stop (§6). */
  onSendFailed(to: Address, why: SendFailure): void {
    const core = this.#core;
    core.count(`send-failed-${why}`);
    const key = formatHostPort(to);
    if (!this.#localErrors.has(key)) {
      this.#localErrors.add(key);
      if (this.#localErrors.size === 2) core.awareness.add(1);
    }
    const probe = this.#probe;
    const gossip = probe?.target.profile?.gossip;
    if (probe === undefined || gossip?.host !== to.host || gossip.port !== to.port) return;
    if (core.planted("stops-probing-on-local-error")) this.#settle(probe);
    else this.#escalate(probe);
  }

  #arm(delay: number): void {
    const core = this.#core;
    core.timers.add(core.now + delay, () => {
      this.#conclude();
      this.#localErrors.clear();
      this.#arm(core.options.probeIntervalMs * (core.awareness.score + 1));
      this.#begin();
    });
  }

  #begin(): void {
    const target = this.#nextTarget();
    if (target?.profile === undefined) return;
    const core = this.#core;
    const probe: Probe = {
      seq: this.#nextSeq(),
      target,
      helpers: new Set(),
      helpersPossible: 0,
      nacks: 0,
      refusedByHelper: false,
      refusedByTcp: false,
      escalated: false,
      answered: "no",
      settled: false,
      timer: undefined,
      link: undefined,
    };
    this.#probe = probe;
    core.count("probes");
    core.send(target, this.#ping(probe.seq, target.id, target));
    this.#paths.extraPings(target, (padding) => this.#extraPing(target, padding));
    probe.timer = core.timers.add(core.now + core.options.probeTimeoutMs, () =>
      this.#escalate(probe),
    );
  }

  /** One more UDP ping beside the probe; returns its number. */
  #extraPing(target: Entry, padding: number): number {
    const core = this.#core;
    const seq = this.#nextSeq();
    if (target.profile === undefined) return seq;
    const records = this.#ping(seq, target.id, undefined);
    if (padding > 0) {
      const used = core.codec.overhead + 3 + 28 + 3;
      records.push({ kind: "pad", size: Math.max(0, padding - used) });
    }
    core.sendUdp(target.profile.gossip, records, core.packetMax(target), false);
    return seq;
  }

  /** No answer in time: helpers and TCP, at once. */
  #escalate(probe: Probe): void {
    if (probe.escalated || probe.settled || this.#probe !== probe) return;
    probe.escalated = true;
    const core = this.#core;
    core.timers.cancel(probe.timer);
    core.count("probes-escalated");
    const { target } = probe;
    const others = (entry: Entry): boolean => entry !== target && entry.rank === ALIVE;
    probe.helpersPossible = core.table.live.reduce((sum, e) => sum + (others(e) ? 1 : 0), 0);
    const address = target.profile?.gossip;
    if (address === undefined) return;
    for (const helper of core.table.pick(core.random, core.options.indirectChecks, others)) {
      probe.helpers.add(helper.id);
      const records: GossipRecord[] = [];
      const fact = this.#facts.buddyFact(target);
      if (fact !== undefined) records.push(fact);
      records.push({ kind: "ping-req", seq: probe.seq, target: target.id, address });
      core.send(helper, records);
    }
    probe.link = this.#links.dial({
      purpose: "ping",
      peer: target.id,
      to: formatHostPort(address),
      onReady: (link) => this.#links.send(link, this.#ping(probe.seq, target.id, target), true),
      onEnd: (why) => {
        probe.link = undefined;
        if (why !== "refused") return;
        probe.refusedByTcp = true;
        this.#weighRefusals(probe);
      },
    });
  }

  #answered(probe: Probe, how: "udp" | "tcp"): void {
    if (probe.settled) return;
    if (how === "udp") {
      probe.answered = "udp";
      this.#settle(probe);
      this.#succeeded(probe);
    } else if (probe.answered === "no") {
      // A datagram's answer may still come and shows that UDP works: wait for the interval's end.
      probe.answered = "tcp";
      if (probe.target.path?.tcpOnly === true) {
        this.#settle(probe);
        this.#succeeded(probe);
      }
    }
  }

  /** Refused here and by a helper, or no two helpers exist: the process is gone. */
  #weighRefusals(probe: Probe): void {
    if (probe.settled || probe.answered !== "no" || !probe.refusedByTcp) return;
    if (!probe.refusedByHelper && probe.helpersPossible >= 2) return;
    this.#settle(probe);
    this.#core.count("probes-refused");
    if (isProbed(probe.target)) this.#facts.accuse(probe.target, "refused");
  }

  /** The interval is over. */
  #conclude(): void {
    const probe = this.#probe;
    this.#probe = undefined;
    if (probe === undefined || probe.settled) return;
    this.#settle(probe);
    if (probe.answered !== "no") this.#succeeded(probe);
    else this.#failed(probe);
  }

  #settle(probe: Probe): void {
    probe.settled = true;
    this.#core.timers.cancel(probe.timer);
    if (probe.link !== undefined) this.#links.finish(probe.link);
    probe.link = undefined;
  }

  #succeeded(probe: Probe): void {
    this.#core.awareness.add(-1);
    this.#paths.probed(probe.target, probe.answered === "tcp" ? "tcp" : "udp");
  }

  #failed(probe: Probe): void {
    const core = this.#core;
    core.count("probes-failed");
    const asked = probe.helpers.size;
    if (asked === 0) core.awareness.add(probe.refusedByTcp ? 0 : 1);
    else core.awareness.add(Math.max(0, asked - probe.nacks));
    if (isProbed(probe.target)) this.#facts.accuse(probe.target, "silent");
  }

  #nextTarget(): Entry | undefined {
    const core = this.#core;
    for (let round = 0; round < 2; round++) {
      while (this.#at < this.#list.length) {
        const entry = this.#list[this.#at] as Entry;
        if (!core.mischief("same-target")) this.#at++;
        if (isProbed(entry) && core.table.get(entry.id) === entry) return entry;
      }
      this.#refill();
    }
    return undefined;
  }

  #refill(): void {
    this.#list = [...this.#core.table.live];
    shuffle(this.#core.random, this.#list);
    this.#at = 0;
  }

  #relayByTcp(relay: Relay, address: Address, entry: Entry | undefined): void {
    relay.link = this.#links.dial({
      purpose: "ping",
      peer: relay.target,
      to: formatHostPort(address),
      onReady: (link) => this.#links.send(link, this.#ping(relay.seq, relay.target, entry), false),
      onEnd: (why) => {
        relay.link = undefined;
        if (why === "refused") this.#nack(relay, "refused");
      },
    });
  }

  #nack(relay: Relay, reason: NackReason): void {
    if (relay.nacked || this.#relays.get(relay.seq) !== relay) return;
    relay.nacked = true;
    this.#core.count("nacks-sent");
    relay.asker.reply([{ kind: "nack", seq: relay.askerSeq, reason }]);
  }

  #ping(seq: number, target: MemberId, entry: Entry | undefined): GossipRecord[] {
    const { hashHigh, hashLow } = this.#core.table;
    const records: GossipRecord[] = [];
    const fact = entry?.rank === SUSPECT ? this.#facts.buddyFact(entry) : undefined;
    if (fact !== undefined) records.push(fact);
    records.push({ kind: "ping", seq, target, hashHigh, hashLow });
    return records;
  }

  #ack(seq: number): Ack {
    const { hashHigh, hashLow } = this.#core.table;
    return { kind: "ack", seq, hashHigh, hashLow };
  }

  #nextSeq(): number {
    this.#seq = (this.#seq + 1) >>> 0;
    return this.#seq;
  }
}

function isProbed(entry: Entry): boolean {
  return entry.rank === ALIVE || entry.rank === SUSPECT;
}
