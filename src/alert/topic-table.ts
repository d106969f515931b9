/**
 * What topics remember: the last state of every event ID, per topic, and how many events came.
 *
 * The level of a topic is kept as a count of IDs per level, so it is the true maximum and costs nothing to ask
 * for. Each change is written to the store by itself; the store's trouble is counted and logged and never stops
 * an alert. Per ID the higher data time wins, so a late event does not undo a newer state.
 */

import { errorMessage } from "#lib/errors.ts";
import { compileGlob } from "#lib/glob.ts";
import { compareBytes } from "#lib/json.ts";
import type { Log } from "#lib/log.ts";
import { compareTime } from "#lib/time.ts";
import { type AlertEvent, type EventState, stateOf } from "./event.ts";
import { CRITICAL, INFO, type Level, OK, WARNING } from "./level.ts";
import type { TopicInfo, TopicStore } from "./ports.ts";

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
  #storeFailures = 0;
  /** The newest change is stored or has failed; the store keeps their order. */
  #stored: Promise<void> = Promise.resolve();

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
    const previous = overtaken(topic, event) ? topic.beforeMerge.get(event.id) : known;
    const { time } = event;
    if (known === undefined || !isOlder(time, known.time)) {
      const state = stateOf(event);
      remember(topic, state);
      this.#watch(this.#store.put(topic.id, state));
    }
    return previous;
  }

  /**
   * Takes over the state that another member has of an ID if it is newer; not counted as an event. Equal times are
   * decided by level, then by text, so that all members end up with the same.
   */
  merge(id: string, state: EventState): boolean {
    const topic = this.#topic(id);
    const mine = topic.states.get(state.id);
    if (mine !== undefined && compareStates(mine, state) >= 0) return false;
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

  /** Forgets the topic's states; resolves when the store has. A later event or handler makes it anew. */
  async delete(id: string): Promise<void> {
    this.#topics.delete(id);
    await this.#store.deleteTopic(id);
  }

  /** Resolves when every state taken so far is stored or could not be. */
  settled(): Promise<void> {
    return this.#stored;
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
    this.#stored = written.catch((error: unknown) => {
      this.#storeFailures++;
      this.#log.error("topic state was not stored", { err: errorMessage(error) });
    });
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
    a.level - b.level ||
    compareBytes(a.message, b.message) ||
    compareBytes(a.details, b.details)
  );
}

function isOlder(
  a: { readonly ms: number; readonly ns: number },
  b: { readonly ms: number; readonly ns: number },
): boolean {
  return compareTime(a.ms, a.ns, b.ms, b.ns) < 0;
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
