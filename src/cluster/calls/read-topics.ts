/** `read-topics`: what a member knows of its topics, for the API of one that does not own them (U23). */

import type { EventState } from "#alert/event.ts";
import type { Level } from "#alert/level.ts";
import type { OwnerDuties, TopicInfo } from "#alert/ports.ts";
import { WireError } from "../ports.ts";
import { defineCall, wireCount, wireList, wireRecord, wireText } from "../rpc/define-call.ts";
import { readLevel } from "./alert-payloads.ts";
import { encodeState, encodeTopic, readState, readTopic } from "./topic-payloads.ts";

const ITEMS_MAX = 1_000_000;

export type ReadRequest =
  | { readonly what: "topics" }
  | { readonly what: "topic"; readonly topic: string }
  | { readonly what: "duties"; readonly topic: string }
  | { readonly what: "events"; readonly topic: string; readonly minLevel: Level }
  | { readonly what: "event"; readonly topic: string; readonly id: string };

/** `known` is false when that member knows nothing of the topic or event. */
export interface ReadAnswer {
  readonly known: boolean;
  readonly topics: readonly TopicInfo[];
  readonly states: readonly EventState[];
  /** Answers `duties` only. */
  readonly duties?: OwnerDuties;
}

export const readTopics = defineCall<ReadRequest, ReadAnswer>({
  number: 8,
  name: "read-topics",
  parseRequest(input) {
    const { what, topic, id, minLevel } = wireRecord(input, "read");
    if (what === "topics") return { what };
    if (what === "topic" || what === "duties") return { what, topic: wireText(topic, "topic") };
    if (what === "events") {
      return { what, topic: wireText(topic, "topic"), minLevel: readLevel(minLevel) };
    }
    if (what === "event") {
      return { what, topic: wireText(topic, "topic"), id: wireText(id, "id") };
    }
    throw new WireError(`read of unknown kind ${String(what).slice(0, 40)}`);
  },
  parseAnswer(input) {
    const raw = wireRecord(input, "read answer");
    return {
      known: raw["known"] === true,
      topics: wireList(raw["topics"], "topics", ITEMS_MAX).map(readTopic),
      states: wireList(raw["states"], "states", ITEMS_MAX).map(readState),
      ...(raw["duties"] === undefined ? {} : { duties: readDuties(raw["duties"]) }),
    };
  },
});

export function encodeReadAnswer({ known, topics, states, duties }: ReadAnswer): unknown {
  const read = { known, topics: topics.map(encodeTopic), states: states.map(encodeState) };
  return duties === undefined ? read : { ...read, duties };
}

function readDuties(input: unknown): OwnerDuties {
  const { handlers, pending, sending } = wireRecord(input, "duties");
  return {
    handlers: wireCount(handlers, "handlers"),
    pending: wireCount(pending, "pending"),
    sending: wireCount(sending, "sending"),
  };
}
