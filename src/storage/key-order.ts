/**
 * The order of keys: ascending bytes of their UTF-8 form, which is the order of code points.
 *
 * JavaScript compares UTF-16 units, which puts characters beyond U+FFFF before U+E000…U+FFFF. Both stores use
 * these functions, so that a range means the same in memory and on disk.
 */

import type { RangeOptions } from "./store.ts";

/** Negative, zero or positive, by UTF-8 bytes. Both texts must be well-formed. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above U+FFFF, so they sort after every other unit. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** The least key greater than every key with this prefix; `undefined` when there is none. */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix, (c) => c.codePointAt(0) ?? 0);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue;
    const next = last === 0xd7ff ? 0xe000 : last + 1;
    return String.fromCodePoint(...points, next);
  }
  return undefined;
}

/** A range as bounds: `from` inclusive or exclusive, `to` exclusive; absent = unbounded. */
export interface Bounds {
  readonly from: string | undefined;
  readonly fromInclusive: boolean;
  readonly to: string | undefined;
}

/** Turns prefix, `after` and direction into the tightest bounds. */
export function boundsOf(range: RangeOptions): Bounds {
  const prefix = range.prefix === "" ? undefined : range.prefix;
  const end = prefix === undefined ? undefined : prefixEnd(prefix);
  const { after } = range;
  if (after === undefined) return { from: prefix, fromInclusive: true, to: end };
  if (range.reverse === true) {
    const to = end === undefined || compareKeys(after, end) < 0 ? after : end;
    return { from: prefix, fromInclusive: true, to };
  }
  if (prefix !== undefined && compareKeys(after, prefix) < 0)
    return { from: prefix, fromInclusive: true, to: end };
  return { from: after, fromInclusive: false, to: end };
}
