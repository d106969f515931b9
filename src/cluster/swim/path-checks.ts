/**
 * Answers "do datagrams and connections pass between us and this member?" when an operator asks (doctor).
 *
 * Real pings from the real socket, so that what a packet filter does to gossip is what is seen. Nothing is concluded
 * about the member: a check neither accuses nor clears anybody.
 */

import { formatHostPort } from "../messages/ip.ts";
import type { GossipRecord } from "../messages/registry.ts";
import type { MemberId, MonoMs } from "../ports.ts";
import type { Core } from "./core.ts";
import type { PathOutcome } from "./io.ts";
import type { Link, Links } from "./links.ts";
import type { Origin } from "./origin.ts";
import type { Entry } from "./table.ts";

/** Datagrams sent per check, and milliseconds between them: one lost packet is no fault of the path. */
export const CHECK_PINGS = 4;
const PING_EVERY_MS = 150;
/** A check ends after this, milliseconds. */
const CHECK_MS = 1_200;
/** Checks under way at once; more are answered as failed. */
const CHECKS_MAX = 1_024;

interface Check {
  readonly number: number;
  readonly target: Entry;
  readonly startedAt: MonoMs;
  readonly seqs: Set<number>;
  tcpSeq: number;
  answered: number;
  udpMs: number;
  tcp: PathOutcome["tcp"] | undefined;
  link: Link | undefined;
}

export interface Pings {
  nextSeq(): number;
  ping(seq: number, target: MemberId): GossipRecord[];
}

export class PathChecks {
  readonly #core: Core;
  readonly #links: Links;
  readonly #pings: Pings;
  readonly #checks = new Set<Check>();

  constructor(core: Core, links: Links, pings: Pings) {
    this.#core = core;
    this.#links = links;
    this.#pings = pings;
  }

  /** Timers and connections were cleared. */
  reset(): void {
    this.#checks.clear();
  }

  /** A ping came; `link` pings say nothing about datagrams. */
  onPing(origin: Origin): void {
    if (origin.link !== undefined || origin.entry === undefined) return;
    origin.entry.pingedAt = this.#core.now;
  }

  /** The outcome comes as action `checked` with the same number. */
  begin(id: MemberId, number: number): void {
    const core = this.#core;
    const target = core.table.get(id);
    if (target?.profile === undefined || id === core.id || this.#checks.size >= CHECKS_MAX) {
      core.out.push({ kind: "checked", check: number, outcome: UNTRIED });
      return;
    }
    const check: Check = {
      number,
      target,
      startedAt: core.now,
      seqs: new Set(),
      tcpSeq: 0,
      answered: 0,
      udpMs: 0,
      tcp: undefined,
      link: undefined,
    };
    this.#checks.add(check);
    core.count("path-checks");
    for (let i = 0; i < CHECK_PINGS; i++) {
      if (i === 0) this.#sendPing(check);
      else core.timers.add(core.now + i * PING_EVERY_MS, () => this.#sendPing(check));
    }
    check.link = this.#links.dial({
      purpose: "ping",
      peer: id,
      to: target.profile.gossipText,
      onReady: (link) => {
        check.tcpSeq = this.#pings.nextSeq();
        this.#links.send(link, this.#pings.ping(check.tcpSeq, id), false);
      },
      onEnd: (why) => {
        check.link = undefined;
        check.tcp ??= why === "done" ? "timeout" : why;
        this.#look(check);
      },
    });
    core.timers.add(core.now + CHECK_MS, () => this.#end(check));
  }

  /** Whether the ack belonged to a check. */
  onAck(seq: number, origin: Origin): boolean {
    for (const check of this.#checks) {
      if (check.target.id !== origin.sender) continue;
      if (origin.link !== undefined && seq === check.tcpSeq) {
        check.tcp = "ok";
        if (check.link !== undefined) this.#links.finish(check.link);
        this.#look(check);
        return true;
      }
      if (origin.link === undefined && check.seqs.delete(seq)) {
        if (check.answered++ === 0) check.udpMs = this.#core.now - check.startedAt;
        this.#look(check);
        return true;
      }
    }
    return false;
  }

  #sendPing(check: Check): void {
    const gossip = check.target.profile?.gossip;
    if (gossip === undefined || !this.#checks.has(check)) return;
    const seq = this.#pings.nextSeq();
    check.seqs.add(seq);
    this.#core.sendUdp(gossip, this.#pings.ping(seq, check.target.id), undefined, false);
  }

  #look(check: Check): void {
    if (check.answered === CHECK_PINGS && check.tcp !== undefined) this.#end(check);
  }

  #end(check: Check): void {
    if (!this.#checks.delete(check)) return;
    if (check.link !== undefined) this.#links.finish(check.link);
    const { number, answered, udpMs, tcp = "timeout", target } = check;
    const gossip = target.profile?.gossip;
    const udpAddress = gossip === undefined ? "" : formatHostPort(gossip);
    this.#core.out.push({
      kind: "checked",
      check: number,
      outcome: { answered, udpMs, udpAddress, tcp },
    });
  }
}

const UNTRIED: PathOutcome = { answered: 0, udpMs: 0, udpAddress: "", tcp: "unknown-member" };
