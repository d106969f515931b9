/**
 * Topic states joined between members: digests first, then only what differs (U17, U19, U33).
 *
 * A member takes over what others know better after each sync of the handlers with them, so deletions of topics are
 * carried out on both sides before states travel and nothing deleted comes back. Owners get events directly; this walk
 * repairs what was missed and brings states to a member that was away. A member that starts waits for it, briefly, so
 * that its tasks know the levels they had. Every member keeps copies; owners are asked where freshness matters
 * (`cluster-topics.ts`).
 */

import type { EventState } from "#alert/event.ts";
import { OK } from "#alert/level.ts";
import type { TopicStates } from "#alert/ports.ts";
import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import { compareBytes } from "#lib/json.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { type DigestAnswer, digestTopics } from "../calls/digest-topics.ts";
import {
  encodeSyncTopicAnswer,
  type SyncTopicAnswer,
  type SyncTopicRequest,
  syncTopic,
} from "../calls/sync-topic.ts";
import type { EventStamps } from "../event-stamps.ts";
import type { ClusterView, MemberId, Rpc } from "../ports.ts";
import { ask, serve } from "../rpc/typed-calls.ts";
import {
  DIGEST_PAGE_MAX,
  READ_TIMEOUT_MS,
  REFRESH_MEMBERS_MAX,
  REFRESH_MIN_MS,
  STATE_PAGE_BYTES,
  STATE_PAGES_MAX,
  STATE_TIMEOUT_MS,
} from "./limits.ts";
import { bucketDigests, bucketOf, topicDigest } from "./topic-digests.ts";

export interface TopicSyncParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly rpc: Rpc;
  readonly membership: { view(): ClusterView };
  readonly states: TopicStates;
  /** Topics of one member alone (a task's anonymous one) are left out. */
  readonly isShared: (topic: string) => boolean;
  /** What of other members' stamps is believed; absent: all. */
  readonly stamps?: Pick<EventStamps, "hear">;
}

export class TopicSync {
  readonly #parts: TopicSyncParts;
  readonly #syncing = new Map<MemberId, Promise<void>>();
  readonly #unreachable = new Set<MemberId>();
  readonly #counters = { topic_syncs: 0, topic_syncs_failed: 0, topic_states_merged: 0 };
  #settled: (() => void)[] = [];
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(parts: TopicSyncParts) {
    this.#parts = parts;
  }

  /** Starts answering. Call it before RPC accepts connections. */
  open(): void {
    const { rpc } = this.#parts;
    serve(rpc, digestTopics, (_from, { after }) => this.#digests(after));
    serve(rpc, syncTopic, (_from, request) => encodeSyncTopicAnswer(this.#page(request)));
    rpc.onLink((member, state) => {
      if (state === "refused") this.#unreachable.add(member);
      else this.#unreachable.delete(member);
      if (this.#isAlone()) this.#wake();
    });
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Resolves when states were taken over from a member, when none can be reached, or after a second. */
  settled(): Promise<void> {
    if (this.#closed || this.#counters.topic_syncs > 0 || this.#isAlone()) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel: Cancel = this.#parts.clock.after(READ_TIMEOUT_MS, resolve);
    this.#settled.push(() => {
      cancel();
      resolve();
    });
    return promise;
  }

  /**
   * Takes over what members that live know better, for a task that is about to start (U33); resolves when that is done
   * or after a second. Tasks that start together share one refresh.
   */
  async refresh(): Promise<void> {
    const { clock, membership, random } = this.#parts;
    const now = clock.monoMs();
    if (this.#closed || this.#isAlone() || now - this.#refreshedAt < REFRESH_MIN_MS) return;
    this.#refreshedAt = now;
    const { members, localId } = membership.view();
    const others = members
      .filter(({ id, status }) => id !== localId && status === "alive")
      .map(({ id }) => ({ id, place: random.float() }))
      .sort((a, b) => a.place - b.place)
      .slice(0, REFRESH_MEMBERS_MAX);
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel: Cancel = clock.after(READ_TIMEOUT_MS, resolve);
    await Promise.race([late, Promise.all(others.map(({ id }) => this.sync(id)))]);
    cancel();
    this.#refreshedAt = clock.monoMs();
  }

  /** Takes what the member knows better. Never rejects; a failure is made good by the next sync. */
  sync(member: MemberId): Promise<void> {
    const running = this.#syncing.get(member);
    if (this.#closed || running !== undefined) return running ?? Promise.resolve();
    const sync = this.#sync(member);
    this.#syncing.set(member, sync);
    return sync;
  }

  async #sync(member: MemberId): Promise<void> {
    try {
      let pages = STATE_PAGES_MAX;
      for (const topic of this.#shuffled(await this.#differing(member))) {
        if (this.#closed || pages <= 0) break;
        pages -= await this.#take(member, topic, pages);
      }
      this.#counters.topic_syncs++;
      this.#wake();
    } catch (error) {
      this.#counters.topic_syncs_failed++;
      this.#parts.log.debug("topic states not synced", { member, err: errorMessage(error) });
    } finally {
      this.#syncing.delete(member);
    }
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters };
  }

  #wake(): void {
    for (const wake of this.#settled.splice(0)) wake();
  }

  #isAlone(): boolean {
    const { members, localId } = this.#parts.membership.view();
    return members.every(({ id }) => id === localId || this.#unreachable.has(id));
  }

  async #differing(member: MemberId): Promise<readonly string[]> {
    const { rpc, isShared } = this.#parts;
    const differing: string[] = [];
    let after = "";
    do {
      const how = { payload: { after }, timeoutMs: STATE_TIMEOUT_MS };
      const { topics, collected, next } = await ask(rpc, digestTopics, member, how);
      for (const [i, [topic, digest]] of topics.entries()) {
        if (isShared(topic)) this.#parts.states.mergeCollected?.(topic, collected?.[i] ?? 0);
        if (isShared(topic) && topicDigest(this.#statesOf(topic)) !== digest) differing.push(topic);
      }
      after = next;
    } while (after !== "" && !this.#closed);
    return differing;
  }

  /** Returns how many pages it took. */
  async #take(member: MemberId, topic: string, pagesMax: number): Promise<number> {
    const { rpc, states } = this.#parts;
    const buckets = bucketDigests(this.#statesOf(topic));
    let after = "";
    let pages = 0;
    do {
      const payload: SyncTopicRequest = { topic, buckets, after };
      const how = { payload, timeoutMs: STATE_TIMEOUT_MS };
      const answer = await ask(rpc, syncTopic, member, how);
      for (const state of answer.states) {
        const taken = this.#believed(state, member);
        if (states.mergeState(topic, taken)) this.#counters.topic_states_merged++;
      }
      after = answer.next;
      pages++;
    } while (after !== "" && pages < pagesMax && !this.#closed);
    return pages;
  }

  #believed(state: EventState, member: MemberId): EventState {
    const { stamps } = this.#parts;
    const { raisedAt, raisedBy } = state;
    if (stamps === undefined || raisedAt === undefined) return state;
    const believed = stamps.hear(raisedAt, raisedBy ?? member);
    return believed === raisedAt ? state : { ...state, raisedAt: believed };
  }

  #digests(after: string): DigestAnswer {
    const { states, isShared } = this.#parts;
    const all = states.list("", OK).filter(({ id }) => isShared(id) && isAfter(id, after));
    const chosen = all.slice(0, DIGEST_PAGE_MAX);
    const told = chosen
      .map(({ id, collected }) => ({ id, collected, digest: topicDigest(this.#statesOf(id)) }))
      .filter(({ digest }) => digest !== "0");
    const topics = told.map(({ id, digest }) => [id, digest] as const);
    const collected = told.map((one) => one.collected);
    return {
      topics,
      collected,
      next: all.length > chosen.length ? cursorOf(chosen.at(-1)?.id) : "",
    };
  }

  #page({ topic, buckets, after }: SyncTopicRequest): SyncTopicAnswer {
    if (!this.#parts.isShared(topic)) return { states: [], next: "" };
    const own = bucketDigests(this.#statesOf(topic));
    const wanted = this.#statesOf(topic)
      .filter(({ id }) => own[bucketOf(id)] !== buckets[bucketOf(id)])
      .filter(({ id }) => isAfter(id, after))
      .sort((a, b) => compareBytes(a.id, b.id));
    let bytes = 0;
    const fits = wanted.findIndex(({ id, message, details }) => {
      bytes += 160 + 2 * (id.length + message.length + details.length);
      return bytes > STATE_PAGE_BYTES;
    });
    if (fits < 0) return { states: wanted, next: "" };
    // A state that is larger than a page travels alone.
    const states = wanted.slice(0, Math.max(1, fits));
    return { states, next: states.length < wanted.length ? cursorOf(states.at(-1)?.id) : "" };
  }

  #statesOf(topic: string) {
    return this.#parts.states.events(topic, OK) ?? [];
  }

  #shuffled(topics: readonly string[]): readonly string[] {
    return topics
      .map((topic) => ({ topic, place: this.#parts.random.float() }))
      .sort((a, b) => a.place - b.place)
      .map(({ topic }) => topic);
  }
}

/** Where a page ended. The ID itself may be empty, the cursor is only at the start. */
function cursorOf(id = ""): string {
  return `=${id}`;
}

function isAfter(id: string, cursor: string): boolean {
  return cursor === "" || compareBytes(id, cursor.slice(1)) > 0;
}
