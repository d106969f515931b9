/**
 * What kind of network lies between us and a member (gossip.md §12): one without UDP, or one that
 * loses large packets.
 *
 * Five successive probes answered by TCP only make the pair *tcp-only*; a UDP ping a minute finds out
 * when that ends. A padded ping a minute finds out whether large packets pass; three lost in a row,
 * while small ones pass, halve the packet size towards that member.
 */

import { PACKET_MIN } from "../limits.ts";
import type { MonoMs } from "../ports.ts";
import type { Core } from "./core.ts";
import type { Origin } from "./origin.ts";
import type { Entry } from "./table.ts";

const TCP_ONLY_AFTER = 5;
const UDP_RETRY_MS = 60_000;
const PAD_EVERY_MS = 60_000;
const PADS_LOST_MAX = 3;
const LOG_EVERY_MS = 3_600_000;

interface Padded {
  readonly entry: Entry;
  readonly seq: number;
  answered: boolean;
  judging: boolean;
}

export class PathWatch {
  readonly #core: Core;
  #padAt: MonoMs;
  #padded: Padded | undefined;
  #udpRetry: { readonly entry: Entry; readonly seq: number } | undefined;

  constructor(core: Core) {
    this.#core = core;
    this.#padAt = core.now + PAD_EVERY_MS;
  }

  /** At the start of a probe: sends the pings that explore the way to its target. */
  extraPings(target: Entry, send: (padding: number) => number): void {
    const core = this.#core;
    if (target.path?.tcpOnly === true) {
      if (core.now < target.path.udpRetryAt) return;
      target.path.udpRetryAt = core.now + UDP_RETRY_MS;
      this.#udpRetry = { entry: target, seq: send(0) };
      return;
    }
    const doubted = (target.path?.padsLost ?? 0) > 0;
    if (core.now < this.#padAt && !doubted) return;
    if (!doubted) this.#padAt = core.now + PAD_EVERY_MS;
    this.#padded = {
      entry: target,
      seq: send(core.packetMax(target)),
      answered: false,
      judging: false,
    };
  }

  /** Whether the ack belonged to an exploring ping. */
  onAck(seq: number, origin: Origin): boolean {
    if (this.#padded?.seq === seq && this.#padded.entry.id === origin.sender) {
      this.#padded.answered = true;
      return true;
    }
    if (this.#udpRetry?.seq !== seq || this.#udpRetry.entry.id !== origin.sender) return false;
    this.#dissolve(this.#udpRetry.entry);
    return true;
  }

  /** A probe of this member succeeded. */
  probed(target: Entry, how: "udp" | "tcp"): void {
    const padded = this.#padded?.entry === target ? this.#padded : undefined;
    if (padded !== undefined && how === "udp" && !padded.judging) {
      padded.judging = true;
      // The padded ping is judged one interval later, when its answer had its time.
      const { timers, now, options } = this.#core;
      timers.add(now + options.probeIntervalMs, () => this.#judge(padded));
    }
    if (how === "udp") {
      if (target.path !== undefined && !target.path.tcpOnly) target.path.tcpSuccesses = 0;
      return;
    }
    const path = this.#core.path(target);
    this.#core.count("probes-tcp-only");
    if (path.tcpOnly || ++path.tcpSuccesses < TCP_ONLY_AFTER) return;
    path.tcpOnly = true;
    path.udpRetryAt = this.#core.now + UDP_RETRY_MS;
    this.#core.count("tcp-only-pairs-made");
    if (this.#core.now - path.loggedAt < LOG_EVERY_MS) return;
    path.loggedAt = this.#core.now;
    this.#core.log("warn", "no datagrams pass to this member; using TCP", {
      member: target.id,
      address: target.profile?.gossipText,
    });
  }

  #judge(padded: Padded): void {
    const path = this.#core.path(padded.entry);
    if (padded.answered) {
      path.padsLost = 0;
      return;
    }
    this.#core.count("padded-pings-lost");
    if (++path.padsLost < PADS_LOST_MAX) return;
    path.padsLost = 0;
    const smaller = Math.max(PACKET_MIN, this.#core.packetMax(padded.entry) >> 1);
    if (smaller === path.packetMax) return;
    path.packetMax = smaller;
    this.#core.count("packet-size-halved");
    this.#core.log("warn", "large datagrams do not pass to this member; using smaller ones", {
      member: padded.entry.id,
      bytes: smaller,
    });
  }

  #dissolve(entry: Entry): void {
    const path = this.#core.path(entry);
    if (!path.tcpOnly) return;
    path.tcpOnly = false;
    path.tcpSuccesses = 0;
    this.#core.count("tcp-only-pairs-dissolved");
  }
}
