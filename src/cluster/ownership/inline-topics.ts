/**
 * The inline topics of this member's tasks among those of the others: opened, shared, closed without a gap.
 *
 * Opening tells the others and keeps quiet for a moment if one of them runs the topic too; closing passes on what was not
 * begun, waits for what was, and only then withdraws. What is withdrawn and opened anew in between goes on as before.
 */

import type { MemberId } from "../ports.ts";
import { type AnnouncementHost, Announcements } from "./announcements.ts";
import {
  INLINE_DRAIN_LOOK_MS,
  INLINE_QUIET_MS,
  INLINE_WITHDRAW_MS,
  LEAVE_MAX_MS,
} from "./limits.ts";
import { digestOf } from "./ranking.ts";
import { Runners } from "./runners.ts";

export interface InlineHost extends Omit<AnnouncementHost, "runners"> {
  readonly self: MemberId;
  /** Passes on what of the topic was not begun. */
  handOver(topic: string): void;
  /** Is something of the topic being sent, for others too? */
  isSending(topic: string): boolean;
  /** The topic leaves its group: what others have is theirs. */
  letGo(topic: string): void;
}

export class InlineTopics {
  readonly #host: InlineHost;
  readonly runners: Runners;
  readonly announcements: Announcements;
  /** Looks at closed topics; the value tells a later look from an earlier one. */
  readonly #closing = new Map<string, number>();
  #looks = 0;

  constructor(host: InlineHost) {
    this.#host = host;
    this.runners = new Runners(host.self);
    this.announcements = new Announcements({ ...host, runners: this.runners });
  }

  /** `handlers` describes the handler set; equal texts are equal sets. */
  open(topic: string, handlers: string): void {
    const { runners } = this;
    const fingerprint = digestOf(handlers).toString(16);
    const result = runners.open(topic, fingerprint, this.#host.now() + INLINE_QUIET_MS);
    if (result === "full") this.#host.counts.add("inline_not_shared_full");
    else if (result === "again") this.#closing.delete(topic);
    else if (result === "later") this.#close(topic);
    else this.#say(topic, fingerprint);
  }

  close(topic: string): void {
    if (this.runners.close(topic)) this.#close(topic);
  }

  #close(topic: string): void {
    this.#host.handOver(topic);
    const look = ++this.#looks;
    this.#closing.set(topic, look);
    const { timers, now } = this.#host;
    const last = now() + LEAVE_MAX_MS;
    timers.set(now() + INLINE_WITHDRAW_MS, () => this.#withdraw(topic, look, last));
  }

  #withdraw(topic: string, look: number, last: number): void {
    if (this.#closing.get(topic) !== look) return;
    const { timers, now } = this.#host;
    if (now() < last && this.#host.isSending(topic)) {
      timers.set(now() + INLINE_DRAIN_LOOK_MS, () => this.#withdraw(topic, look, last));
      return;
    }
    this.#closing.delete(topic);
    this.#host.letGo(topic);
    this.#say(topic, this.runners.withdraw(topic, now() + INLINE_QUIET_MS));
  }

  #say(topic: string, fingerprint: string): void {
    this.announcements.put(topic, fingerprint);
    this.#host.changed(new Set([topic]));
  }
}
