/**
 * The real clock and the real dice: the only place of the program that takes time or randomness from outside.
 */

import { randomBytes } from "node:crypto";
import type { Cancel, Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import { NS_PER_MS, type Time } from "#lib/time.ts";

/** The longest delay a runtime timer takes; a longer one would fire at once. */
const TIMER_MS_MAX = 0x7fffffff;

/** Random bytes are fetched in blocks: one system call per draw would be slow. */
const RANDOM_BLOCK_BYTES = 4096;

/** How far the smooth wall clock may stray from the system's before it follows a step, ms. */
const WALL_STEP_MS = 2;

/**
 * Wall and monotonic time of this machine. Wall time has the resolution of the monotonic source and never goes
 * back by itself; a system clock that was set is followed at the next call.
 */
export const systemClock: Clock = { monoMs: () => performance.now(), now: readWallClock, after };

/** Wall time minus monotonic time, ms. */
let wallOffsetMs = performance.timeOrigin;

function readWallClock(): Time {
  const mono = performance.now();
  const system = Date.now();
  const stray = mono + wallOffsetMs - system;
  if (stray < -WALL_STEP_MS || stray > WALL_STEP_MS + 1) wallOffsetMs = system - mono;
  const fine = mono + wallOffsetMs;
  const ms = Math.floor(fine);
  return { ms, ns: Math.floor((fine - ms) * 1000) * (NS_PER_MS / 1000) };
}

/** Milliseconds that local time is ahead of UTC at an instant (ms since 1970). */
export function zoneOffsetMs(ms: number): number {
  const minutes = new Date(ms).getTimezoneOffset();
  return Number.isNaN(minutes) ? 0 : -minutes * 60_000;
}

function after(delayMs: number, run: () => void): Cancel {
  // A runtime timer waits a millisecond at least; without delay the next turn of the loop is meant.
  if (!(delayMs > 0)) {
    const soon = setImmediate(run);
    return () => clearImmediate(soon);
  }
  let handle: ReturnType<typeof setTimeout>;
  // Rounded up: the runtime cuts fractions off, and who is woken early finds nothing due and waits a second time.
  const arm = (leftMs: number): void => {
    handle =
      leftMs > TIMER_MS_MAX
        ? setTimeout(() => arm(leftMs - TIMER_MS_MAX), TIMER_MS_MAX)
        : setTimeout(run, Math.ceil(leftMs));
  };
  arm(delayMs);
  return () => clearTimeout(handle);
}

/** Cryptographic randomness of the operating system, buffered. */
export class SystemRandom implements Random {
  #block = Buffer.alloc(0);
  #next = 0;

  u32(): number {
    if (this.#next + 4 > this.#block.length) {
      this.#block = randomBytes(RANDOM_BLOCK_BYTES);
      this.#next = 0;
    }
    const value = this.#block.readUInt32LE(this.#next);
    this.#next += 4;
    return value;
  }

  /** Exactly uniform: draws in the last, incomplete stretch of 2^32 are thrown away. */
  below(n: number): number {
    if (n > 0x1_0000_0000) return Math.floor(this.float() * n);
    const fair = 0x1_0000_0000 - (0x1_0000_0000 % n);
    for (;;) {
      const draw = this.u32();
      if (draw < fair) return draw % n;
    }
  }

  float(): number {
    return (this.u32() * 0x20_0000 + (this.u32() >>> 11)) / 0x20_0000_0000_0000;
  }

  bytes(n: number): Uint8Array {
    return new Uint8Array(randomBytes(n));
  }
}

/** How this process was called; of a compiled binary without the words that the runtime puts in front. */
export function commandLine(): readonly string[] {
  const [, script = "", ...words] = process.argv;
  return script.startsWith("/$bunfs/") ? [process.execPath, ...words] : process.argv;
}
