/**
 * Who is there: the members' table, connections, and who of them counts as gone; says when the acting owners change.
 *
 * Evidence and its waits are kept by `Absences`, owners are computed by `Rankings`; this part feeds both and passes on
 * what follows from a change. Source: reference gossip.md §14.1, §14.4.
 */

import type { ClusterView, MemberId } from "../ports.ts";
import type { Absences, LinkState } from "./absences.ts";
import type { Announcements } from "./announcements.ts";
import type { Dispatch } from "./dispatch.ts";
import type { Outbox } from "./outbox.ts";
import type { Placement } from "./placement.ts";
import type { Pulls } from "./pulls.ts";
import type { Rankings } from "./ranking.ts";
import type { Reason, ReasonCounts } from "./reasons.ts";
import type { TimerHeap } from "./timer-heap.ts";

export interface TopologyHost {
  readonly absences: Absences;
  readonly rankings: Rankings;
  readonly announcements: Announcements;
  readonly dispatch: Dispatch;
  readonly outbox: Outbox;
  readonly placement: Placement;
  readonly pulls: Pulls;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
  isLeaving(): boolean;
  /** This member belongs to another cluster now. */
  joined(): void;
  /** There is no other member in the table (any more). */
  becameAlone(): void;
}

export class Topology {
  readonly #host: TopologyHost;
  #view: ClusterView;
  #gone: ReadonlyMap<MemberId, Reason>;
  /** Those of them that said that they left, whatever was noticed of them since. */
  readonly #departed = new Set<MemberId>();
  #goneTimerAt = Number.POSITIVE_INFINITY;

  /** Computes the owners; `start` sets the waits. */
  constructor(host: TopologyHost, view: ClusterView) {
    this.#host = host;
    this.#view = view;
    this.#gone = host.absences.of(view, host.now());
    host.rankings.update(view, new Set(this.#gone.keys()));
  }

  start(): void {
    this.#armGone();
  }

  get isAlone(): boolean {
    return this.#view.members.length <= 1;
  }

  setView(view: ClusterView): void {
    const { announcements, outbox, pulls, rankings } = this.#host;
    const isOther = view.clusterId !== this.#view.clusterId && view.members.length > 1;
    const { members: before, redundancy } = rankings;
    this.#view = view;
    if (isOther) this.#host.joined();
    if (this.isAlone) this.#host.becameAlone();
    this.look();
    const { members } = rankings;
    const same =
      before.length === members.length &&
      before.every((member) => members.includes(member)) &&
      redundancy === rankings.redundancy;
    if (same) return;
    outbox.retain(members);
    announcements.retain(members);
    pulls.tableChanged();
  }

  link(member: MemberId, state: LinkState): void {
    const { absences, announcements, dispatch, outbox, placement, pulls } = this.#host;
    const before = absences.link(member);
    absences.setLink(member, state);
    if (state !== "up") {
      outbox.disconnected(member);
      this.look();
      return;
    }
    dispatch.hurry();
    this.look();
    outbox.hurry(member);
    placement.resendTo(member);
    pulls.linked(member, before !== undefined);
    announcements.linked(member);
  }

  /** Looks at who is gone, and has events and waits moved accordingly. */
  look(): void {
    const { absences, counts, placement, pulls, rankings } = this.#host;
    const gone = absences.of(this.#view, this.#host.now());
    this.#noteGone(gone);
    const away = new Set(gone.keys());
    if (this.#host.isLeaving()) away.add(this.#view.localId);
    const before = this.#ownershipText();
    rankings.update(this.#view, away);
    this.#armGone();
    pulls.openIfAllowed();
    if (this.#ownershipText() === before) return;
    counts.add("wait_recomputed");
    placement.ownersChanged();
  }

  #noteGone(gone: ReadonlyMap<MemberId, Reason>): void {
    const { counts, dispatch, outbox } = this.#host;
    for (const [member, reason] of gone) {
      if (reason === "gone_left") this.#departed.add(member);
      if (this.#gone.has(member)) continue;
      counts.add(reason);
      outbox.forget(member);
    }
    for (const member of this.#departed) {
      if (gone.has(member)) continue;
      this.#departed.delete(member);
      dispatch.cameBack(member);
    }
    this.#gone = gone;
  }

  #ownershipText(): string {
    const { rankings } = this.#host;
    const acting = rankings.members.filter((member) => !rankings.isGone(member));
    return `${rankings.redundancy} ${rankings.members.join()} ${acting.join()}`;
  }

  #armGone(): void {
    const { absences, timers } = this.#host;
    const now = this.#host.now();
    const at = absences.nextAt(now);
    if (at === undefined || (at >= this.#goneTimerAt && this.#goneTimerAt > now)) return;
    this.#goneTimerAt = at;
    timers.set(at, () => {
      this.#goneTimerAt = Number.POSITIVE_INFINITY;
      this.look();
    });
  }
}
