/**
 * What the state machine wants done in the world: collected while inputs run, taken together by its shell.
 *
 * A send that is put out but not taken yet can still be taken back: its endpoint has surely not heard of it.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { MemberId } from "../ports.ts";
import type { Announcement } from "./announcements.ts";
import type { StoredWrite } from "./journal.ts";
import type { Batch, PullRequest } from "./notices.ts";

/** What the shell has to do. */
export type Output =
  | {
      readonly kind: "batch";
      readonly to: MemberId;
      readonly number: number;
      readonly batch: Batch;
    }
  | {
      readonly kind: "start";
      readonly ticket: number;
      readonly event: AlertEvent;
      readonly handler: string;
      /** Another owner can do it: a few attempts are enough. */
      readonly brief: boolean;
    }
  | { readonly kind: "cancel"; readonly ticket: number }
  | { readonly kind: "write"; readonly number: number; readonly writes: readonly StoredWrite[] }
  | { readonly kind: "pull"; readonly from: MemberId; readonly request: PullRequest }
  | { readonly kind: "announce"; readonly to: MemberId; readonly announcement: Announcement }
  /** Everything is handed over; the process may end. */
  | { readonly kind: "left" };

export class Outputs {
  #waiting: Output[] = [];

  push(output: Output): void {
    this.#waiting.push(output);
  }

  /** Puts these before what waits already; the array is kept. */
  putFirst(outputs: Output[]): void {
    for (const output of this.#waiting) outputs.push(output);
    this.#waiting = outputs;
  }

  take(): readonly Output[] {
    const taken = this.#waiting;
    this.#waiting = [];
    return taken;
  }

  /** Is this send among what was not taken yet? */
  hasStart(ticket: number): boolean {
    return this.#startAt(ticket) >= 0;
  }

  /** Takes a send back; false when the shell has it already. */
  dropStart(ticket: number): boolean {
    const at = this.#startAt(ticket);
    if (at >= 0) this.#waiting.splice(at, 1);
    return at >= 0;
  }

  #startAt(ticket: number): number {
    return this.#waiting.findIndex((one) => one.kind === "start" && one.ticket === ticket);
  }
}
