/**
 * The workload of a run with alerts, as data: which members raise which events when, and how members are configured.
 *
 * Levels walk at random, so recoveries occur. Producers of one event have the same data time and raise it up to 1.5
 * `delay-per-member` apart; sometimes one misses an event (simulation.md §7).
 */

import { type Random, shuffle } from "#lib/random.ts";

export interface RaisedEvent {
  /** Milliseconds since the safety phase began; also its data time. */
  readonly at: number;
  readonly topic: string;
  readonly id: string;
  readonly level: 0 | 1 | 2 | 3;
  /** Members that raise it and how long after `at`, ms. */
  readonly by: readonly { readonly member: number; readonly after: number }[];
}

export interface AlertPlan {
  readonly delayMs: number;
  readonly fullSyncMs: number;
  readonly redundancy: number;
  /** A well endpoint answers within this, ms. */
  readonly answerMs: number;
  /** Handler IDs per topic; those of one topic have different endpoints. */
  readonly topics: Readonly<Record<string, readonly string[]>>;
  readonly events: readonly RaisedEvent[];
}

interface Frame {
  readonly style: string;
  readonly members: number;
  readonly safetyMs: number;
}

export function drawAlertPlan(random: Random, frame: Frame): AlertPlan {
  const { members, safetyMs, style } = frame;
  const delayMs = [2_000, 2_000, 5_000, 10_000][random.below(4)] ?? 10_000;
  const topics: Record<string, readonly string[]> = {};
  const producers = new Map<string, readonly number[]>();
  for (let i = 1 + random.below(6); i > 0; i--) {
    topics[`t${i}`] = Array.from({ length: 1 + random.below(2) }, (_, h) => `t${i}-h${h}`);
    const order = Array.from({ length: members }, (_, m) => m);
    shuffle(random, order);
    producers.set(`t${i}`, order.slice(0, 1 + random.below(members)));
  }
  const ids = 1 + random.below(random.below(2) === 0 ? 8 : 60);
  const skewMs = [0, 5, 500, 1.5 * delayMs][random.below(4)] ?? 0;
  const misses = random.below(3) === 0 ? 0.2 : 0;
  const levels = new Map<string, number>();
  const events: RaisedEvent[] = [];
  const names = Object.keys(topics);
  const times = Array.from({ length: 20 + random.below(100) }, () =>
    random.below(safetyMs - 4_000),
  );
  for (const at of times.sort((a, b) => a - b)) {
    const topic = names[random.below(names.length)] ?? "t1";
    const id = `id${random.below(ids)}`;
    const level = nextLevel(random, levels.get(`${topic} ${id}`) ?? 0);
    levels.set(`${topic} ${id}`, level);
    const all = producers.get(topic) ?? [0];
    const by = all.filter(() => random.float() >= misses);
    events.push({
      at,
      topic,
      id,
      level,
      by: (by.length > 0 ? by : all.slice(0, 1)).map((member) => ({
        member,
        after: style === "none" ? random.float() * 5 : random.float() * skewMs,
      })),
    });
  }
  return {
    delayMs,
    fullSyncMs: 20_000,
    redundancy: random.below(4) === 0 ? 0 : 1 + random.below(3),
    answerMs: random.below(6) === 0 ? delayMs * 1.5 : 20,
    topics,
    events,
  };
}

function nextLevel(random: Random, level: number): 0 | 1 | 2 | 3 {
  const step = level === 0 || random.below(3) > 0 ? 1 : -1;
  const next = level === 3 ? 0 : Math.max(0, level + step);
  return next as 0 | 1 | 2 | 3;
}
