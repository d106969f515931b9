/**
 * Which members have a copy of an event, as far as this one knows.
 *
 * There are many events and mostly one or two copies of each, so nothing is allocated while there is none, and a short
 * list is searched; a map takes over where every member of a large cluster is an owner. Entries keep their order.
 */

import type { MemberId } from "../ports.ts";

/** On its way there or to be sent soon, acknowledged, it came from there, or it was raised there, too. */
export type CopyState = "queued" | "acked" | "came" | "said";

/** Entries that are searched one by one. */
const FEW = 8;
const NONE: readonly [MemberId, CopyState][] = [];

export class Copies {
  #few: [MemberId, CopyState][] | undefined;
  #many: Map<MemberId, CopyState> | undefined;

  get(member: MemberId): CopyState | undefined {
    return this.#many === undefined ? this.#find(member)?.[1] : this.#many.get(member);
  }

  has(member: MemberId): boolean {
    return this.get(member) !== undefined;
  }

  set(member: MemberId, state: CopyState): void {
    if (this.#many !== undefined) {
      this.#many.set(member, state);
      return;
    }
    const known = this.#find(member);
    if (known !== undefined) known[1] = state;
    else if (this.#few === undefined) this.#few = [[member, state]];
    else if (this.#few.length < FEW) this.#few.push([member, state]);
    else {
      this.#many = new Map(this.#few).set(member, state);
      this.#few = undefined;
    }
  }

  delete(member: MemberId): void {
    this.#many?.delete(member);
    const known = this.#few === undefined ? undefined : this.#find(member);
    if (known === undefined || this.#few === undefined) return;
    if (this.#few.length === 1) this.#few = undefined;
    else this.#few.splice(this.#few.indexOf(known), 1);
  }

  /** Who has none by now is to get none. */
  forgetQueued(): void {
    for (const member of this.members()) if (this.get(member) === "queued") this.delete(member);
  }

  /** Everybody who has one, or will. */
  members(): readonly MemberId[] {
    const out: MemberId[] = [];
    for (const [member] of this.#entries()) out.push(member);
    return out;
  }

  /** Those this member sent it to, whether or not they own the topic by now. */
  receivers(): readonly MemberId[] {
    const out: MemberId[] = [];
    for (const [member, state] of this.#entries()) {
      if (state === "queued" || state === "acked") out.push(member);
    }
    return out;
  }

  /** Does another member have one? */
  isElsewhere(): boolean {
    for (const [, state] of this.#entries()) if (state !== "queued") return true;
    return false;
  }

  /** Has one of these members one? */
  isWith(members: readonly MemberId[]): boolean {
    return members.some((member) => (this.get(member) ?? "queued") !== "queued");
  }

  /** In the order in which they became known. */
  #entries(): Iterable<readonly [MemberId, CopyState]> {
    return this.#many ?? this.#few ?? NONE;
  }

  #find(member: MemberId): [MemberId, CopyState] | undefined {
    // Not `find`: it would make a closure per look.
    for (const copy of this.#few ?? NONE) if (copy[0] === member) return copy;
    return undefined;
  }
}
