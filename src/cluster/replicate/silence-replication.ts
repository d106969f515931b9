/**
 * Silences on every member: pushed when they are made or ended, repaired by a sync after each sync of the handlers.
 *
 * Any member may make or end one, whoever is away: a silence is one person's word, newest version wins, and nobody's
 * consent is needed. An edit is answered when the members that can be reached have it on disk, so whoever lists silences
 * elsewhere afterwards sees it. Joining a cluster brings one's silences along; their IDs never clash.
 */

import type { SilenceChange } from "#alert/silence.ts";
import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import { compareBytes } from "#lib/json.ts";
import type { Log } from "#lib/log.ts";
import { pushSilences } from "../calls/push-silences.ts";
import { encodeSilences, SILENCE_PAGE_MAX } from "../calls/silence-payloads.ts";
import {
  type SilenceSyncAnswer,
  type SilenceSyncRequest,
  syncSilences,
} from "../calls/sync-silences.ts";
import { digestOf } from "../ownership/ranking.ts";
import type { ClusterView, MemberId, Rpc } from "../ports.ts";
import { ask, serve } from "../rpc/typed-calls.ts";
import { PROBE_TIMEOUT_MS, SYNC_TIMEOUT_MS } from "./limits.ts";

/** The silences of this member, as `SilenceService` keeps them. */
export interface SilenceTable {
  /** Every silence that is still worth telling others. */
  changes(): readonly SilenceChange[];
  /** False when ours is as new. Rejects with `StorageError`. */
  applySilence(change: SilenceChange): Promise<boolean>;
  /** Called after every edit made here; the edit's answer waits for what is returned. */
  onChange(listener: (change: SilenceChange) => Promise<void>): void;
}

export interface SilenceReplicationParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly rpc: Rpc;
  readonly membership: { view(): ClusterView };
  readonly table: SilenceTable;
}

export class SilenceReplication {
  readonly #parts: SilenceReplicationParts;
  readonly #syncing = new Set<MemberId>();
  readonly #linked = new Set<MemberId>();
  readonly #counters = {
    silences_pushed: 0,
    silence_pushes_failed: 0,
    silences_taken: 0,
    silence_syncs: 0,
    silence_syncs_failed: 0,
  };

  constructor(parts: SilenceReplicationParts) {
    this.#parts = parts;
  }

  /** Starts answering. Call it before RPC accepts connections. */
  open(): void {
    const { rpc, table } = this.#parts;
    serve(rpc, pushSilences, async (_from, changes) => {
      await this.#takeAll(changes);
      return null;
    });
    serve(rpc, syncSilences, (_from, request) => this.#answer(request));
    rpc.onLink((member, state) => {
      if (state === "up") this.#linked.add(member);
      else this.#linked.delete(member);
    });
    table.onChange(async (change) => {
      await Promise.all(this.#reachable().map((member) => this.#push(member, [change])));
    });
  }

  /** Joins both members' silences. Never rejects; a failure is made good by the next sync. */
  async sync(member: MemberId): Promise<void> {
    if (this.#syncing.has(member)) return;
    this.#syncing.add(member);
    try {
      const theirs = await this.#pullAll(member);
      if (theirs !== "same") {
        await this.#takeAll(theirs);
        await this.#giveBack(member, theirs);
      }
      this.#counters.silence_syncs++;
    } catch (error) {
      this.#counters.silence_syncs_failed++;
      this.#parts.log.debug("silences not synced", { member, err: errorMessage(error) });
    } finally {
      this.#syncing.delete(member);
    }
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters };
  }

  /** Members with a connection; the others take everything over when theirs comes up. */
  #reachable(): readonly MemberId[] {
    const { members, localId } = this.#parts.membership.view();
    return members.map(({ id }) => id).filter((id) => id !== localId && this.#linked.has(id));
  }

  async #push(member: MemberId, changes: readonly SilenceChange[]): Promise<void> {
    const { rpc, log } = this.#parts;
    const payload = { silences: encodeSilences(changes) };
    try {
      await ask(rpc, pushSilences, member, { payload, timeoutMs: PROBE_TIMEOUT_MS });
      this.#counters.silences_pushed += changes.length;
    } catch (error) {
      this.#counters.silence_pushes_failed++;
      log.warn("a member has not got a silence; it will with the next sync", {
        member,
        err: errorMessage(error),
      });
    }
  }

  async #takeAll(changes: readonly SilenceChange[]): Promise<void> {
    const taken = await Promise.all(changes.map((one) => this.#parts.table.applySilence(one)));
    this.#counters.silences_taken += taken.filter(Boolean).length;
  }

  async #pullAll(member: MemberId): Promise<"same" | readonly SilenceChange[]> {
    const all: SilenceChange[] = [];
    const digest = this.#digest();
    let after = "";
    do {
      const payload: SilenceSyncRequest = { digest, after };
      const how = { payload, timeoutMs: SYNC_TIMEOUT_MS };
      const answer = await ask(this.#parts.rpc, syncSilences, member, how);
      if (answer.same) return "same";
      all.push(...answer.silences);
      after = answer.next;
    } while (after !== "");
    return all;
  }

  async #giveBack(member: MemberId, theirs: readonly SilenceChange[]): Promise<void> {
    const known = new Map(theirs.map(({ silence, version }) => [silence.id, version.counter]));
    const missing = this.#parts.table
      .changes()
      .filter(({ silence, version }) => version.counter > (known.get(silence.id) ?? -1));
    for (let at = 0; at < missing.length; at += SILENCE_PAGE_MAX) {
      await this.#push(member, missing.slice(at, at + SILENCE_PAGE_MAX));
    }
  }

  #answer({ digest, after }: SilenceSyncRequest): Record<keyof SilenceSyncAnswer, unknown> {
    if (after === "" && digest === this.#digest()) return { same: true, silences: [], next: "" };
    const rest = this.#parts.table
      .changes()
      .filter(({ silence: { id } }) => after === "" || compareBytes(id, after) > 0)
      .sort((a, b) => compareBytes(a.silence.id, b.silence.id));
    const page = rest.slice(0, SILENCE_PAGE_MAX);
    const next = rest.length > page.length ? (page.at(-1)?.silence.id ?? "") : "";
    return { same: false, silences: encodeSilences(page), next };
  }

  /** Equal for equal silences, in whatever order they came. */
  #digest(): string {
    let digest = 0n;
    for (const { silence, version } of this.#parts.table.changes()) {
      digest ^= digestOf(silence.id, String(version.counter), version.member);
    }
    return digest.toString(16);
  }
}
