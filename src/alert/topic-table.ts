/**
 * What topics remember: the last state of every event ID, per topic, and how many events came.
 *
 * The level of a topic is kept as a count of IDs per level, so it is the true maximum and costs nothing to ask
 * for. Each change is written to the store by itself; the store's trouble is counted and logged and never stops
 * an alert. Per ID the higher data time wins, so a late event does not undo a newer state; at the same time the stamp
 * of the member that raised it decides, then the level, then the member (U17). Events stamped before their topic was
 * deleted are discarded.
 */

import { errorMessage } from "#lib/errors.ts";
import { compileGlob } from "#lib/glob.ts";
import { compareBytes } from "#lib/json.ts";
import type { Log } from "#lib/log.ts";
import { compareTime } from "#lib/time.ts";
import { type AlertEvent, type EventState, stateOf } from "./event.ts";
import { CRITICAL, INFO, type Level, OK, WARNING } from "./level.ts";
import { DELETED_TOPICS_MAX } from "./limits.ts";
import type { TopicDeletion, TopicInfo, TopicStore } from "./ports.ts";

interface Topic {
  readonly id: string;
  readonly states: Map<string, EventState>;
  /** IDs per level. */
  readonly counts: [number, number, number, number];
  collected: number;
  /** What was known before a state that came from another member; its event may still be on its way here. */
  readonly beforeMerge: Map<string, EventState | undefined>;
}

export class TopicTable {
  readonly #store: TopicStore;
  readonly #log: Log;
  readonly #topics = new Map<string, Topic>();
  /** Topic → the last stamp that is older than its deletion; the one deleted last at the end. */
  readonly #deletions = new Map<string, number>();
  #discarded = 0;
  #storeFailures = 0;
  /** All changes so far are stored or have failed. */
  #stored: Promise<void> = Promise.resolve();
  /** The write taken last: the states of one turn share one. */
  #written: Promise<void> | undefined;

  /** Restores all states from the store; counts start at 0. */
  constructor(store: TopicStore, log: Log) {
    this.#store = store;
    this.#log = log;
    for (const { topic, state } of store.load()) remember(this.#topic(topic), state);
  }

  /** Makes the topic exist: a handler was attached to it. */
  ensure(id: string): void {
    this.#topic(id);
  }

  /** Counts an event and stores its state. Returns what was known of the ID before. */
  record(event: AlertEvent): EventState | undefined {
    const topic = this.#topic(event.topic);
    topic.collected++;
    const known = topic.states.get(event.id);
    const isAwaited = overtaken(topic, event);
    const previous = isAwaited ? topic.beforeMerge.get(event.id) : known;
    if (known === undefined || isNews(event, known)) {
      const state = stateOf(event);
      remember(topic, state);
      this.#watch(this.#store.put(topic.id, state));
    } else if (isAwaited) topic.beforeMerge.delete(event.id);
    return previous;
  }

  /** Was the event raised before its topic was deleted? Then it is discarded, and counted. One without a stamp is not. */
  isDiscarded(topic: string, raisedAt: number | undefined): boolean {
    if (raisedAt === undefined || raisedAt > (this.#deletions.get(topic) ?? -1)) return false;
    this.#discarded++;
    return true;
  }

  /**
   * Takes over the state that another member has of an ID if it is newer; not counted as an event. What says the same
   * is the same, whoever raised it first: producers of one event stamp it each by its own clock.
   */
  merge(id: string, state: EventState): boolean {
    if (this.isDiscarded(id, state.raisedAt)) return false;
    const topic = this.#topic(id);
    const mine = topic.states.get(state.id);
    if (mine !== undefined && (isSame(mine, state) || compareStates(mine, state) >= 0))
      return false;
    remember(topic, state);
    topic.beforeMerge.set(state.id, mine);
    this.#watch(this.#store.put(id, state));
    return true;
  }

  /**
   * Owners count the same events, so the largest count is the truest: one that started anew goes on from what another
   * one has counted. Topics that are not known here stay unknown.
   */
  mergeCollected(id: string, collected: number): void {
    const topic = this.#topics.get(id);
    if (topic !== undefined) topic.collected = Math.max(topic.collected, collected);
  }

  /** Takes over a state from elsewhere, whatever is known; not counted as an event. */
  restore(topic: string, state: EventState): void {
    remember(this.#topic(topic), state);
    this.#watch(this.#store.put(topic, state));
  }

  list(pattern: string, minLevel: Level): readonly TopicInfo[] {
    const matches = compileGlob(pattern);
    return [...this.#topics.values()]
      .filter((topic) => matches(topic.id) && levelOf(topic) >= minLevel)
      .map(infoOf)
      .sort((a, b) => compareBytes(a.id, b.id));
  }

  get(id: string): TopicInfo | undefined {
    const topic = this.#topics.get(id);
    return topic && infoOf(topic);
  }

  events(id: string, minLevel: Level): readonly EventState[] | undefined {
    const topic = this.#topics.get(id);
    return topic && [...topic.states.values()].filter((state) => state.level >= minLevel);
  }

  event(id: string, eventId: string): EventState | undefined {
    return this.#topics.get(id)?.states.get(eventId);
  }

  /** True when no ID of the topic is known. */
  isBlank(id: string): boolean {
    return (this.#topics.get(id)?.states.size ?? 0) === 0;
  }

  /**
   * Forgets the topic's states, but for those that are surely later; resolves when the store has. A later event or
   * handler makes it anew.
   */
  async delete(id: string, deletion?: TopicDeletion): Promise<void> {
    if (deletion !== undefined) this.recallDeletion(id, deletion.before);
    const isLater = ({ raisedAt = 0, raisedBy }: EventState): boolean =>
      deletion !== undefined && raisedAt > deletion.before && raisedBy === deletion.by;
    const topic = this.#topics.get(id);
    const left = [...(topic?.states.values() ?? [])].filter(isLater);
    if (topic === undefined || left.length === 0) this.#topics.delete(id);
    else for (const state of [...topic.states.values()]) if (!isLater(state)) forget(topic, state);
    await this.#store.deleteTopic(id, isLater);
  }

  /** The topic was deleted: what is stamped up to `before` is older than that. */
  recallDeletion(id: string, before: number): void {
    const known = this.#deletions.get(id) ?? 0;
    this.#deletions.delete(id);
    this.#deletions.set(id, Math.max(known, before));
    if (this.#deletions.size <= DELETED_TOPICS_MAX) return;
    const [oldest = ""] = this.#deletions.keys();
    this.#deletions.delete(oldest);
  }

  /** Resolves when every state taken so far is stored or could not be. */
  settled(): Promise<void> {
    return this.#stored;
  }

  /** Events and states that were older than the deletion of their topic. */
  discarded(): number {
    return this.#discarded;
  }

  /** Writes that failed since start. */
  storeFailures(): number {
    return this.#storeFailures;
  }

  #topic(id: string): Topic {
    let topic = this.#topics.get(id);
    if (topic === undefined) {
      topic = { id, states: new Map(), counts: [0, 0, 0, 0], collected: 0, beforeMerge: new Map() };
      this.#topics.set(id, topic);
    }
    return topic;
  }

  #watch(written: Promise<void>): void {
    if (written === this.#written) return;
    this.#written = written;
    // A write that is refused is over before those that wait for the disk.
    const earlier = this.#stored;
    const ended = written.catch((error: unknown) => {
      this.#storeFailures++;
      this.#log.error("topic state was not stored", { err: errorMessage(error) });
    });
    this.#stored = ended.then(() => earlier);
  }
}

/** The event is the one whose state another member already told. */
function overtaken({ states, beforeMerge }: Topic, event: AlertEvent): boolean {
  const state = states.get(event.id);
  if (state === undefined || !beforeMerge.has(event.id)) return false;
  const { time, level } = event;
  return state.level === level && compareTime(state.time.ms, state.time.ns, time.ms, time.ns) === 0;
}

function compareStates(a: EventState, b: EventState): number {
  return (
    compareTime(a.time.ms, a.time.ns, b.time.ms, b.time.ns) ||
    (a.raisedAt ?? 0) - (b.raisedAt ?? 0) ||
    a.level - b.level ||
    compareBytes(b.raisedBy ?? "", a.raisedBy ?? "") ||
    compareBytes(a.message, b.message) ||
    compareBytes(a.details, b.details)
  );
}

/** Does the event replace what is known of its ID? Where a stamp is missing, the one that came last does. */
function isNews(event: AlertEvent, known: EventState): boolean {
  const order = compareTime(event.time.ms, event.time.ns, known.time.ms, known.time.ns);
  if (order !== 0) return order > 0;
  if (event.raisedAt === undefined || known.raisedAt === undefined) return true;
  return compareStates(event, known) >= 0;
}

/** Equal but for who raised it. */
function isSame(a: EventState, b: EventState): boolean {
  return (
    a.level === b.level &&
    compareTime(a.time.ms, a.time.ns, b.time.ms, b.time.ns) === 0 &&
    a.message === b.message &&
    a.details === b.details &&
    a.duration === b.duration
  );
}

function forget(topic: Topic, { id, level }: EventState): void {
  topic.counts[level]--;
  topic.states.delete(id);
  topic.beforeMerge.delete(id);
}

function remember(topic: Topic, state: EventState): void {
  const previous = topic.states.get(state.id);
  if (previous !== undefined) topic.counts[previous.level]--;
  topic.counts[state.level]++;
  topic.states.set(state.id, state);
  topic.beforeMerge.delete(state.id);
}

const DESCENDING: readonly Level[] = [CRITICAL, WARNING, INFO];

function levelOf(topic: Topic): Level {
  return DESCENDING.find((level) => topic.counts[level] > 0) ?? OK;
}

function infoOf(topic: Topic): TopicInfo {
  return { id: topic.id, level: levelOf(topic), collected: topic.collected };
}
