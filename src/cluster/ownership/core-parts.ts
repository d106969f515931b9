/**
 * The parts of alert ownership, and who of them is given what.
 *
 * Read it from top to bottom: what is remembered, what events and notices go through, what changes around this member.
 * Each part names what it needs in its own `Host`; a part made earlier reaches a later one only by a call named there,
 * made once all of them exist. Nothing but `core.ts` sees them all.
 */

import type { Random } from "#lib/random.ts";
import type { ClusterView, MemberId } from "../ports.ts";
import { Absences } from "./absences.ts";
import { Acceptance } from "./acceptance.ts";
import { Completions } from "./completions.ts";
import { Departure } from "./departure.ts";
import { Dispatch, type DispatchHost } from "./dispatch.ts";
import { FirstWord } from "./first-word.ts";
import { HeldEvents } from "./held-events.ts";
import { type InlineHost, InlineTopics } from "./inline-topics.ts";
import { Intake } from "./intake.ts";
import { Journal } from "./journal.ts";
import { KeptEvents, type KeptHost } from "./kept-events.ts";
import { NoticeInbox } from "./notice-inbox.ts";
import type { CompletionEntry } from "./notices.ts";
import { Outbox } from "./outbox.ts";
import { Outputs } from "./outputs.ts";
import { OwnersEpoch } from "./owners-epoch.ts";
import { Persistence } from "./persistence.ts";
import { Placement } from "./placement.ts";
import type { PlantedAlertBug } from "./planted.ts";
import type { CoreOptions, CorePorts } from "./ports.ts";
import { PullAnswers } from "./pull-answers.ts";
import { type PullHost, Pulls } from "./pulls.ts";
import { Rankings } from "./ranking.ts";
import { ReasonCounts } from "./reasons.ts";
import { RecentKeys } from "./recent-keys.ts";
import { TimerHeap } from "./timer-heap.ts";
import { Topology } from "./topology.ts";
import { Watchers } from "./watchers.ts";

/** What most parts share. */
interface Common {
  readonly self: MemberId;
  readonly rankings: Rankings;
  readonly timers: TimerHeap;
  readonly counts: ReasonCounts;
  /** Core time. */
  now(): number;
}

/** What is known when the process starts. */
export interface CoreStart {
  readonly view: ClusterView;
  /** Core time. */
  readonly now: number;
  /** As found on disk. */
  readonly completions: Iterable<CompletionEntry>;
}

export class CoreParts {
  readonly #ports: CorePorts;
  readonly #options: CoreOptions;
  readonly #common: Common;
  readonly #epoch = new OwnersEpoch();
  readonly #absences: Absences;
  readonly #watchers: Watchers;
  readonly #placement: Placement;
  readonly rankings: Rankings;
  readonly timers = new TimerHeap();
  readonly counts = new ReasonCounts();
  readonly outputs = new Outputs();
  readonly journal: Journal;
  readonly completions: Completions;
  readonly inline: InlineTopics;
  readonly kept: KeptEvents;
  readonly outbox: Outbox;
  readonly persistence: Persistence;
  readonly events: HeldEvents;
  readonly dispatch: Dispatch;
  readonly acceptance: Acceptance;
  readonly intake: Intake;
  readonly inbox: NoticeInbox;
  readonly pulls: Pulls;
  readonly pullAnswers: PullAnswers;
  readonly topology: Topology;
  readonly departure: Departure;

  /** `now` gives core time. */
  constructor(
    ports: CorePorts,
    random: Random,
    options: CoreOptions,
    start: Omit<CoreStart, "now"> & { now(): number },
  ) {
    this.#ports = ports;
    this.#options = options;
    const { now, view } = start;
    const { boot, delayMs, fullSyncMs } = options;
    const epoch = this.#epoch;
    const isAlone = (): boolean => this.topology.isAlone;
    const isLeaving = (): boolean => this.departure.isLeaving;
    const isInline = (topic: string): boolean => options.isInline?.(topic) === true;
    const planted = (bug: PlantedAlertBug): boolean => this.#planted(bug);
    const { counts, timers } = this;
    const rankings = new Rankings((topic) =>
      isInline(topic) ? this.inline.runners.groupOf(topic) : undefined,
    );
    this.rankings = rankings;
    const common: Common = { self: view.localId, rankings, timers, counts, now };
    this.#common = common;

    // What is remembered.
    const journal = new Journal(boot);
    this.journal = journal;
    const completions = new Completions(planted("older-completion-wins"));
    this.completions = completions;
    for (const entry of start.completions) completions.merge(entry);
    const absences = new Absences(planted("silence-is-gone") ? 0 : delayMs);
    this.#absences = absences;
    this.inline = new InlineTopics(this.#inlineHost(random));
    const { announcements, runners } = this.inline;
    const kept = new KeptEvents(this.#keptHost(isInline));
    this.kept = kept;
    const recent = new RecentKeys((...raised) => kept.isOverruled(...raised));

    // What events and notices go through.
    const outbox = new Outbox({
      ...{ ...common, fullSyncMs, epoch, journal, planted },
      held: () => this.events.all(),
    });
    this.outbox = outbox;
    const persistence = new Persistence({ ...common, completions, journal });
    this.persistence = persistence;
    const events = new HeldEvents({
      ...{ ...common, runners, kept, recent, journal, outbox, isAlone },
      endWorks: (held, reason) => this.dispatch.drop(held, reason),
      settledByOwners: (event) => ports.settledByOwners?.(event),
    });
    this.events = events;
    const dispatch = new Dispatch(this.#dispatchHost());
    this.dispatch = dispatch;
    const acceptance = new Acceptance({
      ...{ ...common, ports, runners, kept, events, outbox },
      dispatch: (held, handlers) => dispatch.take(held, handlers),
    });
    this.acceptance = acceptance;
    const watchers = new Watchers({
      ...{ ...common, delayMs, outbox, isLeaving },
      becomeOwner: (held) => acceptance.becomeOwner(held),
    });
    this.#watchers = watchers;
    const firstWord = new FirstWord({
      ...{ ...common, outbox, isLeaving, planted },
      isDisputed: (event) => kept.isDisputed(event),
    });
    const intake = new Intake({
      ...{ ...common, epoch, runners, kept, recent, events, acceptance, watchers, outbox },
      ...{ firstWord, journal, persistence, isAlone, isLeaving, isInline },
      record: (event) => ports.record(event),
      handOver: (held) => dispatch.handOver([held], "finish claimed"),
    });
    this.intake = intake;
    this.inbox = new NoticeInbox({
      ...{ ...common, epoch, recent, events, intake, acceptance, dispatch, outbox, planted },
    });

    // What changes around this member.
    const placement = new Placement({
      ...{ ...common, epoch, events, acceptance, dispatch, outbox, persistence, isLeaving },
    });
    this.#placement = placement;
    this.pullAnswers = new PullAnswers({
      ...{ ...common, boot, completions, dispatch, isInline },
    });
    const pulls = new Pulls(this.#pullHost(random));
    this.pulls = pulls;
    this.departure = new Departure({
      ...{ ...common, events, watchers, dispatch, outbox, journal },
      changed: () => this.topology.look(),
      release: () => firstWord.release(),
      left: () => this.outputs.push({ kind: "left" }),
    });
    const joined = (): void => acceptance.awaitHandlers();
    const becameAlone = (): void => this.departure.resume(true);
    this.topology = new Topology(
      {
        ...{ ...common, absences, announcements, dispatch, outbox, placement, pulls, isLeaving },
        ...{ joined, becameAlone },
      },
      view,
    );
    pulls.started();
    this.topology.start();
  }

  #planted(bug: PlantedAlertBug): boolean {
    return this.#options.planted?.has(bug) === true;
  }

  #others(): readonly MemberId[] {
    const { rankings, self } = this.#common;
    return rankings.members.filter((member) => member !== self);
  }

  #keptHost(isInline: (topic: string) => boolean): KeptHost {
    const { self } = this.#common;
    return {
      ...{ ...this.#common, delayMs: this.#options.delayMs },
      runs: (member, topic) => {
        if (!isInline(topic)) return true;
        const { runners } = this.inline;
        return member === self ? runners.isOpen(topic) : runners.isInGroup(topic, member);
      },
      take: (held) => this.acceptance.becomeOwner(held),
      drop: (held) => this.events.dropKept(held, "lead_said_same"),
    };
  }

  #inlineHost(random: Random): InlineHost {
    const { boot, fullSyncMs } = this.#options;
    const { rankings, self } = this.#common;
    return {
      ...{ ...this.#common, boot, fullSyncMs, random },
      others: () => this.#others(),
      isLinked: (member) => this.#absences.link(member) === "up",
      tell: (to, announcement) => this.outputs.push({ kind: "announce", to, announcement }),
      changed: (topics) => this.#placement.groupsChanged(topics),
      handOver: (topic) => {
        const { acting } = rankings.of(topic);
        if (!acting.some((member) => member !== self)) return;
        this.dispatch.handOver(this.events.sharedOf(topic), "finish claimed");
      },
      isSending: (topic) => this.dispatch.isSending(topic),
      letGo: (topic) => {
        for (const held of this.events.sharedOf(topic)) {
          if (held.copies.isElsewhere()) this.dispatch.drop(held, "handed_over");
        }
      },
    };
  }

  #pullHost(random: Random): PullHost {
    const { delayMs, fullSyncMs } = this.#options;
    const { rankings } = this.#common;
    return {
      ...{ ...this.#common, delayMs, fullSyncMs, random },
      others: () => this.#others(),
      isAway: (member) => rankings.isGone(member) || !rankings.members.includes(member),
      isLost: (member) => !["up", undefined].includes(this.#absences.link(member)),
      isLinked: (member) => this.#absences.link(member) === "up",
      digest: () => this.completions.digest,
      sameOwners: (answer) => this.pullAnswers.isSameTable(answer),
      ask: (from, request) => this.outputs.push({ kind: "pull", from, request }),
      learn: (from, { entries, holds }) =>
        this.dispatch.together(() => {
          for (const entry of entries) this.dispatch.done(entry, "pull");
          for (const lane of holds) this.dispatch.hold(lane, from, "queued");
        }),
      opened: () => this.dispatch.runBlocked(),
    };
  }

  #mayClaim(): "yes" | "held" | "never" {
    if (this.departure.isLeaving) return "never";
    return this.pulls.isShut && !this.#planted("no-pull-gate") ? "held" : "yes";
  }

  #dispatchHost(): DispatchHost {
    const ports = this.#ports;
    const outputs = this.outputs;
    return {
      ...{ ...this.#common, delayMs: this.#options.delayMs, completions: this.completions },
      ranksChangedAt: () => this.#epoch.changedAt,
      isLeaving: () => this.departure.isLeaving,
      mayClaim: () => this.#mayClaim(),
      planted: (bug) => this.#planted(bug),
      start: (ticket, event, handler, brief) =>
        outputs.push({ kind: "start", ticket, event, handler, brief }),
      cancel: (ticket) => outputs.push({ kind: "cancel", ticket }),
      isQueued: (ticket) => ports.isQueued?.(ticket) === true || outputs.hasStart(ticket),
      withdraw: (ticket) => outputs.dropStart(ticket) || ports.withdraw?.(ticket) === true,
      tellOwners: (held, notice) => this.outbox.tellOwners(held, notice),
      offerAgain: (held) => this.#watchers.offerAgain(held),
      learned: (entry, spread) => this.persistence.learned(entry, spread),
      partlySettled: (held) => this.journal.updatePending(held),
      allSettled: (held) => this.events.settle(held, undefined),
    };
  }
}
