/** The wire form of what topics remember: `[id, message, details, time in ns, duration in ns, level]`, numbers as text. */

import type { EventState } from "#alert/event.ts";
import type { TopicInfo } from "#alert/ports.ts";
import { fromBigInt } from "#lib/int64.ts";
import { timeFromNanos, timeToNanos } from "#lib/time.ts";
import { WireError } from "../ports.ts";
import { wireCount, wireList, wireText } from "../rpc/define-call.ts";
import { readLevel, readMember } from "./alert-payloads.ts";

export function encodeState(state: EventState): unknown {
  const { id, message, details, time, duration, level } = state;
  return [id, message, details, String(timeToNanos(time.ms, time.ns)), String(duration), level];
}

export function readState(input: unknown): EventState {
  const [id, message, details, time, duration, level] = wireList(input, "state", 6);
  return {
    id: wireText(id, "id"),
    message: wireText(message, "message"),
    details: wireText(details, "details"),
    time: timeFromNanos(readNanos(time)),
    duration: fromBigInt(BigInt.asIntN(64, readNanos(duration))),
    level: readLevel(level),
  };
}

/** Who raised its event and when by that member's clock: `[stamp, member]`, or 0 when that is not known. */
export function encodeRaised({ raisedAt, raisedBy }: EventState): unknown {
  return raisedAt === undefined || raisedBy === undefined ? 0 : [raisedAt, raisedBy];
}

export function readRaised(input: unknown): Pick<EventState, "raisedAt" | "raisedBy"> {
  if (input === 0 || input === undefined) return {};
  const [raisedAt, raisedBy] = wireList(input, "raised", 2);
  return { raisedAt: wireCount(raisedAt, "stamp"), raisedBy: readMember(raisedBy) };
}

export function encodeTopic({ id, level, collected }: TopicInfo): unknown {
  return [id, level, collected];
}

export function readTopic(input: unknown): TopicInfo {
  const [id, level, collected] = wireList(input, "topic", 3);
  return {
    id: wireText(id, "topic"),
    level: readLevel(level),
    collected: wireCount(collected, "collected"),
  };
}

/** Far longer than any int64; what is longer is not a number of nanoseconds. */
const DIGITS_MAX = 24;

function readNanos(input: unknown): bigint {
  const text = wireText(input, "nanoseconds");
  if (text.length > DIGITS_MAX || !/^-?\d+$/.test(text)) throw new WireError("bad nanoseconds");
  return BigInt(text);
}
