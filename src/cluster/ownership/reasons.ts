/**
 * Every reason for which an event or notice is suppressed, dropped, passed on, repeated or taken over; each is a counter.
 * "Why was I not paged?" is answered by one of these.
 */

export type Reason =
  // an event was not taken in
  | "duplicate_pending"
  | "duplicate_settled"
  | "held_full"
  // a send was not started, or the event settled without one
  | "no_handler"
  | "already_done"
  | "superseded"
  | "done_elsewhere"
  | "all_failed"
  | "passed_unanswered"
  | "rounds_over"
  | "rounds_full"
  | "superseded_in_trouble"
  | "topic_forgotten"
  | "handed_over"
  | "settled_by_owner"
  // a send was started, by whom it should have been or instead of another
  | "sent_by_rank_0"
  | "takeover_gone"
  | "takeover_wait"
  | "takeover_passed"
  | "takeover_hold_cap"
  | "takeover_no_owner_answered"
  // how sends ended
  | "send_succeeded"
  | "send_failed"
  | "turn_over"
  | "round_over"
  | "send_cancelled_done_elsewhere"
  | "send_cancelled_leaving"
  | "send_unknown_ticket"
  | "send_withdrawn"
  // waits
  | "wait_held_by_other"
  | "wait_recomputed"
  | "waits_for_handlers"
  | "held_for_pull"
  | "pull_prevented_duplicate"
  | "pull_timeout"
  | "pull_failed"
  | "stall"
  // producers that disagree
  | "kept_for_lead"
  | "kept_taken"
  | "lead_said_same"
  | "lead_said_late"
  // inline topics
  | "inline_passed"
  | "inline_not_shared_full"
  | "inline_list_repaired"
  // members
  | "gone_left"
  | "gone_refused"
  | "gone_dead_refused"
  | "gone_dead_silent"
  | "stand_in"
  | "event_for_non_owner"
  // notices and batches
  | "heartbeats_sent"
  | "notice_late"
  | "notices_dropped_gone"
  | "notices_dropped_full"
  | "settled_dropped_full"
  | "left_to_first_owner"
  | "first_owner_missed"
  | "batch_repeated"
  | "batch_refused"
  | "settled_forwarded"
  | "watched_offered_again"
  // disk
  | "pending_persisted"
  | "pending_recovered"
  | "persist_failed"
  | "completion_evicted";

/** Counts per reason, only those that happened. */
export class ReasonCounts {
  readonly #counts = new Map<Reason, number>();

  add(reason: Reason, by = 1): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + by);
  }

  get(reason: Reason): number {
    return this.#counts.get(reason) ?? 0;
  }

  all(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
