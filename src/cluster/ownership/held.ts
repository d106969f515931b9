/**
 * What a member keeps of an event until it is settled, and the lanes that give its sends their order.
 *
 * A *held* event is known here and not yet settled. As *owner* this member has accepted it and has one *work* per
 * handler; as *watcher* it is the producer and only keeps a copy for the owners. A *lane* is the line of works of one
 * (topic, event ID, handler); only its head may be sent.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { MemberId } from "../ports.ts";
import { Copies } from "./copies.ts";
import type { Said } from "./leads.ts";
import { type LaneId, laneKey } from "./notices.ts";
import { compareStamps, type Stamp, stampOf } from "./stamp.ts";
import type { HeapTimer } from "./timer-heap.ts";

export interface Held {
  readonly key: string;
  readonly event: AlertEvent;
  readonly stamp: Stamp;
  /** Only this member may send it: local topics, and what was published while there was no other member. */
  readonly solo: boolean;
  /** A local topic: no completions, no notices. */
  readonly local: boolean;
  /** Of a task's own topic, shared with the members that run the same. */
  readonly inline: boolean;
  /** Raised here (also): this member answers for its arrival at the owners. */
  producer: boolean;
  role: "owner" | "watcher";
  /** No owner acknowledged in time, so this producer acts (U11). */
  excused: boolean;
  /** When this member took it in, as owner or watcher; core time. */
  receivedAt: number;
  /** No send is started before; core time. */
  notBefore: number;
  /** Members that sent it to us and want to know when it is settled; see `addSource`. */
  sources: readonly MemberId[];
  readonly copies: Copies;
  /** One per handler not finished with; changed by `Lanes` alone. */
  works: readonly Work[];
  /** Handlers that were told; see `addTold`. */
  done: readonly string[];
  /** Taken up from disk: the handlers an earlier start had not finished with; `undefined` = all. */
  only: readonly string[] | undefined;
  /** As a producer: what it said of the ID before; `first` = nothing. */
  before: Stamp | "first" | undefined;
  /** Kept until it is clear which producer is believed. */
  kept: Said | undefined;
  settled: boolean;
  /** Key of its row on disk, there or on its way; empty when it has none. */
  row: string;
  /** Generation of `settled()` it belongs to; 0 once safe, or when nobody waits for it. */
  unsafe: number;
  /** Change counter of owners at the time it was sent. */
  epoch: number;
}

export interface Work {
  readonly held: Held;
  readonly lane: Lane;
  readonly handler: string;
  state: "waiting" | "sending" | "passed";
  /** Members that could not tell this handler in this round, or cannot at all; made anew when it changes. */
  failed: ReadonlySet<MemberId>;
  /** Members that cannot tell this handler at all: refused for good, no such handler, leaving; made anew likewise. */
  never: ReadonlySet<MemberId>;
  /** How often all owners have failed. */
  round: number;
  passedAt: number;
  ticket: number;
  holdTimer: HeapTimer | undefined;
}

export interface Lane extends LaneId {
  readonly key: string;
  readonly works: Work[];
  /** The other owner that said it is working on this lane. */
  holder: MemberId | undefined;
  /** Last sign of work by another owner; core time. */
  renewedAt: number;
  /** When a send of this member last ended; core time. */
  endedAt: number;
  /** First HOLD without progress since. */
  heldSince: number | undefined;
  /** The holder has not begun to send: what waits before it may take long. */
  holderQueued: boolean;
  timer: HeapTimer | undefined;
  /** All owners failed lately: nobody tries before this core time. */
  restUntil: number;
  /** Rests since the last success. */
  rests: number;
}

export interface HeldOptions {
  readonly key: string;
  readonly event: AlertEvent;
  readonly solo: boolean;
  readonly local: boolean;
  readonly inline: boolean;
  readonly producer: boolean;
  readonly receivedAt: number;
}

/** Shared by all events for which it is empty: of a storm's events most stay without all of these. */
const NO_SOURCES: readonly MemberId[] = [];
const NO_WORKS: readonly Work[] = [];
const NONE_TOLD: readonly string[] = [];
export const NOBODY: ReadonlySet<MemberId> = new Set();

/** Every field is named, so that the runtime lays the object out in one piece. */
export function newHeld(options: HeldOptions): Held {
  const { key, event, solo, local, inline, producer, receivedAt } = options;
  return {
    key,
    event,
    stamp: stampOf(event),
    solo,
    local,
    inline,
    producer,
    role: "watcher",
    excused: false,
    receivedAt,
    notBefore: Number.NEGATIVE_INFINITY,
    sources: NO_SOURCES,
    copies: new Copies(),
    works: NO_WORKS,
    done: NONE_TOLD,
    only: undefined,
    before: undefined,
    kept: undefined,
    settled: false,
    row: "",
    unsafe: 0,
    epoch: 0,
  };
}

export function addSource(held: Held, member: MemberId): void {
  if (!held.sources.includes(member)) held.sources = [...held.sources, member];
}

export function removeSource(held: Held, member: MemberId): void {
  if (held.sources.includes(member)) held.sources = held.sources.filter((one) => one !== member);
}

/** These handlers were told of it. */
export function addTold(held: Held, ...handlers: readonly string[]): void {
  if (handlers.length > 0) held.done = [...held.done, ...handlers];
}

/** Lanes by key; empty ones are removed. */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();

  get size(): number {
    return this.#lanes.size;
  }

  all(): IterableIterator<Lane> {
    return this.#lanes.values();
  }

  get(id: LaneId): Lane | undefined {
    return this.#lanes.get(laneKey(id));
  }

  /**
   * Puts a new work into its place: by stamp, or at the end when only this member sends (then the order of
   * publishing counts, as data times may run backwards). The work being sent keeps the head.
   */
  add(held: Held, handler: string): Work {
    const lane = this.open({ topic: held.event.topic, id: held.event.id, handler });
    const work: Work = {
      held,
      lane,
      handler,
      state: "waiting",
      failed: NOBODY,
      never: NOBODY,
      round: 0,
      passedAt: 0,
      ticket: 0,
      holdTimer: undefined,
    };
    let at = lane.works.length;
    while (!held.solo && at > 0 && mustFollow(lane.works[at - 1], held)) at--;
    lane.works.splice(at, 0, work);
    held.works = [...held.works, work];
    return work;
  }

  remove(work: Work): void {
    const { lane, held } = work;
    const at = lane.works.indexOf(work);
    if (at >= 0) lane.works.splice(at, 1);
    const left = held.works.filter((one) => one !== work);
    held.works = left.length === 0 ? NO_WORKS : left;
  }

  /** Lets an empty lane go, with its timer. A lane held by another owner is remembered while that lasts. */
  prune(lane: Lane): void {
    if (lane.works.length > 0) return;
    if (lane.timer !== undefined) lane.timer.live = false;
    lane.timer = undefined;
    if (this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key);
  }

  /** The lane, made if it does not exist. */
  open(id: LaneId): Lane {
    const key = laneKey(id);
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = {
        topic: id.topic,
        id: id.id,
        handler: id.handler,
        key,
        works: [],
        holder: undefined,
        renewedAt: Number.NEGATIVE_INFINITY,
        endedAt: Number.NEGATIVE_INFINITY,
        heldSince: undefined,
        holderQueued: false,
        timer: undefined,
        restUntil: Number.NEGATIVE_INFINITY,
        rests: 0,
      };
      this.#lanes.set(key, lane);
    }
    return lane;
  }
}

function mustFollow(before: Work | undefined, held: Held): boolean {
  if (before === undefined || before.state === "sending" || before.held.solo) return false;
  return compareStamps(before.held.stamp, held.stamp) > 0;
}
