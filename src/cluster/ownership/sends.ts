/**
 * The sends this member has begun: started with a ticket, announced to the waiting owners, taken back or cut off.
 *
 * A send is *queued* until its endpoint has heard of it; until then it can be taken back as if it had not begun. HOLD is
 * repeated while a send lasts, and said at once when the others may not expect this member to send. Source: reference
 * gossip.md §14.3, §14.4.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { MemberId } from "../ports.ts";
import type { Completions } from "./completions.ts";
import type { Held, Work } from "./held.ts";
import { HOLDS_PER_DELAY } from "./limits.ts";
import type { LaneId, Notice } from "./notices.ts";
import type { PlantedAlertBug } from "./planted.ts";
import type { Rankings } from "./ranking.ts";
import type { Reason, ReasonCounts } from "./reasons.ts";
import type { TimerHeap } from "./timer-heap.ts";

export interface SendsHost {
  readonly self: MemberId;
  readonly delayMs: number;
  readonly rankings: Rankings;
  readonly completions: Completions;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
  planted(bug: PlantedAlertBug): boolean;
  /** `brief`: another owner can do it. */
  start(ticket: number, event: AlertEvent, handler: string, brief: boolean): void;
  cancel(ticket: number): void;
  /** Has the endpoint not heard of a started send yet? */
  isQueued(ticket: number): boolean;
  /** Forgets a send that is queued; false when it has begun. */
  withdraw(ticket: number): boolean;
  /** Notices to everyone who may hold a copy as owner. */
  tellOwners(held: Held, notice: Notice): void;
}

export class Sends {
  readonly #host: SendsHost;
  readonly #sending = new Map<number, Work>();
  #tickets = 0;
  /** See `hurry`; core time. */
  #hurriedUntil = Number.NEGATIVE_INFINITY;
  /** Takeovers by rank among the home owners: 1, 2, further ones and stand-ins. */
  readonly #takeovers: [number, number, number] = [0, 0, 0];
  #primary = 0;
  #secondary = 0;
  readonly #holdAgain = (work: Work): void => {
    this.sayHold(work);
    this.#armHold(work);
  };

  constructor(host: SendsHost) {
    this.#host = host;
  }

  /** Sends started as first home owner, and as a later one. */
  get handled(): { readonly primary: number; readonly secondary: number } {
    return { primary: this.#primary, secondary: this.#secondary };
  }

  get takeovers(): Readonly<Record<string, number>> {
    const [first, second, further] = this.#takeovers;
    return { takeovers_rank_1: first, takeovers_rank_2: second, takeovers_rank_3_up: further };
  }

  get size(): number {
    return this.#sending.size;
  }

  all(): readonly Work[] {
    return [...this.#sending.values()];
  }

  get(ticket: number): Work | undefined {
    return this.#sending.get(ticket);
  }

  /** Is something of the topic being sent for more than this member? */
  isSending(topic: string): boolean {
    for (const { lane, held } of this.#sending.values()) {
      if (lane.topic === topic && !held.solo) return true;
    }
    return false;
  }

  /** Lanes this member is sending for right now. */
  holds(): readonly LaneId[] {
    const out: LaneId[] = [];
    for (const { lane, held } of this.#sending.values()) {
      if (held.local) continue;
      out.push({ topic: lane.topic, id: lane.id, handler: lane.handler });
    }
    return out;
  }

  /** Starts a send. `brief`: another owner can do it. */
  begin(work: Work, why: Reason, brief: boolean): void {
    const host = this.#host;
    const ticket = ++this.#tickets;
    work.state = "sending";
    work.ticket = ticket;
    this.#sending.set(ticket, work);
    host.counts.add(why);
    this.#countRank(work);
    host.start(ticket, work.held.event, work.handler, brief);
    if (work.held.solo) return;
    const isExpected = why === "sent_by_rank_0" && !this.#isLate(work) && !this.#wasAnothers(work);
    if (!isExpected) this.sayHold(work);
    this.#armHold(work);
  }

  /** A send is over, however it ended. */
  end(work: Work): void {
    this.#sending.delete(work.ticket);
    if (work.holdTimer !== undefined) work.holdTimer.live = false;
    work.holdTimer = undefined;
    work.ticket = 0;
  }

  /** Takes a send back that is queued; false when its endpoint has heard of it. */
  takeBack(work: Work): boolean {
    if (!this.#host.withdraw(work.ticket)) return false;
    this.end(work);
    work.state = "waiting";
    this.#host.counts.add("send_withdrawn");
    return true;
  }

  /** Ends a send whose outcome does not matter any more, or cannot be waited for. */
  cutOff(work: Work, reason: "send_cancelled_leaving" | "send_cancelled_done_elsewhere"): void {
    // What its endpoint has not heard of is not begun first.
    if (!this.#host.withdraw(work.ticket)) this.#host.cancel(work.ticket);
    this.end(work);
    work.state = "waiting";
    this.#host.counts.add(reason);
  }

  /** Tells the other owners that this member works on a lane. */
  sayHold(work: Work): void {
    const { counts } = this.#host;
    const { topic, id, handler } = work.lane;
    if (this.#host.planted("no-hold")) return;
    counts.add("heartbeats_sent");
    const isQueued = work.state === "waiting" || this.#host.isQueued(work.ticket);
    const queued = isQueued ? ({ queued: true } as const) : {};
    this.#host.tellOwners(work.held, { kind: "hold", topic, id, handler, ...queued });
  }

  /** Others have waited longer than this member for what comes now: it says at once when it begins with that. */
  hurry(): void {
    this.#hurriedUntil = this.#host.now() + this.#host.delayMs / HOLDS_PER_DELAY;
  }

  #countRank({ held, lane }: Work): void {
    const { rankings, self } = this.#host;
    const rank = held.solo ? 0 : rankings.of(lane.topic).home.indexOf(self);
    if (rank === 0) {
      this.#primary++;
      return;
    }
    this.#secondary++;
    this.#takeovers[rank === 1 ? 0 : rank === 2 ? 1 : 2]++;
  }

  /** The others have waited for a sign of life for some time. */
  #isLate({ held }: Work): boolean {
    const { delayMs } = this.#host;
    const waited = this.#host.now() - held.receivedAt;
    return held.receivedAt < this.#hurriedUntil || waited >= delayMs / HOLDS_PER_DELAY;
  }

  /** Who told the last event of this ID may go on with the next one, unless it hears that it is taken. */
  #wasAnothers({ lane }: Work): boolean {
    const last = this.#host.completions.last(lane.topic, lane.id, lane.handler);
    return last !== undefined && last.by !== this.#host.self;
  }

  #armHold(work: Work): void {
    const { timers, delayMs } = this.#host;
    const at = this.#host.now() + delayMs / HOLDS_PER_DELAY;
    work.holdTimer = timers.setFor(work, at, this.#holdAgain);
  }
}
