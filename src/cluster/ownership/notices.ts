/**
 * What owners and producers tell each other about events, and the batch that carries it.
 *
 * `done`: a handler was told; nobody else need be. `hold`: I am working on this ID's events for this handler, wait
 * longer. `pass`: I could not (or may not) tell these handlers, the next in rank goes at once; carries the event, so
 * that one who missed it can act, and the round: when all have failed, it begins anew after a rest. `settled`: to a producer that is no owner: all is done, forget your copy.
 * Every notice may be applied twice and in any order. Source: reference gossip.md §14.3.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { MemberId } from "../ports.ts";
import type { Stamp } from "./stamp.ts";

/** One event ID of a topic towards one handler: the unit of order. */
export interface LaneId {
  readonly topic: string;
  readonly id: string;
  readonly handler: string;
}

export interface DoneNotice extends LaneId {
  readonly kind: "done";
  readonly stamp: Stamp;
  readonly by: MemberId;
}

export interface HoldNotice extends LaneId {
  readonly kind: "hold";
  /** The endpoint has not heard of it yet: other sends of the handler, or a pull, come first. */
  readonly queued?: true;
}

export interface PassNotice {
  readonly kind: "pass";
  readonly event: AlertEvent;
  /** Handlers given up; `null` means whichever the receiver finds. */
  readonly handlers: readonly string[] | null;
  /** Members that tried and failed in this round, or cannot at all. */
  readonly failed: readonly MemberId[];
  /** How often all owners had failed before; absent = 0. */
  readonly round?: number;
  /** Those of `failed` that cannot at all: another round does not help; absent = all of them. */
  readonly never?: readonly MemberId[];
}

export interface SettledNotice {
  readonly kind: "settled";
  readonly topic: string;
  readonly id: string;
  readonly stamp: Stamp;
  /** Handlers that were told. */
  readonly done: readonly string[];
  /** Nobody is to be told: another producer is believed. */
  readonly dropped?: true;
}

export type Notice = DoneNotice | HoldNotice | PassNotice | SettledNotice;

/** Notices are applied before events. */
export interface Batch {
  readonly notices: readonly Notice[];
  readonly events: readonly AlertEvent[];
  /**
   * For each event what the sender itself raised of that ID before, `first` when nothing; `undefined` when it only passes
   * the event on. Absent: nothing is known of that.
   */
  readonly before?: readonly Before[];
}

export type Before = Stamp | "first" | undefined;

/** Do both carry the very same things? One by one, not by content: what goes to several members is shared by its makers. */
export function isSameBatch(a: Batch, b: Batch): boolean {
  return (
    areSame(a.notices, b.notices) &&
    areSame(a.events, b.events) &&
    areSame(a.before ?? [], b.before ?? [])
  );
}

function areSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}

/** One entry of the completion table on the wire: the newest event a handler was told of, per ID. */
export interface CompletionEntry extends LaneId {
  readonly stamp: Stamp;
  readonly by: MemberId;
}

/** Asks for completions changed after `since`, newest first. */
export interface PullRequest {
  /** Boot of the answering member that `since` belongs to; another boot means "everything". */
  readonly boot: string;
  readonly since: number;
  /** Continue below this sequence number; 0 = from the newest. */
  readonly before: number;
  /** Digest of the asker's table: equal tables are answered with no entries. */
  readonly digest: string;
}

export interface PullAnswer {
  readonly boot: string;
  /** Sequence number up to which the asker now knows all, once the last page has come. */
  readonly upTo: number;
  readonly entries: readonly CompletionEntry[];
  /** Go on with this as `before`; 0 = that was all. */
  readonly next: number;
  /** What the answering member is sending right now. */
  readonly holds: readonly LaneId[];
}

export function laneKey(lane: LaneId): string {
  return JSON.stringify([lane.topic, lane.id, lane.handler]);
}
