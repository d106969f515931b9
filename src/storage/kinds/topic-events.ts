/**
 * The last state of every event ID of every topic: one small row per (topic, ID), so that a change costs one
 * row and not the whole topic.
 *
 * The key is the topic as a JSON string, a NUL and the ID: no choice of names can make it ambiguous.
 */

import type { EventState } from "#alert/event.ts";
import type { Level } from "#alert/level.ts";
import { fromBigInt } from "#lib/int64.ts";
import { nanosText, timeFromNanos } from "#lib/time.ts";
import { type Kind, StorageError } from "../store.ts";

export interface TopicEvent {
  readonly topic: string;
  readonly state: EventState;
}

export const topicEvents: Kind<TopicEvent> = {
  name: "topic_events",
  inKeyOrder: true,
  encode: ({ topic, state }) =>
    JSON.stringify({
      topic,
      id: state.id,
      message: state.message,
      details: state.details,
      time: nanosText(state.time.ms, state.time.ns),
      duration: String(state.duration),
      level: state.level,
      // Absent in rows of members alone and of earlier releases.
      raisedAt: state.raisedAt,
      raisedBy: state.raisedBy,
    }),
  decode: (text) => {
    const row = JSON.parse(text) as Record<string, unknown>;
    const { topic, id, message, details, level } = row;
    const texts = [topic, id, message, details].every((value) => typeof value === "string");
    if (!texts || ![0, 1, 2, 3].includes(level as number)) {
      throw new StorageError("stored topic event of an unknown form");
    }
    return {
      topic: topic as string,
      state: {
        id: id as string,
        message: message as string,
        details: details as string,
        time: timeFromNanos(BigInt(String(row["time"]))),
        duration: fromBigInt(BigInt(String(row["duration"]))),
        level: level as Level,
        ...stampOf(row),
      },
    };
  },
};

function stampOf({ raisedAt, raisedBy }: Record<string, unknown>): Partial<EventState> {
  if (raisedAt === undefined && raisedBy === undefined) return {};
  if (typeof raisedAt !== "number" || typeof raisedBy !== "string") {
    throw new StorageError("stored topic event with a stamp of an unknown form");
  }
  return { raisedAt, raisedBy };
}

/** Rows of one topic share this prefix. */
export function topicPrefix(topic: string): string {
  return `${JSON.stringify(topic)}\u0000`;
}

export function topicEventKey(topic: string, id: string): string {
  return topicPrefix(topic) + id;
}
