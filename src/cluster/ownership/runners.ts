/**
 * Which members run which inline topics, and with which handlers.
 *
 * A task's own topic is no business of members that do not run the task. Each member therefore tells the others which
 * inline topics it runs and a fingerprint of each handler set; those with the same fingerprint form the topic's *group*
 * and share its events as owners of a named topic do. A different fingerprint is a different topic. A topic that was
 * closed stays in its group for a moment, passing everything on, so that a task that is reloaded leaves no gap and what
 * is being sent ends first. Source: cluster-behaviour.md U23, issue text "inline handlers too".
 */

import type { MemberId } from "../ports.ts";
import { INLINE_TOPICS_MAX } from "./limits.ts";

interface Own {
  /** What the others are told. */
  fingerprint: string;
  /** Handlers are attached; false while what was sent by the former ones ends. */
  open: boolean;
  /** To be run as soon as the former set is withdrawn; empty = nothing. */
  next: string;
  /** Nothing is sent before; core time. */
  readonly quietUntil: number;
}

export class Runners {
  readonly #self: MemberId;
  readonly #own = new Map<string, Own>();
  /** Topic → other member → fingerprint. */
  readonly #others = new Map<string, Map<MemberId, string>>();

  constructor(self: MemberId) {
    this.#self = self;
  }

  /** Topics run here, also those being closed. */
  get size(): number {
    return this.#own.size;
  }

  /**
   * Handlers were attached. `started`: tell the others; `again`: they know it so; `later`: a former set must be withdrawn
   * first; `full`: too many, this topic is not shared.
   */
  open(
    topic: string,
    fingerprint: string,
    quietUntil: number,
  ): "started" | "again" | "later" | "full" {
    const known = this.#own.get(topic);
    if (known === undefined) {
      if (this.#own.size >= INLINE_TOPICS_MAX) return "full";
      this.#own.set(topic, { fingerprint, open: true, next: "", quietUntil });
      return "started";
    }
    if (known.fingerprint === fingerprint) {
      known.open = true;
      known.next = "";
      return "again";
    }
    known.open = false;
    known.next = fingerprint;
    return "later";
  }

  /** Handlers were detached; true when others must be told in time. */
  close(topic: string): boolean {
    const known = this.#own.get(topic);
    if (known === undefined) return false;
    known.open = false;
    known.next = "";
    return true;
  }

  /** What was being sent has ended: the topic leaves its group. Returns the fingerprint it goes on with, or "". */
  withdraw(topic: string, quietUntil: number): string {
    const known = this.#own.get(topic);
    if (known === undefined || known.open) return known?.fingerprint ?? "";
    this.#own.delete(topic);
    if (known.next === "") return "";
    this.#own.set(topic, { fingerprint: known.next, open: true, next: "", quietUntil });
    return known.next;
  }

  isOpen(topic: string): boolean {
    return this.#own.get(topic)?.open === true;
  }

  /** Known here, open or being closed. */
  isOwn(topic: string): boolean {
    return this.#own.has(topic);
  }

  quietUntil(topic: string): number {
    return this.#own.get(topic)?.quietUntil ?? Number.NEGATIVE_INFINITY;
  }

  /** Does anybody else run it with the same handlers, and is it open here? */
  isShared(topic: string): boolean {
    const own = this.#own.get(topic);
    if (own?.open !== true) return false;
    for (const fingerprint of this.#others.get(topic)?.values() ?? []) {
      if (fingerprint === own.fingerprint) return true;
    }
    return false;
  }

  /** Who shares its events: this member, and those with the same handlers as here. */
  groupOf(topic: string): readonly MemberId[] {
    const own = this.#own.get(topic);
    const group = [this.#self];
    if (own === undefined) return group;
    for (const [member, fingerprint] of this.#others.get(topic) ?? []) {
      if (fingerprint === own.fingerprint) group.push(member);
    }
    return group;
  }

  isInGroup(topic: string, member: MemberId): boolean {
    const own = this.#own.get(topic);
    return own !== undefined && this.#others.get(topic)?.get(member) === own.fingerprint;
  }

  /** Another member said what it runs; true when that is news. An empty fingerprint: not any more. */
  learn(member: MemberId, topic: string, fingerprint: string): boolean {
    let members = this.#others.get(topic);
    if ((members?.get(member) ?? "") === fingerprint) return false;
    if (fingerprint === "") {
      members?.delete(member);
      if (members?.size === 0) this.#others.delete(topic);
      return true;
    }
    if (members === undefined) {
      members = new Map();
      this.#others.set(topic, members);
    }
    members.set(member, fingerprint);
    return true;
  }

  /** Everything a member was known to run. */
  ofMember(member: MemberId): readonly (readonly [topic: string, fingerprint: string])[] {
    const out: [string, string][] = [];
    for (const [topic, members] of this.#others) {
      const fingerprint = members.get(member);
      if (fingerprint !== undefined) out.push([topic, fingerprint]);
    }
    return out;
  }

  /** The topics run here, as the others are to know them. */
  own(): readonly (readonly [topic: string, fingerprint: string])[] {
    return [...this.#own].map(([topic, { fingerprint }]) => [topic, fingerprint]);
  }
}
