/**
 * The cluster's keys: the first seals, all open; and which of them others were seen to use.
 *
 * A key keeps its object while it is in the list, wherever it stands there, so what was derived from it and when it
 * was last used survive each step of a rotation. A key that was deleted is found by nobody and opens nothing.
 * The first byte of a key's hash travels as a hint; keys whose hints are equal are tried one after the other.
 * Source: reference gossip.md §11.
 */

import type { MonoMs } from "../ports.ts";
import type { Crypto } from "./crypto.ts";

/** One key as long as it is configured. */
export interface RingKey {
  readonly bytes: Uint8Array;
  /** First byte of SHA-256(key). */
  readonly hint: number;
  /** First four bytes of SHA-256("key fingerprint" ‖ key) in hex: names the key in reports. */
  readonly fingerprint: string;
  /** When somebody else's packet or frame was last opened with it. */
  seenAt: MonoMs;
  /** Packets and frames opened with it. */
  opened: number;
}

/** What a member reports of one key. */
export interface KeyUse {
  readonly fingerprint: string;
  /** It is first in the list: this member seals with it. */
  readonly seals: boolean;
  /** Another member sealed with it during the last minute. */
  readonly seenLastMinute: boolean;
  readonly opened: number;
}

export interface KeyReport {
  readonly acceptPlain: boolean;
  readonly keys: readonly KeyUse[];
  /** With keys: plain packets were accepted during the last minute. */
  readonly plainSeenLastMinute: boolean;
}

/** How far a report looks back, milliseconds. */
export const KEY_USE_MS = 60_000;

export class KeyRing {
  readonly #crypto: Pick<Crypto, "sha256">;
  #keys: readonly RingKey[] = [];
  #acceptPlain = false;
  #plainSeenAt: MonoMs = Number.NEGATIVE_INFINITY;

  constructor(crypto: Pick<Crypto, "sha256">) {
    this.#crypto = crypto;
  }

  /** The first key seals, all open. 32 bytes each; a key given twice counts once. */
  set(keys: readonly Uint8Array[], acceptPlain: boolean): void {
    const next: RingKey[] = [];
    for (const bytes of keys) {
      if (next.some((key) => sameBytes(key.bytes, bytes))) continue;
      next.push(this.#keys.find((key) => sameBytes(key.bytes, bytes)) ?? this.#make(bytes));
    }
    this.#keys = next;
    this.#acceptPlain = acceptPlain;
  }

  get keys(): readonly RingKey[] {
    return this.#keys;
  }

  /** The key that seals; undefined when everything is plain. */
  get first(): RingKey | undefined {
    return this.#keys[0];
  }

  get sealing(): boolean {
    return this.#keys.length > 0;
  }

  /** May others speak plainly? Without keys they must. */
  get takesPlain(): boolean {
    return this.#keys.length === 0 || this.#acceptPlain;
  }

  /** Keys are set, and plain is still taken: a cluster is being switched over. */
  get switching(): boolean {
    return this.#keys.length > 0 && this.#acceptPlain;
  }

  /** Something was opened with the key, or, without one, taken as it came. */
  saw(key: RingKey | undefined, now: MonoMs): void {
    if (key === undefined) {
      this.#plainSeenAt = now;
      return;
    }
    key.seenAt = now;
    key.opened++;
  }

  report(now: MonoMs): KeyReport {
    return {
      acceptPlain: this.switching,
      keys: this.#keys.map((key, place) => ({
        fingerprint: key.fingerprint,
        seals: place === 0,
        seenLastMinute: now - key.seenAt < KEY_USE_MS,
        opened: key.opened,
      })),
      plainSeenLastMinute: this.sealing && now - this.#plainSeenAt < KEY_USE_MS,
    };
  }

  #make(bytes: Uint8Array): RingKey {
    const seenAt = Number.NEGATIVE_INFINITY;
    const hint = this.#crypto.sha256(bytes)[0] ?? 0;
    return { bytes, hint, fingerprint: this.#fingerprint(bytes), seenAt, opened: 0 };
  }

  #fingerprint(bytes: Uint8Array): string {
    const label = new TextEncoder().encode("key fingerprint");
    const input = new Uint8Array(label.length + bytes.length);
    input.set(label);
    input.set(bytes, label.length);
    let text = "";
    for (const byte of this.#crypto.sha256(input).subarray(0, 4)) {
      text += byte.toString(16).padStart(2, "0");
    }
    return text;
  }
}

/** Two reports of one member as one: seen by either is seen. The first names the keys. */
export function joinReports(a: KeyReport, b: KeyReport): KeyReport {
  return {
    acceptPlain: a.acceptPlain,
    keys: a.keys.map((key) => {
      const other = b.keys.find(({ fingerprint }) => fingerprint === key.fingerprint);
      if (other === undefined) return key;
      const seenLastMinute = key.seenLastMinute || other.seenLastMinute;
      return { ...key, seenLastMinute, opened: key.opened + other.opened };
    }),
    plainSeenLastMinute: a.plainSeenLastMinute || b.plainSeenLastMinute,
  };
}

/** Compares without telling by its duration where the difference is. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
