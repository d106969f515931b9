/**
 * UUIDs in the lower-case text form, from given randomness and time.
 *
 * Version 4 names things that must not collide. Version 1 marks requests: it holds the time at which it
 * was made, so two of them sort out which request came first.
 * Source: RFC 9562 §5.1 and §5.4.
 */

import type { Random } from "./random.ts";
import type { Time } from "./time.ts";

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) =>
  i.toString(16).padStart(2, "0"),
);

/** A random (version 4) UUID. */
export function uuid4(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return format(bytes);
}

const GREGORIAN_OFFSET_MS = 12_219_292_800_000;
const TICKS_PER_MS = 10_000;

/**
 * Makes time-based (version 1) UUIDs that strictly increase for one maker.
 *
 * The upper parts are computed once per millisecond; within one, the low 100 ns count goes up by at
 * least one per UUID. More than 10,000 in a millisecond borrow from the next one.
 */
export class TimeUuids {
  readonly #tail: string;
  #ms = -1;
  #tick = 0;

  constructor(random: Random) {
    const bytes = random.bytes(8);
    bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x80;
    // A random node number must carry the multicast bit, so that it is nobody's network address.
    bytes[2] = (bytes[2] ?? 0) | 0x01;
    const hex = [...bytes].map((byte) => HEX[byte] ?? "").join("");
    this.#tail = `${hex.slice(0, 4)}-${hex.slice(4)}`;
  }

  next(now: Time): string {
    const tick = Math.floor(now.ns / 100);
    if (now.ms > this.#ms || (now.ms === this.#ms && tick > this.#tick)) {
      this.#ms = now.ms;
      this.#tick = tick;
    } else if (++this.#tick === TICKS_PER_MS) {
      this.#ms++;
      this.#tick = 0;
    }
    const ticks = BigInt(this.#ms + GREGORIAN_OFFSET_MS) * 10_000n + BigInt(this.#tick);
    const hex = ticks.toString(16).padStart(15, "0");
    return `${hex.slice(7)}-${hex.slice(3, 7)}-1${hex.slice(0, 3)}-${this.#tail}`;
  }
}

function format(bytes: Uint8Array): string {
  let out = "";
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) out += "-";
    out += HEX[bytes[i] ?? 0] ?? "";
  }
  return out;
}
