/**
 * Topics of a cluster for the API: reads go to a topic's owners, deleting reaches every member (U23).
 *
 * A member that owns a topic answers by itself. Another one asks the owners in turn, within one second in all, and falls
 * back to its own copy without an error. The list is the union over all members; of a topic known to several, its first
 * owner's word counts.
 */

import type { EventState } from "#alert/event.ts";
import { type Level, OK } from "#alert/level.ts";
import type { OwnerDuties, OwnerReport, TopicInfo, TopicReads, Topics } from "#alert/ports.ts";
import type { Clock } from "#lib/clock.ts";
import { compileGlob } from "#lib/glob.ts";
import { compareBytes } from "#lib/json.ts";
import {
  encodeReadAnswer,
  type ReadAnswer,
  type ReadRequest,
  readTopics,
} from "../calls/read-topics.ts";
import type { ClusterView, MemberId, Rpc } from "../ports.ts";
import { ask, serve } from "../rpc/typed-calls.ts";
import { shownStatus } from "../shown-status.ts";
import { READ_EVENTS_MAX, READ_TIMEOUT_MS } from "./limits.ts";

export interface ClusterTopicsParts {
  readonly clock: Clock;
  readonly rpc: Rpc;
  readonly membership: { view(): ClusterView };
  readonly local: Topics;
  /** Owners of a topic that act now, first one first. */
  readonly acting: (topic: string) => readonly MemberId[];
  readonly isShared: (topic: string) => boolean;
  /** All owners of a topic, and what this member has to do for it; where absent, none is told. */
  readonly ranked?: (topic: string) => {
    readonly ranking: readonly MemberId[];
    readonly home: readonly MemberId[];
    readonly acting: readonly MemberId[];
  };
  readonly duties?: (topic: string) => OwnerDuties;
}

export class ClusterTopics implements TopicReads {
  readonly #parts: ClusterTopicsParts;

  constructor(parts: ClusterTopicsParts) {
    this.#parts = parts;
  }

  /** Starts answering. Call it before RPC accepts connections. */
  open(): void {
    serve(this.#parts.rpc, readTopics, (_from, request) => encodeReadAnswer(this.#answer(request)));
  }

  async list(pattern: string, minLevel: Level): Promise<readonly TopicInfo[]> {
    const { local, membership } = this.#parts;
    const matches = compileGlob(pattern);
    const known = new Map(local.list("", OK).map((topic) => [topic.id, topic]));
    const { members, localId } = membership.view();
    const others = members.filter(({ id, status }) => id !== localId && status !== "left");
    const answers = await Promise.all(
      others.map(async ({ id }) => ({ id, answer: await this.#ask(id, { what: "topics" }) })),
    );
    for (const { id, answer } of answers) {
      for (const topic of answer?.topics ?? []) {
        const isFirst = this.#parts.acting(topic.id)[0] === id;
        if (isFirst || !known.has(topic.id)) known.set(topic.id, topic);
      }
    }
    return [...known.values()]
      .filter((topic) => matches(topic.id) && topic.level >= minLevel)
      .sort((a, b) => compareBytes(a.id, b.id));
  }

  async get(topic: string): Promise<TopicInfo | undefined> {
    const answer = await this.#fromOwner(topic, { what: "topic", topic });
    return answer?.topics[0] ?? this.#parts.local.get(topic);
  }

  async events(topic: string, minLevel: Level): Promise<readonly EventState[] | undefined> {
    const answer = await this.#fromOwner(topic, { what: "events", topic, minLevel });
    return answer?.states ?? this.#parts.local.events(topic, minLevel);
  }

  async event(topic: string, id: string): Promise<EventState | undefined> {
    const answer = await this.#fromOwner(topic, { what: "event", topic, id });
    return answer?.states[0] ?? this.#parts.local.event(topic, id);
  }

  async owners(topic: string): Promise<readonly OwnerReport[]> {
    const { membership, ranked, duties } = this.#parts;
    const { members, localId } = membership.view();
    const { ranking = [], home = [], acting = [] } = ranked?.(topic) ?? {};
    // Those that act first, in their order; then the others.
    const order = [...new Set([...acting, ...ranking])];
    return Promise.all(
      order.map(async (id) => {
        const member = members.find((one) => one.id === id);
        const known = {
          ...{ id, apiAddress: member?.apiAddress ?? "", home: home.includes(id) },
          status: shownStatus(member?.status ?? "removed"),
          acting: acting.includes(id),
        };
        const own = id === localId ? duties?.(topic) : undefined;
        const told = own ?? (await this.#ask(id, { what: "duties", topic }))?.duties;
        return told === undefined ? known : { ...known, duties: told };
      }),
    );
  }

  /** What an owner knows; `undefined` when this member is one, or none of them knows anything in time. */
  async #fromOwner(topic: string, request: ReadRequest): Promise<ReadAnswer | undefined> {
    const { acting, clock, isShared, membership } = this.#parts;
    const owners = acting(topic);
    if (!isShared(topic) || owners.includes(membership.view().localId)) return undefined;
    const end = clock.monoMs() + READ_TIMEOUT_MS;
    for (const owner of owners) {
      const left = end - clock.monoMs();
      if (left <= 0) return undefined;
      const answer = await this.#ask(owner, request, left);
      if (answer?.known === true) return answer;
    }
    return undefined;
  }

  #ask(
    member: MemberId,
    request: ReadRequest,
    timeoutMs = READ_TIMEOUT_MS,
  ): Promise<ReadAnswer | undefined> {
    const how = { payload: request, timeoutMs };
    return ask(this.#parts.rpc, readTopics, member, how).catch(() => undefined);
  }

  #answer(request: ReadRequest): ReadAnswer {
    const { local, isShared } = this.#parts;
    const nothing: ReadAnswer = { known: false, topics: [], states: [] };
    if (request.what === "topics") {
      const topics = local.list("", OK).filter(({ id }) => isShared(id));
      return { ...nothing, known: true, topics };
    }
    const { topic } = request;
    if (request.what === "duties") {
      const duties = this.#parts.duties?.(topic);
      return duties === undefined ? nothing : { ...nothing, known: true, duties };
    }
    if (!isShared(topic)) return nothing;
    if (request.what === "topic") {
      const known = local.get(topic);
      return known === undefined ? nothing : { ...nothing, known: true, topics: [known] };
    }
    if (request.what === "event") {
      const state = local.event(topic, request.id);
      return state === undefined ? nothing : { ...nothing, known: true, states: [state] };
    }
    const states = local.events(topic, request.minLevel);
    if (states === undefined) return nothing;
    return { ...nothing, known: true, states: states.slice(0, READ_EVENTS_MAX) };
  }
}
