/**
 * Producers of one event ID that disagree about when its level changed: who is believed.
 *
 * Members that run the same task on the same data raise the same keys, and nothing here touches those, nor a key that one
 * of them missed. Proof of disagreement is a *pair*: the same level, said by both at different times within a short while,
 * each without having said what the other said (while they speak in order), and nothing else said in between (batch tasks on unaligned schedules, repeats counted from another start).
 * The first producer seen leads. What a producer proven to disagree says is kept: until the lead says the same level
 * (dropped), the very same event, or is gone (taken), or the wait is over: taken, and it leads from now on, unless the
 * lead said that level shortly before or repeats it at longer intervals. Source: cluster-behaviour U16.
 */

import type { MemberId } from "../ports.ts";
import { LEAD_IDS_MAX, REPEAT_PATIENCE } from "./limits.ts";
import { compareStamps, type Stamp } from "./stamp.ts";

/** An event as far as its producers matter. */
export interface Said {
  readonly topic: string;
  readonly id: string;
  readonly stamp: Stamp;
  readonly producer: MemberId;
  /** What the producer said of the ID before; `undefined` = nothing. */
  readonly before: Stamp | undefined;
  /** Nobody said it before. */
  readonly isNew: boolean;
}

export type Verdict = "take" | "keep" | "drop";

export interface LeadsHost {
  readonly delayMs: number;
  /** Core time. */
  now(): number;
  /** May it still be believed: not gone, and running the task as far as that is known? */
  isActive(member: MemberId, topic: string): boolean;
  /** A kept event is decided. */
  decided(event: Said, how: "take" | "drop"): void;
}

interface Producer {
  readonly member: MemberId;
  last: Stamp;
  /** When it said that; core time. */
  at: number;
  /** Time between its last two sayings of the same level, ms; 0 = it did not repeat itself. */
  gap: number;
  /** False: it was proven to go its own way since it last said what the lead said. */
  agrees: boolean;
}

interface Kept {
  readonly event: Said;
  readonly at: number;
}

interface Entry {
  lead: MemberId;
  /** One or a few for each of many IDs: a list takes a fraction of the memory of a map. */
  producers: readonly Producer[];
  /** Taken from another one than the lead, who has not said it yet. */
  ahead: { readonly event: Said; readonly at: number } | undefined;
  kept: readonly Kept[];
  /** A producer raised an older event after a newer one: who has said what is no proof of anything then. */
  isScrambled: boolean;
  /** The newest that was taken. */
  newest: Stamp | undefined;
}

export class Leads {
  readonly #host: LeadsHost;
  #topics = new Map<string, Map<string, Entry>>();
  #count = 0;

  constructor(host: LeadsHost) {
    this.#host = host;
  }

  /** What a producer said last of an ID, as far as it is remembered. */
  lastOf(topic: string, id: string, producer: MemberId): Stamp | undefined {
    const entry = this.#topics.get(topic)?.get(id);
    return entry === undefined ? undefined : producerOf(entry, producer)?.last;
  }

  /** Was a producer of the ID proven to go its own way, and has not agreed since? */
  isDisputed(topic: string, id: string): boolean {
    const entry = this.#topics.get(topic)?.get(id);
    return entry?.producers.some(({ agrees }) => !agrees) === true;
  }

  /** What to do with what a producer says; `judge` false only notes it. Kept events are decided through the host. */
  said(event: Said, judge: boolean): Verdict {
    const entry = this.#entry(event);
    const { before, stamp } = event;
    if (before !== undefined && compareStamps(stamp, before) < 0) entry.isScrambled = true;
    this.#moveLead(entry, event);
    if (event.producer === entry.lead) {
      const late = this.#isLate(entry, event);
      this.#note(entry, event, false);
      this.#leadSaid(entry, event, late);
      if (late && judge) return "drop";
      take(entry, event);
      return "take";
    }
    const odd = this.#isOdd(entry, event);
    this.#note(entry, event, odd);
    const now = this.#host.now();
    if (odd && judge) {
      entry.kept = [...entry.kept, { event, at: now }];
      return "keep";
    }
    if (event.isNew) entry.ahead ??= { event, at: now };
    take(entry, event);
    return "take";
  }

  /**
   * An event was dropped because another producer had said its level before. Does it tell a change all the same: has the
   * level been another one since, for what was taken or for the producer that raises it now?
   */
  isOverruled({ topic, id, stamp, before }: Omit<Said, "producer" | "isNew">): boolean {
    const newest = this.#topics.get(topic)?.get(id)?.newest;
    if (newest === undefined) return true;
    const isChange = (from: Stamp): boolean =>
      from.level !== stamp.level && compareStamps(from, stamp) < 0;
    if (isChange(newest)) return true;
    return before !== undefined && isChange(before) && compareStamps(before, newest) > 0;
  }

  /** The wait of a kept event is over. */
  expire(event: Said): void {
    const entry = this.#topics.get(event.topic)?.get(event.id);
    const kept = entry?.kept.find((one) => one.event === event);
    if (entry === undefined || kept === undefined) return;
    entry.kept = entry.kept.filter((one) => one !== kept);
    if (!entry.isScrambled && this.#leadRepeats(entry, kept)) {
      this.#host.decided(event, "drop");
      return;
    }
    entry.lead = event.producer;
    entry.ahead = undefined;
    take(entry, event);
    this.#host.decided(event, "take");
  }

  /** It was taken, or given up, for another reason. */
  forgetKept(event: Said): void {
    const entry = this.#topics.get(event.topic)?.get(event.id);
    if (entry !== undefined) entry.kept = entry.kept.filter((one) => one.event !== event);
  }

  forgetTopic(topic: string): void {
    this.#count -= this.#topics.get(topic)?.size ?? 0;
    this.#topics.delete(topic);
  }

  /** A lead that is gone, or let others go ahead for a whole delay, leads no more. */
  #moveLead(entry: Entry, { producer, topic }: Said): void {
    const { now, delayMs, isActive } = this.#host;
    const { ahead } = entry;
    if (ahead !== undefined && now() - ahead.at > delayMs) {
      entry.lead = ahead.event.producer;
      entry.ahead = undefined;
    }
    if (entry.lead === producer || isActive(entry.lead, topic)) return;
    entry.lead = producer;
    entry.ahead = undefined;
  }

  /** It was proven to disagree, or says just now what the lead said at another time. */
  #isOdd(entry: Entry, { producer, stamp, before, isNew }: Said): boolean {
    const lead = producerOf(entry, entry.lead);
    if (!isNew || lead === undefined || entry.isScrambled) return false;
    if (producerOf(entry, producer)?.agrees === false) return true;
    if (entry.newest?.level !== stamp.level) return false;
    return isPair(lead.last, { stamp, before }) && this.#isRecent(lead, this.#host.now());
  }

  /** The lead changes to a level that another one was believed to have changed to just now, at another time. */
  #isLate(entry: Entry, { stamp, before, isNew }: Said): boolean {
    const { ahead, lead, newest } = entry;
    if (!isNew || ahead === undefined || newest?.level !== stamp.level) return false;
    if (entry.isScrambled) return false;
    const said = ahead.event;
    if (producerOf(entry, lead)?.last.level === stamp.level) return false;
    if (this.#host.now() - ahead.at > this.#host.delayMs) return false;
    return isPair(said.stamp, { stamp, before }) || isPair(stamp, said);
  }

  #leadSaid(entry: Entry, { stamp }: Said, late: boolean): void {
    const { ahead } = entry;
    if (ahead !== undefined) {
      const order = compareStamps(stamp, ahead.event.stamp);
      const other = producerOf(entry, ahead.event.producer);
      if (other !== undefined && (order === 0 || late)) other.agrees = !late;
      if (order >= 0 || late) entry.ahead = undefined;
    }
    if (entry.kept.length === 0) return;
    const decided = entry.kept.filter(({ event }) => event.stamp.level === stamp.level);
    entry.kept = entry.kept.filter((one) => !decided.includes(one));
    for (const { event } of decided) {
      const same = compareStamps(event.stamp, stamp) === 0 || entry.isScrambled;
      const other = producerOf(entry, event.producer);
      if (other !== undefined) other.agrees = same;
      if (same) take(entry, event);
      this.#host.decided(event, same ? "take" : "drop");
    }
  }

  /** Said within the delay, or so lately that the next repeat is not overdue. */
  #isRecent({ at, gap }: Producer, now: number): boolean {
    return now - at <= this.#host.delayMs || now - at < REPEAT_PATIENCE * gap;
  }

  /** The lead said this level while the event was kept or shortly before, or repeats it, only more rarely. */
  #leadRepeats(entry: Entry, { event, at }: Kept): boolean {
    const { now, delayMs, isActive } = this.#host;
    const lead = producerOf(entry, entry.lead);
    if (lead === undefined || lead.last.level !== event.stamp.level) return false;
    if (!isActive(entry.lead, event.topic)) return false;
    return lead.at >= at - delayMs || this.#isRecent(lead, now());
  }

  #note(entry: Entry, { stamp, producer, isNew }: Said, odd: boolean): void {
    const now = this.#host.now();
    const known = producerOf(entry, producer);
    if (known === undefined) {
      const first = { member: producer, last: stamp, at: now, gap: 0, agrees: !odd };
      entry.producers = [...entry.producers, first];
      return;
    }
    const lead = producerOf(entry, entry.lead);
    if (odd) known.agrees = false;
    else if (!isNew && lead !== undefined && compareStamps(stamp, lead.last) === 0) {
      known.agrees = true;
    }
    if (compareStamps(stamp, known.last) <= 0) return;
    known.gap = stamp.level === known.last.level ? now - known.at : 0;
    known.last = stamp;
    known.at = now;
  }

  #entry({ topic, id, producer }: Said): Entry {
    let ids = this.#topics.get(topic);
    const known = ids?.get(id);
    if (known !== undefined) return known;
    if (this.#count >= LEAD_IDS_MAX) this.#forgetAll();
    ids = this.#topics.get(topic) ?? new Map<string, Entry>();
    this.#topics.set(topic, ids);
    this.#count++;
    const entry: Entry = {
      lead: producer,
      producers: NO_PRODUCERS,
      ahead: undefined,
      kept: NOTHING_KEPT,
      isScrambled: false,
      newest: undefined,
    };
    ids.set(id, entry);
    return entry;
  }

  /** Too many IDs: who leads is learned anew. What was kept is taken. */
  #forgetAll(): void {
    const all = this.#topics;
    this.#topics = new Map();
    this.#count = 0;
    for (const ids of all.values()) {
      for (const { kept } of ids.values()) {
        for (const { event } of kept) this.#host.decided(event, "take");
      }
    }
  }
}

const NO_PRODUCERS: readonly Producer[] = [];
const NOTHING_KEPT: readonly Kept[] = [];

function producerOf({ producers }: Entry, member: MemberId): Producer | undefined {
  for (const one of producers) if (one.member === member) return one;
  return undefined;
}

function take(entry: Entry, { stamp }: Said): void {
  const { newest } = entry;
  if (newest === undefined || compareStamps(stamp, newest) > 0) entry.newest = stamp;
}

/** The same level at two times: the later one's producer has not said the earlier one. */
function isPair(earlier: Stamp, { stamp, before }: Pick<Said, "stamp" | "before">): boolean {
  if (earlier.level !== stamp.level || compareStamps(earlier, stamp) >= 0) return false;
  return before === undefined || compareStamps(before, earlier) < 0;
}
