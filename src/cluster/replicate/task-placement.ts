/**
 * Which members are to run a cluster task: the first R in the order of rendezvous over its ID.
 *
 * Members are *in* or *out*. One goes out when it has been dead or left for longer than a delay, and in again when it
 * has been alive for a longer one, so a process that restarts keeps its tasks and one that flaps gets none. Members
 * that are out stand in only while fewer than R are in. Time is the caller's; nothing here waits.
 * Source: reference cluster-behaviour.md U9, U10, gossip.md §14.1.
 */

import { effectiveRedundancy, Rankings } from "../ownership/ranking.ts";
import type { ClusterView, MemberId, MemberStatus } from "../ports.ts";

export interface PlacementOptions {
  /** Gone for this long: its tasks move, ms. */
  readonly goneMs: number;
  /** Back for this long: it gets them back, ms. */
  readonly returnMs: number;
}

interface Standing {
  isOut: boolean;
  /** Since when it is not where it has to be for staying in or out; monotonic ms. */
  since: number | undefined;
}

export class TaskPlacement {
  readonly #options: PlacementOptions;
  readonly #rankings = new Rankings();
  readonly #standings = new Map<MemberId, Standing>();
  #view: ClusterView | undefined;
  #redundancy = 1;

  constructor(options: PlacementOptions) {
    this.#options = options;
  }

  /** Takes the members as they are now. True when a member went in or out, came or was removed. */
  update(view: ClusterView, now: number): boolean {
    const known = view.members.map(({ id }) => id).join();
    const before = this.#view?.members.map(({ id }) => id).join();
    const redundancy = effectiveRedundancy(view.members.map((member) => member.redundancy));
    let changed = known !== before || redundancy !== this.#redundancy;
    this.#view = view;
    this.#redundancy = redundancy;
    if (changed) this.#rankings.update(view, new Set());
    const present = new Set(view.members.map(({ id }) => id));
    for (const id of this.#standings.keys()) if (!present.has(id)) this.#standings.delete(id);
    for (const { id, status } of view.members) {
      const isGone = id !== view.localId && isAway(status);
      changed = this.#step(this.#standing(id), isGone, now) || changed;
    }
    return changed;
  }

  /** Counts all members in, as those of another cluster. */
  forget(): void {
    this.#standings.clear();
    this.#view = undefined;
  }

  /** Another member says that this one is out; believed at a start, when nothing is known from own sight. */
  putOut(member: MemberId, now: number): void {
    const standing = this.#standings.get(member);
    if (standing === undefined || standing.isOut) return;
    standing.isOut = true;
    standing.since = this.#isAway(member) ? undefined : now;
  }

  /** Members that get no tasks for now. */
  out(): readonly MemberId[] {
    return [...this.#standings].filter(([, { isOut }]) => isOut).map(([id]) => id);
  }

  /** All members, first one first. */
  ranking(task: string): readonly MemberId[] {
    return this.#rankings.of(task).ranking;
  }

  /** Who is to run the task, first one first; `cannot` names members that never can. */
  wanted(task: string, cannot: (member: MemberId) => boolean): readonly MemberId[] {
    const able = this.ranking(task).filter((member) => !cannot(member));
    const isOut = (member: MemberId): boolean => this.#standings.get(member)?.isOut === true;
    const first = able.filter((member) => !isOut(member));
    const standIns = able.filter((member) => isOut(member) && !this.#isAway(member));
    return [...first, ...standIns].slice(0, this.#redundancy);
  }

  /** When the next member goes in or out by time alone; `undefined` when none is on its way. */
  nextAt(): number | undefined {
    let next: number | undefined;
    for (const { isOut, since } of this.#standings.values()) {
      if (since === undefined) continue;
      const at = since + this.#wait(isOut);
      if (next === undefined || at < next) next = at;
    }
    return next;
  }

  #standing(member: MemberId): Standing {
    const known = this.#standings.get(member);
    if (known !== undefined) return known;
    const standing: Standing = { isOut: false, since: undefined };
    this.#standings.set(member, standing);
    return standing;
  }

  #step(standing: Standing, isGone: boolean, now: number): boolean {
    if (isGone === standing.isOut) {
      standing.since = undefined;
      return false;
    }
    standing.since ??= now;
    if (now < standing.since + this.#wait(standing.isOut)) return false;
    standing.isOut = isGone;
    standing.since = undefined;
    return true;
  }

  #wait(isOut: boolean): number {
    return isOut ? this.#options.returnMs : this.#options.goneMs;
  }

  #isAway(member: MemberId): boolean {
    const found = this.#view?.members.find(({ id }) => id === member);
    return found === undefined || (member !== this.#view?.localId && isAway(found.status));
  }
}

/** Silence alone is no absence: a suspect may yet answer. */
export function isAway(status: MemberStatus): boolean {
  return status === "dead" || status === "left" || status === "removed";
}
