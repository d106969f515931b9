/**
 * Values as templates see them: JavaScript values, plus wrappers where Go's type decides what is printed.
 *
 * string, boolean → themselves. number that is an integer, bigint → int64. Other numbers and `GoFloat` →
 * float64 (a float that happens to be whole must be wrapped: Go prints it as `1e+06`, an int as `1000000`).
 * null, undefined → nil. Arrays → slices. Plain objects → `map[string]interface {}`; `stringMap` gives the
 * tags' type, whose missing keys index to "". `GoStruct` is a struct: an unknown field is an error.
 */

import { formatGoDuration } from "#lib/duration.ts";
import type { DurationNs, Int64 } from "#lib/int64.ts";
import { compareBytes } from "#lib/json.ts";
import { formatTime, formatTimeGo, type Time } from "#lib/time.ts";

/** A float64, needed where a whole number must still print and compare as a float. */
export class GoFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
  toJSON(): number {
    return this.value;
  }
}

/** A `time.Time` in UTC. Prints `2020-09-13 12:26:40 +0000 UTC`; JSON is RFC 3339. */
export class GoTime {
  readonly ms: number;
  readonly ns: number;
  constructor(time: Time) {
    this.ms = time.ms;
    this.ns = time.ns;
  }
  toString(): string {
    return formatTimeGo(this.ms, this.ns);
  }
  toJSON(): string {
    return formatTime(this.ms, this.ns);
  }
}

/** A `time.Duration`. Prints `1m30s`; JSON is nanoseconds. */
export class GoDuration {
  readonly ns: DurationNs;
  constructor(ns: DurationNs) {
    this.ns = ns;
  }
  toString(): string {
    return formatGoDuration(this.ns);
  }
  toJSON(): DurationNs {
    return this.ns;
  }
}

/** A struct with a Go type name (for error texts). Field order is JSON and print order. */
export class GoStruct {
  readonly goType: string;
  readonly fields: Readonly<Record<string, unknown>>;
  constructor(goType: string, fields: Readonly<Record<string, unknown>>) {
    this.goType = goType;
    this.fields = fields;
  }
}

/** A map of strings (`map[string]string`): what tags are. The record is borrowed, not copied. */
export class GoStringMap {
  readonly entries: Readonly<Record<string, string>>;
  constructor(entries: Readonly<Record<string, string>>) {
    this.entries = entries;
  }
}

export function stringMap(entries: Readonly<Record<string, string>>): GoStringMap {
  return new GoStringMap(entries);
}

/** Text that one HTML context takes as it is (Go's `template.JS`); everywhere else it is an ordinary string. */
export class SafeJs {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
  toJSON(): string {
    return this.text;
  }
}

/** A value sorted by Go kind; the payload is what the kind's operations need. */
export type Kinded =
  | { readonly kind: "nil" }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "int"; readonly value: Int64 }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "slice"; readonly value: readonly unknown[] }
  | {
      readonly kind: "map";
      readonly value: Readonly<Record<string, unknown>>;
      readonly ofStrings: boolean;
    }
  | { readonly kind: "struct"; readonly value: GoStruct }
  | { readonly kind: "time"; readonly value: GoTime }
  | { readonly kind: "duration"; readonly value: GoDuration };

const NIL: Kinded = { kind: "nil" };

export function kindOf(value: unknown): Kinded {
  switch (typeof value) {
    case "string":
      return { kind: "string", value };
    case "boolean":
      return { kind: "bool", value };
    case "bigint":
      return { kind: "int", value };
    case "number":
      return Number.isInteger(value) && !Object.is(value, -0)
        ? { kind: "int", value: exactInt(value) }
        : { kind: "float", value };
    case "object":
      return value === null ? NIL : kindOfObject(value);
    default:
      return NIL;
  }
}

function kindOfObject(value: object): Kinded {
  if (Array.isArray(value)) return { kind: "slice", value };
  if (value instanceof GoFloat) return { kind: "float", value: value.value };
  if (value instanceof GoTime) return { kind: "time", value };
  if (value instanceof GoDuration) return { kind: "duration", value };
  if (value instanceof GoStruct) return { kind: "struct", value };
  if (value instanceof GoStringMap) return { kind: "map", value: value.entries, ofStrings: true };
  if (value instanceof SafeJs) return { kind: "string", value: value.text };
  return { kind: "map", value: value as Readonly<Record<string, unknown>>, ofStrings: false };
}

const exactInt = (value: number): Int64 => (Number.isSafeInteger(value) ? value : BigInt(value));

/** Go's name of a value's type, as `%T` and error texts print it. */
export function typeName(value: unknown): string {
  const v = kindOf(value);
  switch (v.kind) {
    case "nil":
      return "<nil>";
    case "bool":
      return "bool";
    case "int":
      return "int64";
    case "float":
      return "float64";
    case "string":
      return "string";
    case "slice":
      return "[]interface {}";
    case "map":
      return v.ofStrings ? "map[string]string" : "map[string]interface {}";
    case "struct":
      return v.value.goType;
    case "time":
      return "time.Time";
    case "duration":
      return "time.Duration";
  }
}

/** Go's truth in `if`, `with`, `and`, `or`, `not`: false for nil, false, 0, "" and empty slices and maps. */
export function isTrue(value: unknown): boolean {
  const v = kindOf(value);
  switch (v.kind) {
    case "nil":
      return false;
    case "bool":
      return v.value;
    case "int":
      return BigInt(v.value) !== 0n;
    case "float":
      return v.value !== 0;
    case "string":
      return v.value !== "";
    case "slice":
      return v.value.length > 0;
    case "map":
      return Object.keys(v.value).length > 0;
    case "duration":
      return BigInt(v.value.ns) !== 0n;
    case "struct":
    case "time":
      return true;
  }
}

/** The keys of a map in ascending byte order, the order in which maps are printed and ranged over. */
export function mapKeys(map: Readonly<Record<string, unknown>>): string[] {
  const keys = Object.keys(map);
  // Tags and fields usually come in order.
  const isOrdered = keys.every((key, i) => i === 0 || compareBytes(keys[i - 1] ?? "", key) < 0);
  return isOrdered ? keys : keys.sort(compareBytes);
}

/** An own member, or `undefined`; never one inherited from JavaScript. */
export function member(map: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}
