/**
 * An alert event: one occurrence, as raised by an alert node and delivered to handlers.
 *
 * Plain data: events cross the engine port, RPC and the disk. `encodeEvent` is the JSON form for those
 * (not the form handlers post; that is `alertData` in `alert/data.ts`).
 */

import { type DurationNs, fromBigInt, type Int64 } from "#lib/int64.ts";
import { nanosText, type Time, timeFromNanos } from "#lib/time.ts";
import type { Row } from "#model/result.ts";
import type { FieldType, FieldValue } from "#model/shape.ts";
import type { Level } from "./level.ts";

export interface AlertEvent {
  readonly topic: string;
  /** Event ID, e.g. `cpu:host=h1`. */
  readonly id: string;
  readonly message: string;
  readonly details: string;
  /** Data time. */
  readonly time: Time;
  readonly duration: DurationNs;
  readonly level: Level;
  /** Measurement. */
  readonly name: string;
  readonly taskName: string;
  readonly category: string;
  /** Group ID text; `nil` when ungrouped. */
  readonly group: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, FieldValue>>;
  /** Types of the fields, so that templates print a whole float as a float. Absent: told from the values. */
  readonly fieldTypes?: Readonly<Record<string, FieldType>>;
  readonly recoverable: boolean;
  /** Rows for `data.series`. */
  readonly series: readonly Row[] | null;
  /** How many `publish` handlers it passed through; bounds publish cycles. */
  readonly hops: number;
  /**
   * Stamp of the hybrid clock of the member that raised it, larger is later, and that member; both absent when it was
   * raised by a member alone, on a topic of one member, or by an earlier release.
   */
  readonly raisedAt?: number;
  readonly raisedBy?: string;
}

/** What a topic remembers of one event ID. */
export interface EventState {
  readonly id: string;
  readonly message: string;
  readonly details: string;
  readonly time: Time;
  readonly duration: DurationNs;
  readonly level: Level;
  /** Of the event, if it has them. */
  readonly raisedAt?: number;
  readonly raisedBy?: string;
}

export function stateOf(event: AlertEvent): EventState {
  const { id, message, details, time, duration, level, raisedAt, raisedBy } = event;
  return raisedAt === undefined || raisedBy === undefined
    ? { id, message, details, time, duration, level }
    : { id, message, details, time, duration, level, raisedAt, raisedBy };
}

/** Identity for deduplication: the same key from several producers is one event (topic, ID, data time, level). */
export function eventKey(event: AlertEvent): string {
  return JSON.stringify([event.topic, event.id, event.time.ms, event.time.ns, event.level]);
}

/** The wire and disk form: JSON-able, exact int64s as `{"$i": "…"}` when beyond 2^53. */
export type EncodedEvent = Readonly<Record<string, unknown>>;

const big = (value: Int64): unknown => (typeof value === "bigint" ? { $i: String(value) } : value);
const unbig = (value: unknown): unknown =>
  typeof value === "object" && value !== null && "$i" in value
    ? fromBigInt(BigInt(String((value as { $i: unknown }).$i)))
    : value;

export function encodeEvent(event: AlertEvent): EncodedEvent {
  const { time, duration, fields, series } = event;
  return {
    ...event,
    time: nanosText(time.ms, time.ns),
    duration: big(duration),
    fields: hasBig(Object.values(fields)) ? bigMembers(fields) : fields,
    // Every event is written to disk, and hardly any holds a large integer: nothing is copied for the others.
    series: series?.map((row) => (row.values?.some(hasBig) === true ? bigCells(row) : row)) ?? null,
  };
}

function hasBig(values: readonly unknown[]): boolean {
  for (let i = 0; i < values.length; i++) if (typeof values[i] === "bigint") return true;
  return false;
}

function bigMembers(fields: Readonly<Record<string, FieldValue>>): unknown {
  return Object.fromEntries(
    Object.entries(fields).map(([k, v]) => [k, typeof v === "bigint" ? big(v) : v]),
  );
}

function bigCells(row: Row): unknown {
  const values = row.values?.map((cells) => cells.map((c) => (typeof c === "bigint" ? big(c) : c)));
  return { ...row, values };
}

/** Reads what `encodeEvent` wrote. Throws on anything else: the sender's fault, nothing was changed. */
export function decodeEvent(input: EncodedEvent): AlertEvent {
  const raw = input as Record<string, never> & EncodedEvent;
  if (typeof raw["topic"] !== "string" || typeof raw["id"] !== "string") {
    throw new Error("encoded event without topic or id");
  }
  return {
    ...(raw as unknown as AlertEvent),
    time: timeFromNanos(BigInt(String(raw["time"]))),
    duration: unbig(raw["duration"]) as Int64,
    fields: Object.fromEntries(
      Object.entries((raw["fields"] ?? {}) as Record<string, unknown>).map(([k, v]) => [
        k,
        unbig(v) as FieldValue,
      ]),
    ),
    series: decodeRows(raw["series"]),
  };
}

function decodeRows(input: unknown): readonly Row[] | null {
  if (!Array.isArray(input)) return null;
  return input.map((row: Row) =>
    row.values === undefined
      ? row
      : { ...row, values: row.values.map((cells) => cells.map((c) => unbig(c) as never)) },
  );
}
