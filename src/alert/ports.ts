/**
 * What the alert core needs from outside, and what it offers inwards.
 *
 * An event's way: an alert node publishes → `Ownership` decides which members own the topic and sends them the
 * event → on each owner `EventReceiver.accept` stores the topic state and names the handlers that want the
 * event → `Ownership` decides which owner sends each (event, handler), when, and that it happens once → that
 * owner's `EventReceiver.send` starts the handler → the outcome goes back and is recorded on all owners.
 * A stand-alone daemon is a cluster of one: the same path, every topic owned by itself.
 */

import type { HandlerReport } from "./attached-handler.ts";
import type { AlertEvent, EventState } from "./event.ts";
import type { HandlerSpec } from "./handler.ts";
import type { Level } from "./level.ts";
import type { Outcome } from "./outcome.ts";
import type { Silence, SilenceChange, SilenceDraft } from "./silence.ts";
import type { TraceEvaluation } from "./trace.ts";

/** Decides who notifies. Implemented by cluster/ownership (which runs with one member too). */
export interface Ownership {
  /**
   * Takes an event raised on this member and returns at once. `local` topics (a task's anonymous topic, replays)
   * never leave this member.
   */
  publish(event: AlertEvent, scope: "cluster" | "local"): void;
  /**
   * A task's own topic has these handlers from now on; equal texts describe equal sets. Its events are then told once
   * by the members that run the same. Where absent, each member tells its own.
   */
  openInline?(topic: string, handlers: string): void;
  closeInline?(topic: string): void;
  /**
   * The send started as `ticket` has ended for good (retries included), or, with `turn over`, for now: its first attempts
   * failed, which may be this member's trouble alone.
   */
  sendFinished(ticket: number, outcome: Outcome, how?: "turn over"): void;
  /**
   * Resolves when every event published so far is safe: written to disk here, or held by another live owner.
   * `/write` waits for it, so an acknowledged point's alert survives kill -9.
   */
  settled(): Promise<void>;
  /** Forgets everything about a topic that was deleted, but for events stamped after `before`. */
  forgetTopic(topic: string, before?: number): void;
}

/** Offered by the alert core to `Ownership`. Synchronous; never throws. */
export interface EventReceiver {
  /**
   * First copy of an event on this owner. Updates the topic's state, counts it, and returns the IDs of the
   * handlers that want it (after match, inhibition and silences), in a stable order.
   */
  accept(event: AlertEvent): readonly string[];
  /**
   * The same for an event of an inline topic that several members share: the topic's state is each member's own, only
   * `record` changes it. Default: `accept`.
   */
  acceptCopy?(event: AlertEvent): readonly string[];
  /** An event of a shared inline topic was raised on this member: updates and counts the topic's state. */
  record?(event: AlertEvent): void;
  /**
   * This member is to tell the handler now. Ends in exactly one `Ownership.sendFinished(ticket, …)`. `brief`: another
   * member can do it, so a few attempts are enough.
   */
  send(ticket: number, event: AlertEvent, handlerId: string, brief?: boolean): void;
  /** The send is no longer wanted (another owner did it); stop retrying. `sendFinished` is then not awaited. */
  cancel(ticket: number): void;
  /** Does the send wait for a free place, so that the endpoint has not heard of it yet? Default: no. */
  isQueued?(ticket: number): boolean;
  /**
   * Another owner is sending it: forgets a send that `isQueued`, as `cancel` does. False when it has begun, and goes on.
   */
  withdraw?(ticket: number): boolean;
}

/** Where topic states live across restarts. Writes are durable when the promise resolves; reads are immediate. */
export interface TopicStore {
  load(): Iterable<{ readonly topic: string; readonly state: EventState }>;
  put(topic: string, state: EventState): Promise<void>;
  /** All its states, or all but those to be kept. */
  deleteTopic(topic: string, isKept?: (state: EventState) => boolean): Promise<void>;
}

/** What the clocks of a cluster say of a topic's deletion. */
export interface TopicDeletion {
  /** Stamp: what was raised up to it is older than the deletion. */
  readonly before: number;
  /**
   * The member that deleted it. Of what is known when the deletion arrives, only what that member raised after it is
   * later for sure: a clock that runs ahead stamps so what was there before.
   */
  readonly by: string;
}

/** A topic as the API shows it. */
export interface TopicInfo {
  readonly id: string;
  /** Highest level among the topic's events. */
  readonly level: Level;
  /** Deduplicated events since start. */
  readonly collected: number;
}

/** Reads and deletes topics; implemented by the alert core, wrapped by the cluster when states live elsewhere. */
export interface Topics {
  /** Sorted by ID. `pattern` is a glob; an invalid one throws `Error("syntax error in pattern")`. */
  list(pattern: string, minLevel: Level): readonly TopicInfo[];
  get(topic: string): TopicInfo | undefined;
  events(topic: string, minLevel: Level): readonly EventState[] | undefined;
  event(topic: string, id: string): EventState | undefined;
  delete(topic: string): Promise<void>;
}

/** Topic states as members compare and join them; offered by the alert core to the cluster. */
export interface TopicStates extends Topics {
  /** Takes a state of another member if it is newer than what is known; tells no handler. True when it was. */
  mergeState(topic: string, state: EventState): boolean;
  /** Another member has counted so many events of a topic: the larger count is kept (U17). */
  mergeCollected?(topic: string, collected: number): void;
}

/** Reads of topics that may have to ask other members; each is bounded in time and falls back to what is known here. */
export interface TopicReads {
  list(pattern: string, minLevel: Level): Promise<readonly TopicInfo[]>;
  get(topic: string): Promise<TopicInfo | undefined>;
  events(topic: string, minLevel: Level): Promise<readonly EventState[] | undefined>;
  event(topic: string, id: string): Promise<EventState | undefined>;
  /** Every member that may own the topic, the first to act first. */
  owners?(topic: string): Promise<readonly OwnerReport[]>;
}

/** What a member has to do for one topic. */
export interface OwnerDuties {
  /** Handlers attached there. */
  readonly handlers: number;
  /** Events it keeps until they are told, as owner or for the owners. */
  readonly pending: number;
  /** Sends under way. */
  readonly sending: number;
}

/** One member as seen by a topic. */
export interface OwnerReport {
  readonly id: string;
  readonly apiAddress: string;
  /** Status word of the API. */
  readonly status: string;
  /** Owner by the table of members, well or not. */
  readonly home: boolean;
  /** Owner that acts now. */
  readonly acting: boolean;
  /** Absent: it did not answer in time. */
  readonly duties?: OwnerDuties;
}

/** Attached topic handlers; offered by the alert core to handler replication. */
export interface HandlerTable {
  /** The inner error text (`unsupported action kind "x"`, `failed to decode options …`), or undefined when good. */
  check(spec: HandlerSpec): string | undefined;
  /** Attaches, or replaces the one with the same topic and ID (the old one drains and closes). */
  set(spec: HandlerSpec): void;
  remove(topic: string, id: string): void;
}

/** Why a handler edit was refused; `error` is the inner text without the route's prefix. */
export type HandlerEdit =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly error: string };

/** Topic handler definitions, replicated to all members; implemented by cluster/replicate for the API. */
export interface HandlerDefinitions {
  /** Sorted by ID. */
  list(topic: string): readonly HandlerSpec[];
  topics(): readonly string[];
  get(topic: string, id: string): HandlerSpec | undefined;
  /** `force` skips the owners' liveness gate. Resolves when all live owners have it on disk. */
  create(spec: HandlerSpec, force: boolean): Promise<HandlerEdit>;
  /** Replaces `id`; `spec.id` may differ (rename). */
  replace(topic: string, id: string, spec: HandlerSpec, force: boolean): Promise<HandlerEdit>;
  delete(topic: string, id: string, force: boolean): Promise<HandlerEdit>;
}

/** What became of events and what handlers are doing, as this member saw it; offered by the alert core to the API. */
export interface DeliveryReports {
  /** The last evaluations of an event ID, oldest first; empty when nothing is remembered. */
  trace(topic: string, id: string): readonly TraceEvaluation[];
  /** All attached handlers, inline ones too, or those of one topic. */
  handlerReports(topic?: string): readonly HandlerReport[];
}

/** Where silences live across restarts. Writes are durable when the promise resolves. */
export interface SilenceStore {
  load(): Iterable<SilenceChange>;
  put(change: SilenceChange): Promise<void>;
  remove(ids: readonly string[]): Promise<void>;
}

/** Why a silence edit was refused: the caller's mistake, a full table, no such silence. */
export type SilenceEdit =
  | { readonly kind: "done"; readonly silence: Silence }
  | {
      readonly kind: "refused";
      readonly reason: "invalid" | "full" | "unknown";
      readonly error: string;
    };

/** Silences for the API; edits resolve when they are on disk and reject with `StorageError`. */
export interface SilenceDefinitions {
  /** In the order in which they were made, expired ones too. */
  list(): readonly Silence[];
  get(id: string): Silence | undefined;
  create(draft: SilenceDraft): Promise<SilenceEdit>;
  /** Ends it now; done already when it has expired. */
  expire(id: string): Promise<SilenceEdit>;
}
