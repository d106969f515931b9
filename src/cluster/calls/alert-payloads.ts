/**
 * The wire form of events, stamps, notices and lanes, shared by the calls of alert ownership.
 *
 * Stamps travel as `[ms, ns, level]`, notices as short arrays led by their kind, because bursts carry thousands of
 * them; the first element decides how the rest is read. Readers throw `WireError` and change nothing.
 */

import { type AlertEvent, decodeEvent, encodeEvent } from "#alert/event.ts";
import type { Level } from "#alert/level.ts";
import { errorMessage } from "#lib/errors.ts";
import type { LaneId, Notice, PassNotice } from "../ownership/notices.ts";
import type { Stamp } from "../ownership/stamp.ts";
import { type MemberId, WireError } from "../ports.ts";
import { wireCount, wireList, wireRecord, wireText } from "../rpc/define-call.ts";
import { parseMemberId } from "../transport/hello.ts";

const NAMES_MAX = 10_000;

export function encodeStamp({ ms, ns, level }: Stamp): unknown {
  return [ms, ns, level];
}

export function readStamp(input: unknown): Stamp {
  const [ms, ns, level] = wireList(input, "stamp", 3);
  if (typeof ms !== "number" || !Number.isSafeInteger(ms)) throw new WireError("stamp: bad ms");
  if (typeof ns !== "number" || !Number.isInteger(ns) || ns < 0 || ns > 999_999) {
    throw new WireError("stamp: bad ns");
  }
  return { ms, ns, level: readLevel(level) };
}

export function readLevel(input: unknown): Level {
  if (input === 0 || input === 1 || input === 2 || input === 3) return input;
  throw new WireError("level: 0 to 3 expected");
}

export function readMember(input: unknown): MemberId {
  const member = parseMemberId(wireText(input, "member"));
  if (member === undefined) throw new WireError("member: a UUID expected");
  return member;
}

export function encodeLane({ topic, id, handler }: LaneId): unknown {
  return [topic, id, handler];
}

export function readLane(input: unknown): LaneId {
  const [topic, id, handler] = wireList(input, "lane", 3);
  return {
    topic: wireText(topic, "topic"),
    id: wireText(id, "id"),
    handler: wireText(handler, "handler"),
  };
}

export function encodeAlert(event: AlertEvent): unknown {
  return encodeEvent(event);
}

const TEXTS = ["message", "details", "name", "taskName", "category", "group"] as const;

export function readAlert(input: unknown): AlertEvent {
  const raw = wireRecord(input, "event");
  for (const key of TEXTS) wireText(raw[key], `event ${key}`);
  readLevel(raw["level"]);
  for (const value of Object.values(wireRecord(raw["tags"], "event tags"))) {
    wireText(value, "event tag");
  }
  wireRecord(raw["fields"], "event fields");
  if (typeof raw["recoverable"] !== "boolean") throw new WireError("event: bad recoverable");
  if (!Number.isSafeInteger(raw["hops"])) throw new WireError("event: bad hops");
  // Left out by members of an earlier release, which pass on what they do not know.
  if (raw["raisedAt"] !== undefined) wireCount(raw["raisedAt"], "event raisedAt");
  if (raw["raisedBy"] !== undefined) readMember(raw["raisedBy"]);
  try {
    return decodeEvent(raw);
  } catch (error) {
    throw new WireError(`event: ${errorMessage(error)}`);
  }
}

export function encodeNotice(notice: Notice): unknown {
  switch (notice.kind) {
    case "done": {
      const { topic, id, handler, stamp, by } = notice;
      return ["done", topic, id, handler, encodeStamp(stamp), by];
    }
    case "hold":
      return [
        ...["hold", notice.topic, notice.id, notice.handler],
        ...(notice.queued === true ? [true] : []),
      ];
    case "pass":
      return [
        ...["pass", encodeAlert(notice.event), notice.handlers, notice.failed],
        ...(notice.never === undefined ? [] : [notice.round ?? 0, notice.never]),
      ];
    case "settled":
      return [
        ...["settled", notice.topic, notice.id, encodeStamp(notice.stamp), notice.done],
        ...(notice.dropped === true ? [true] : []),
      ];
  }
}

export function readNotice(input: unknown): Notice {
  const [kind, ...rest] = wireList(input, "notice", 6);
  switch (kind) {
    case "done":
      return {
        kind,
        ...readLane(rest.slice(0, 3)),
        stamp: readStamp(rest[3]),
        by: readMember(rest[4]),
      };
    case "hold":
      return { kind, ...readLane(rest.slice(0, 3)), ...(rest[3] === true ? { queued: true } : {}) };
    case "pass":
      return {
        kind,
        event: readAlert(rest[0]),
        handlers: rest[1] === null ? null : readTexts(rest[1], "handlers"),
        failed: wireList(rest[2], "failed", NAMES_MAX).map(readMember),
        ...readRound(rest),
      };
    case "settled":
      return {
        kind,
        topic: wireText(rest[0], "topic"),
        id: wireText(rest[1], "id"),
        stamp: readStamp(rest[2]),
        done: readTexts(rest[3], "done"),
        ...(rest[4] === true ? { dropped: true as const } : {}),
      };
    default:
      throw new WireError(`notice of unknown kind ${String(kind).slice(0, 40)}`);
  }
}

/** What members of an earlier release leave out. */
function readRound([, , , round, never]: readonly unknown[]): Partial<PassNotice> {
  if (round === undefined) return {};
  return {
    round: wireCount(round, "round"),
    never: wireList(never, "never", NAMES_MAX).map(readMember),
  };
}

function readTexts(input: unknown, what: string): readonly string[] {
  return wireList(input, what, NAMES_MAX).map((item) => wireText(item, what));
}
