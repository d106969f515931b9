/**
 * Says that packets or connections were dropped for their keys: at once, then at most once a minute and reason.
 *
 * An operator who forgot a member in a rotation sees it here; somebody who floods the port fills no log.
 */

import type { LogFields } from "#lib/log.ts";
import { formatHostPort } from "../messages/ip.ts";
import type { Address, MonoMs } from "../ports.ts";

/** Between two lines of one reason, milliseconds. */
export const WARN_EVERY_MS = 60_000;

/** Reasons that have to do with keys, and what may be wrong. */
const HINTS: Readonly<Record<string, string>> = {
  "plain-with-keys": "the sender has no encryption-keys, this member has",
  "sealed-without-keys": "the sender has encryption-keys, this member has none",
  "unknown-key": "the sender seals with a key that is not in encryption-keys here",
  "bad-seal": "the seal is wrong: another key or cluster, or damaged",
};

interface Told {
  at: MonoMs;
  /** Drops since the last line. */
  count: number;
}

export class KeyWarnings {
  readonly #what: string;
  readonly #warn: (message: string, fields: LogFields) => void;
  readonly #told = new Map<string, Told>();

  /** `what`: what is dropped, for the message. */
  constructor(what: string, warn: (message: string, fields: LogFields) => void) {
    this.#what = what;
    this.#warn = warn;
  }

  /** Does nothing for reasons that have nothing to do with keys. `from` is for the log alone. */
  dropped(reason: string, from: Address | string, now: MonoMs): void {
    const hint = HINTS[reason];
    if (hint === undefined) return;
    const told = this.#told.get(reason);
    if (told !== undefined && now - told.at < WARN_EVERY_MS) {
      told.count++;
      return;
    }
    const count = (told?.count ?? 0) + 1;
    this.#told.set(reason, { at: now, count: 0 });
    const sender = typeof from === "string" ? from : formatHostPort(from);
    this.#warn(`${this.#what} dropped for its key`, { reason, from: sender, count, hint });
  }
}
