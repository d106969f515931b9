/**
 * Points, batches and events as test cases show them, one line each.
 *
 * Points look like line protocol without escapes; times are offsets from 1970 (`10s`), or RFC 3339 from
 * 1980 on, where offsets would be unreadable.
 */

import type { AlertEvent } from "#alert/event.ts";
import { levelName } from "#alert/level.ts";
import type { BatchBegin } from "#engine/receiver.ts";
import { formatGoDuration, formatTickDuration, parseInfluxDuration } from "#lib/duration.ts";
import { fromBigInt } from "#lib/int64.ts";
import { formatTime, timeToNanos } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { FieldType, FieldValue } from "#model/shape.ts";

/** From here on (1980) times are shown as dates. */
const DATES_FROM_MS = 315_532_800_000;
const SECOND_NS = 1_000_000_000n;

/** A time as an offset, or as a date when it is far from 1970. */
export function timeText(ms: number, ns: number): string {
  if (ms >= DATES_FROM_MS) return formatTime(ms, ns);
  const nanos = timeToNanos(ms, ns);
  if (nanos % SECOND_NS === 0n) return `${nanos / SECOND_NS}s`;
  return formatTickDuration(fromBigInt(nanos));
}

/** Nanoseconds of `10s`, `-1m`; `undefined` when it is no duration. */
export function nanosOf(duration: string): bigint | undefined {
  const negative = duration.startsWith("-");
  const parsed = parseInfluxDuration(negative ? duration.slice(1) : duration);
  if (parsed === undefined) return undefined;
  return negative ? -BigInt(parsed) : BigInt(parsed);
}

export function eventLine(event: AlertEvent): string {
  const { topic, id, level, time, duration, message } = event;
  const at = timeText(time.ms, time.ns);
  return `${topic} ${id} ${levelName(level)} ${at} ${formatGoDuration(duration)} ${message}`;
}

export function batchLine(group: Group, begin: BatchBegin): string {
  return `batch ${keyText(begin.name, group.series.tags())} ${timeText(begin.tmaxMs, begin.tmaxNs)}`;
}

export function pointLine({ series, shape, values, timeMs, timeNs }: Point): string {
  const fields = shape.names
    .map((name, slot) => `${name}=${fieldText(shape.types[slot], values[slot])}`)
    .join(",");
  return `${keyText(series.name, series.tags())} ${fields} ${timeText(timeMs, timeNs)}`;
}

function keyText(name: string, tags: Readonly<Record<string, string>>): string {
  return [name, ...Object.entries(tags).map(([tag, held]) => `${tag}=${held}`)].join(",");
}

function fieldText(type: FieldType | undefined, held: FieldValue | undefined): string {
  switch (type) {
    case "int":
      return `${held}i`;
    case "uint":
      return `${held}u`;
    case "string":
      return JSON.stringify(held);
    case "duration":
      return formatTickDuration(held as number | bigint);
    default:
      return String(held);
  }
}
