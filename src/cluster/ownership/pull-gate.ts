/**
 * Holds sends back until others have said what they did meanwhile.
 *
 * After a start, a stall, a reconnect or a change of the table this member may not know that its events were taken over.
 * It asks the members it is connected to for their completions; until they answered, for a bounded time, it starts no
 * send. Source: reference gossip.md §14.5, cluster-behaviour.md U14, U30.
 */

import type { MemberId } from "../ports.ts";

export class PullGate {
  #until: number | undefined;
  /** Time left for the others once the first one has answered; `undefined` when that changes nothing. */
  #afterFirstMs: number | undefined;
  /** Members that must answer, as long as they are not gone. */
  readonly #expected = new Set<MemberId>();

  get isShut(): boolean {
    return this.#until !== undefined;
  }

  /** When it opens at the latest; core time. */
  get until(): number | undefined {
    return this.#until;
  }

  /**
   * Shuts it until these members have answered. One that is shut keeps its end, so that a flapping link cannot hold
   * sends for ever; only a *new* reason (start, stall, change of the table) extends it.
   */
  shut(options: {
    readonly until: number;
    readonly expect: readonly MemberId[];
    readonly extend: boolean;
    readonly afterFirstMs?: number;
  }): void {
    if (this.#until === undefined || options.extend) {
      this.#until = Math.max(this.#until ?? options.until, options.until);
      this.#afterFirstMs = options.afterFirstMs;
    }
    for (const member of options.expect) this.#expected.add(member);
  }

  answered(member: MemberId): void {
    this.#expected.delete(member);
  }

  /** Somebody is there. */
  heard(now: number): void {
    if (this.#until === undefined || this.#afterFirstMs === undefined) return;
    this.#until = Math.min(this.#until, now + this.#afterFirstMs);
  }

  /** Opens the gate when nobody is left to answer; true when it changed. */
  tryOpen(isGone: (member: MemberId) => boolean): boolean {
    if (this.#until === undefined) return false;
    for (const member of this.#expected) if (!isGone(member)) return false;
    this.open();
    return true;
  }

  open(): void {
    this.#until = undefined;
    this.#expected.clear();
  }
}
