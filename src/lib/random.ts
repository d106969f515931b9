/**
 * Randomness as a thing that is given. `daemon/system.ts` builds the real one; `SeededRandom` makes
 * simulations and property tests repeatable.
 */

export interface Random {
  /** Uniform in 0 … 2^32−1. */
  u32(): number;
  /** Uniform in 0 … n−1; n ≥ 1. */
  below(n: number): number;
  /** Uniform in [0, 1). */
  float(): number;
  bytes(n: number): Uint8Array;
}

/** In-place Fisher–Yates shuffle. */
export function shuffle<T>(random: Random, items: T[]): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const held = items[i] as T;
    items[i] = items[j] as T;
    items[j] = held;
  }
}

/** xoshiro128**: small, fast and good enough for simulations; never for secrets. */
export class SeededRandom implements Random {
  readonly #state: Uint32Array;

  constructor(seed: number) {
    this.#state = new Uint32Array(4);
    let x = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      this.#state[i] = (z ^ (z >>> 16)) >>> 0;
    }
  }

  u32(): number {
    const s = this.#state;
    const [a, b, c, d] = [s[0] as number, s[1] as number, s[2] as number, s[3] as number];
    const five = Math.imul(b, 5);
    const result = Math.imul((five << 7) | (five >>> 25), 9) >>> 0;
    const t = b << 9;
    s[2] = c ^ a;
    s[3] = d ^ b;
    s[1] = b ^ (s[2] as number);
    s[0] = a ^ (s[3] as number);
    s[2] = (s[2] as number) ^ t;
    const last = s[3] as number;
    s[3] = (last << 11) | (last >>> 21);
    return result;
  }

  below(n: number): number {
    return Math.floor(this.float() * n);
  }

  float(): number {
    return this.u32() / 4294967296;
  }

  bytes(n: number): Uint8Array {
    const out = new Uint8Array(n);
    for (let i = 0; i < n; i++) out[i] = this.u32() & 0xff;
    return out;
  }
}
