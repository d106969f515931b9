/**
 * Which faults may explain that an event was sent once more (A11).
 *
 * A duplicate is allowed where nobody can know better: a sender that died or stopped before it could say what it did, two
 * sides of a cut that outlasts the wait, an endpoint whose answer was lost. Everything else is a fault of ours.
 */

import { HOLDS_PER_DELAY } from "#cluster/ownership/limits.ts";
import type { AlertFrame, Published } from "./alert-checker.ts";
import type { Send } from "./endpoints.ts";
import type { Fault, FaultKind } from "./plan.ts";
import type { SimMember } from "./sim-member.ts";

interface Happened extends Fault {
  readonly from: number;
  to: number;
}

/** A call that was refused for now. */
interface Refusal {
  readonly from: number;
  readonly to: number;
  readonly at: number;
}

/** The process ends and what it knew of its last moments goes with it. */
const DEATHS: ReadonlySet<FaultKind> = new Set([
  ...(["crash", "host-down", "move", "foreign", "leave", "empty-disk", "old-disk"] as const),
]);
/** A member cannot hear or be heard, or not in time. */
const SILENCES: ReadonlySet<FaultKind> = new Set([
  ...(["pause", "slow", "partition", "isolate", "one-way", "bridge", "tcp-blocked"] as const),
  ...(["send-error", "weather", "disk-slow", "disk-fails"] as const),
]);
const ENDPOINTS: ReadonlySet<FaultKind> = new Set([
  ...(["endpoint-slow", "endpoint-hangs", "endpoint-mute"] as const),
]);
/** Identities and tables change. */
const UPHEAVALS: ReadonlySet<FaultKind> = new Set([
  ...(["remove", "remove-self", "clone", "rotate", "empty-disk", "old-disk", "foreign"] as const),
]);
/** From a send's end until its notice is everywhere, or on disk, ms. */
const NOTICE_MS = 500;
/** From a process's start until its connections are up and it was told what it missed, ms. */
const RETURN_MS = 2_000;
/** Detection and one round of waits, ms; added to the length of a silence. */
const DETECTION_MS = 8_000;

export class Explanations {
  readonly #frame: AlertFrame;
  readonly #happened: Happened[] = [];
  readonly #refusals: Refusal[] = [];
  #settledAt = Number.POSITIVE_INFINITY;
  #core: ReadonlySet<number> = new Set();

  constructor(frame: AlertFrame) {
    this.#frame = frame;
  }

  add(fault: Fault, now: number): void {
    this.#happened.push({ ...fault, from: now, to: now + fault.lengthMs });
  }

  refused(from: number, to: number, at: number): void {
    this.#refusals.push({ from, to, at });
  }

  /** From now on the core is well; the faults of others last until all is healed. */
  settled(now: number, core: readonly SimMember[]): void {
    this.#settledAt = now;
    this.#core = new Set(core.map((member) => member.index));
  }

  healed(now: number): void {
    for (const fault of this.#happened) {
      const outlasts = fault.to > this.#settledAt && !this.#core.has(fault.target);
      const isCut =
        fault.kind === "partition" || fault.kind === "isolate" || fault.kind === "bridge";
      if (outlasts || (isCut && fault.to > this.#settledAt)) fault.to = now;
    }
  }

  /** May `send` have happened although the event was sent by `earlier` before? */
  explains(earlier: readonly Send[], send: Send, published: Published): boolean {
    if (this.#wasDrownedOut(earlier, send)) return true;
    return this.#happened.some((fault) => this.#explainsBy(fault, earlier, send, published));
  }

  /**
   * HOLD is said three times per delay. Where the waiting owner refused so many of the sender's calls for now that all of
   * them may have been among them, it heard nothing of the send.
   */
  #wasDrownedOut(earlier: readonly Send[], send: Send): boolean {
    const since = send.startedAt - this.#frame.alerts.delayMs;
    const isOne = ({ from, to, at }: Refusal, sender: number): boolean =>
      from === sender && to === send.member && at >= since && at <= send.startedAt;
    return earlier.some(({ member, answeredAt = Number.POSITIVE_INFINITY }) => {
      if (answeredAt < since) return false;
      return this.#refusals.filter((one) => isOne(one, member)).length >= HOLDS_PER_DELAY;
    });
  }

  #explainsBy(fault: Happened, earlier: readonly Send[], send: Send, event: Published): boolean {
    const { delayMs } = this.#frame.alerts;
    if (DEATHS.has(fault.kind) && earlier.some((one) => diedWith(one, fault))) return true;
    if (this.#tookItAlong(fault, earlier, send, event)) return true;
    if (this.#wasAway(fault, earlier, send, event)) return true;
    if (ENDPOINTS.has(fault.kind)) {
      return this.#isLong(fault) && earlier.some((one) => overlaps(one, fault));
    }
    const first = earlier[0] ?? send;
    const aftermath = DETECTION_MS + this.#frame.members.length * delayMs;
    const isNear = fault.from <= send.startedAt && fault.to + aftermath >= first.startedAt;
    if (!isNear) return false;
    if (UPHEAVALS.has(fault.kind)) return true;
    if (!SILENCES.has(fault.kind)) return false;
    return this.#lasted(fault, send.startedAt) && this.#touches(fault, [...earlier, send], event);
  }

  /**
   * With one owner per topic, nobody answers producers between its death and the moment it counts as gone: those that
   * raise the event then act for themselves (U11), each once, and cannot know of what it or each other sent. Not fewer,
   * because U11 promises that no event waits longer than the owners' time, and the only one that could tell the producers
   * apart is dead. Where the process is gone that time is as short as two refused dials (§14.4); a host that is silent
   * counts as gone when it has been dead for the delay.
   */
  #tookItAlong(fault: Happened, earlier: readonly Send[], send: Send, event: Published): boolean {
    const { redundancy, delayMs } = this.#frame.alerts;
    if (redundancy !== 1 || !DEATHS.has(fault.kind) || fault.kind === "leave") return false;
    const { target } = fault;
    const isOwner =
      this.#frame.ownersOf(event.topic).includes(target) ||
      earlier.some(({ member }) => member === target);
    const mayAct = (member: number): boolean => event.producers.has(member) || member === target;
    const isItself = earlier.some((one) => one.member === send.member && one.boot === send.boot);
    if (!isOwner || isItself || ![...earlier, send].every(({ member }) => mayAct(member)))
      return false;
    const died = diedAt(fault);
    const isSilent = fault.kind === "host-down" || fault.kind === "empty-disk";
    const until = died + DETECTION_MS + (isSilent ? delayMs : 0);
    // What was raised just before may not have been answered any more.
    const isNear = died - NOTICE_MS <= event.lastAt && event.lastAt <= until;
    return isNear && died <= send.startedAt;
  }

  /**
   * A member that dies and comes back was silent as well, until it is connected again. If that took the delay, who waited
   * for it goes (§14.4) at the moment when it is back, hears of the event and begins too: the one of the two sends is its own.
   */
  #wasAway(fault: Happened, earlier: readonly Send[], send: Send, event: Published): boolean {
    if (!DEATHS.has(fault.kind) || fault.kind === "leave") return false;
    const [from, to] = [diedAt(fault), fault.to + RETURN_MS];
    const first = earlier[0] ?? send;
    if (send.startedAt < from || first.startedAt > to || event.firstAt > to) return false;
    const isItsOwn = [...earlier, send].some(
      ({ member, startedAt }) => member === fault.target && startedAt >= fault.to,
    );
    return isItsOwn && this.#lasted({ ...fault, from, to }, send.startedAt);
  }

  /** A slow endpoint explains only what the waiting owners need not sit out. */
  #isLong(fault: Happened): boolean {
    if (fault.kind !== "endpoint-slow") return true;
    return 10 ** (2 + (fault.salt % 300) / 100) >= 2 * this.#frame.alerts.delayMs;
  }

  /**
   * A silence shorter than the wait explains nothing (gossip.md §14.8), unless others come together with it. §14.4 lets the
   * wait start again at each HOLD; counted like that, a cut of two thirds of the delay that begins just before a HOLD would
   * look like a whole one, and §14.8 would not hold. The owners therefore count a holder's silence from the HOLD that it
   * should have sent next, a third of the delay later, and this rule need not know of HOLDs.
   */
  #lasted(fault: Happened, until: number): boolean {
    const { delayMs } = this.#frame.alerts;
    let [from, to] = [fault.from, Math.min(fault.to, until)];
    for (let grew = true; grew; ) {
      grew = false;
      for (const other of this.#happened) {
        if (!SILENCES.has(other.kind) && !DEATHS.has(other.kind)) continue;
        if (other.from > to + DETECTION_MS || other.to < from - DETECTION_MS) continue;
        if (other.from >= from && other.to <= to) continue;
        from = Math.min(from, other.from);
        to = Math.max(to, other.to);
        grew = true;
      }
    }
    return to - from >= 0.9 * delayMs;
  }

  #touches(fault: Happened, sends: readonly Send[], event: Published): boolean {
    const isWide =
      fault.kind === "partition" || fault.kind === "bridge" || fault.kind === "isolate";
    if (isWide || fault.kind === "weather") return true;
    const near = (member: number): boolean =>
      sends.some((send) => send.member === member) ||
      event.producers.has(member) ||
      this.#frame.ownersOf(event.topic).includes(member);
    return near(fault.target) || (fault.kind === "one-way" && near(fault.other));
  }
}

/** A member cannot hear or be heard, or not in time, or comes back only after the fault. */
export function isSilence({ kind }: Fault): boolean {
  return SILENCES.has(kind) || DEATHS.has(kind);
}

/** The sender of this died before it could tell. */
function diedWith(send: Send, fault: Happened): boolean {
  if (send.member !== fault.target) return false;
  const end = (send.answeredAt ?? Number.POSITIVE_INFINITY) + NOTICE_MS;
  const died = diedAt(fault);
  return send.startedAt <= died + 1 && died <= end;
}

/** A member that gets an old disk goes on until it is there. */
function diedAt({ kind, from, to }: Happened): number {
  return kind === "old-disk" ? to : from;
}

function overlaps(send: Send, fault: Happened): boolean {
  return send.startedAt <= fault.to && (send.answeredAt ?? Number.POSITIVE_INFINITY) >= fault.from;
}
