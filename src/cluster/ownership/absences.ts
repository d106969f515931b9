/**
 * Which members do not count as acting owners any more, and on what evidence.
 *
 * A process that is surely gone (refused connections, said it leaves) is skipped at once; silence counts only after
 * `delay-per-member`, so that a short cut or pause produces no duplicates; and never while a connection works. Source: reference gossip.md §14.1, §14.4.
 */

import type { ClusterView, MemberId, MemberView } from "../ports.ts";
import type { Reason } from "./reasons.ts";

export type LinkState = "up" | "lost" | "refused";

export class Absences {
  readonly #delayMs: number;
  readonly #links = new Map<MemberId, LinkState>();
  readonly #deadSince = new Map<MemberId, number>();
  /** Dead or left by the view. */
  readonly #away = new Set<MemberId>();
  /** Of these, whose connection came up since: there again, whatever gossip still says. */
  readonly #revived = new Set<MemberId>();

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  setLink(member: MemberId, state: LinkState): void {
    this.#links.set(member, state);
    if (state !== "up") this.#revived.delete(member);
    else if (this.#away.has(member)) {
      this.#revived.add(member);
      this.#deadSince.delete(member);
    }
  }

  link(member: MemberId): LinkState | undefined {
    return this.#links.get(member);
  }

  /** The gone members of a view, with the evidence; `now` is core time. Remembers since when silence lasts. */
  of(view: ClusterView, now: number): Map<MemberId, Reason> {
    const gone = new Map<MemberId, Reason>();
    const present = new Set<MemberId>();
    for (const member of view.members) {
      present.add(member.id);
      if (member.id === view.localId) continue;
      const reason = this.#evidence(member, now);
      if (reason !== undefined) gone.set(member.id, reason);
    }
    for (const map of [this.#deadSince, this.#away, this.#revived]) {
      for (const id of map.keys()) if (!present.has(id)) map.delete(id);
    }
    // A connection may come up before the view knows of its member, and is not told again.
    for (const [id, state] of this.#links) {
      if (state !== "up" && !present.has(id)) this.#links.delete(id);
    }
    return gone;
  }

  /** When a silent death next becomes old enough; `undefined` when none is running. */
  nextAt(now: number): number | undefined {
    let next: number | undefined;
    for (const since of this.#deadSince.values()) {
      const at = since + this.#delayMs;
      if (at > now && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  #evidence(member: MemberView, now: number): Reason | undefined {
    const { status } = member;
    if (status === "dead" || status === "left") this.#away.add(member.id);
    else {
      this.#away.delete(member.id);
      this.#revived.delete(member.id);
    }
    if (status !== "dead") this.#deadSince.delete(member.id);
    if (status === "leaving") return "gone_left";
    // It asks what was told and acts on the answer: from then on it has to be reckoned with and told.
    if (this.#revived.has(member.id)) return undefined;
    if (status === "left") return "gone_left";
    if (this.#links.get(member.id) === "refused") return "gone_refused";
    if (status !== "dead") return undefined;
    if (member.crashEvidence) return "gone_dead_refused";
    const since = this.#deadSince.get(member.id) ?? now;
    this.#deadSince.set(member.id, since);
    const isUp = this.#links.get(member.id) === "up";
    // The same sum as in `nextAt`: a difference may round to just below the delay at the very moment it is over.
    return !isUp && now >= since + this.#delayMs ? "gone_dead_silent" : undefined;
  }
}
