/**
 * What this member answers when another one asks what was done: completions of the topics that the asker owns, and what is
 * being sent here right now. The asking side is `pulls.ts`. Source: reference gossip.md §14.5, §14.7.
 */

import type { MemberId } from "../ports.ts";
import type { Completions } from "./completions.ts";
import type { Dispatch } from "./dispatch.ts";
import { PULL_PAGE_MAX } from "./limits.ts";
import type { PullAnswer, PullRequest } from "./notices.ts";
import { digestOf, type Rankings } from "./ranking.ts";

export interface PullAnswersHost {
  readonly self: MemberId;
  readonly boot: string;
  readonly rankings: Rankings;
  readonly completions: Completions;
  readonly dispatch: Dispatch;
  isInline(topic: string): boolean;
}

export class PullAnswers {
  readonly #host: PullAnswersHost;

  constructor(host: PullAnswersHost) {
    this.#host = host;
  }

  answer(from: MemberId, request: PullRequest): PullAnswer {
    const { completions, dispatch, rankings, self } = this.#host;
    const boot = this.#token;
    const upTo = completions.sequence;
    const holds = request.before === 0 ? dispatch.holds() : [];
    if (request.digest === completions.digest) return { boot, upTo, entries: [], next: 0, holds };
    const since = request.boot === boot ? request.since : 0;
    const wanted = ({ topic }: { readonly topic: string }): boolean => {
      const { home, acting } = rankings.of(topic);
      if (this.#host.isInline(topic) || home.includes(from) || acting.includes(from)) return true;
      return rankings.successorOf(topic, self) === from;
    };
    const { before } = request;
    const page = completions.page({ since, before, max: PULL_PAGE_MAX, wanted });
    return { boot, upTo, ...page, holds };
  }

  /** Was an answer given by a member that ranks as this one does? */
  isSameTable({ boot }: PullAnswer): boolean {
    return boot.endsWith(`.${this.#tableDigest}`);
  }

  /**
   * What "since" belongs to: this start, and the table. Answers name only topics that the asker owns, so after a change of
   * owners it must be told of everything again, however old.
   */
  get #token(): string {
    return `${this.#host.boot}.${this.#tableDigest}`;
  }

  /** Equal on members that rank alike. */
  get #tableDigest(): string {
    const { members, redundancy } = this.#host.rankings;
    return digestOf(String(redundancy), ...[...members].sort()).toString(16);
  }
}
