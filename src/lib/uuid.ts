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
const LOW_MAX = 0xffff_ffff;

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
  /** The 100 ns count at `#knownMs`: its lower 32 bits, and the bits above. */
  #knownMs = -1;
  #low = 0;
  #high = 0;
  #highHex = "";

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
    if (this.#ms !== this.#knownMs) this.#knowMs();
    const low = this.#low + this.#tick;
    const high = low > LOW_MAX ? upperParts(this.#high + 1) : this.#highHex;
    return (low >>> 0).toString(16).padStart(8, "0") + high + this.#tail;
  }

  #knowMs(): void {
    const ticks = BigInt(this.#ms + GREGORIAN_OFFSET_MS) * BigInt(TICKS_PER_MS);
    this.#knownMs = this.#ms;
    this.#low = Number(BigInt.asUintN(32, ticks));
    this.#high = Number(ticks >> 32n);
    this.#highHex = upperParts(this.#high);
  }
}

/** Middle and high part of the time with the version between them, and the dashes around. */
function upperParts(high: number): string {
  const hex = high.toString(16).padStart(7, "0");
  return `-${hex.slice(3)}-1${hex.slice(0, 3)}-`;
}

function format(bytes: Uint8Array): string {
  let out = "";
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) out += "-";
    out += HEX[bytes[i] ?? 0] ?? "";
  }
  return out;
}
