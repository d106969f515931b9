/**
 * Silences from the API's side: made, ended, kept on disk, swept, and carried between members.
 *
 * An edit here becomes a change with a new version; it is written, taken into the table that delivery asks, and
 * handed to whoever replicates. A change of another member takes the same way through `applySilence`. Edits run one
 * after the other, so the disk never holds an older version than memory.
 */

import { type Cancel, type Clock, every } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { compareTime } from "#lib/time.ts";
import { uuid4 } from "#lib/uuid.ts";
import { SILENCES_MAX, SILENCES_SWEEP_MS } from "./limits.ts";
import type { SilenceDefinitions, SilenceEdit, SilenceStore } from "./ports.ts";
import {
  checkSilence,
  type Silence,
  type SilenceChange,
  type SilenceDraft,
  type Silences,
  silenceStatus,
} from "./silence.ts";

export interface SilenceParts {
  /** The table of the alert service. */
  readonly silences: Silences;
  readonly store: SilenceStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** This member's ID, which orders concurrent versions. */
  self(): string;
}

interface Decided {
  readonly edit: SilenceEdit;
  /** Absent when nothing changed. */
  readonly change?: SilenceChange;
}

export class SilenceService implements SilenceDefinitions {
  readonly #parts: SilenceParts;
  readonly #listeners: ((change: SilenceChange) => Promise<void>)[] = [];
  #edits: Promise<unknown> = Promise.resolve();
  #cancelSweep: Cancel = () => {};

  /** Reads the silences from disk: they are in force at once. Throws `StorageError`. */
  constructor(parts: SilenceParts) {
    this.#parts = parts;
    for (const change of parts.store.load()) parts.silences.put(change);
  }

  /** Starts sweeping. */
  open(): void {
    const sweep = (): void => void this.#run(() => this.#sweep()).catch(() => {});
    this.#cancelSweep = every(this.#parts.clock, SILENCES_SWEEP_MS, sweep);
    sweep();
  }

  /** Resolves when what was begun is on disk. */
  async close(): Promise<void> {
    this.#cancelSweep();
    await this.#edits;
  }

  list(): readonly Silence[] {
    return this.#parts.silences.list();
  }

  get(id: string): Silence | undefined {
    return this.#parts.silences.get(id);
  }

  create(draft: SilenceDraft): Promise<SilenceEdit> {
    return this.#edit(async () => {
      const { silences, clock, random, log } = this.#parts;
      const now = clock.now();
      const wrong = checkSilence(draft, now);
      if (wrong !== undefined) {
        return { edit: { kind: "refused", reason: "invalid", error: wrong } };
      }
      if (silences.current(now) >= SILENCES_MAX) {
        const error = `there are already ${SILENCES_MAX} silences that have not expired`;
        return { edit: { kind: "refused", reason: "full", error } };
      }
      const { matchers, starts, ends, author, comment } = draft;
      const plannedEnds = ends;
      const silence = {
        ...{ id: uuid4(random), matchers, starts, ends },
        ...{ author, comment, plannedEnds },
      };
      const change = await this.#write(silence);
      log.info("silence made", { silence: silence.id, author: draft.author });
      return { edit: { kind: "done", silence }, change };
    });
  }

  expire(id: string): Promise<SilenceEdit> {
    return this.#edit(async () => {
      const { silences, clock, log } = this.#parts;
      const old = silences.get(id);
      if (old === undefined) {
        const error = `unknown silence: ${JSON.stringify(id)}`;
        return { edit: { kind: "refused", reason: "unknown", error } };
      }
      const now = clock.now();
      if (silenceStatus(old, now) === "expired") return { edit: { kind: "done", silence: old } };
      const { starts } = old;
      const isPending = compareTime(starts.ms, starts.ns, now.ms, now.ns) > 0;
      const silence = { ...old, starts: isPending ? now : starts, ends: now };
      const change = await this.#write(silence);
      log.info("silence expired by hand", { silence: id });
      return { edit: { kind: "done", silence }, change };
    });
  }

  // For replication.

  /** Takes a change of another member; resolves when it is on disk, with false when ours is as new. */
  applySilence(change: SilenceChange): Promise<boolean> {
    return this.#run(async () => {
      const { silences, clock, store } = this.#parts;
      if (!silences.wants(change, clock.now())) return false;
      await store.put(change);
      silences.put(change);
      return true;
    });
  }

  /** Every silence with its version, but for those that members forget. */
  changes(): readonly SilenceChange[] {
    return this.#parts.silences.changes(this.#parts.clock.now());
  }

  /** Called after every edit made here, when it is on disk; the edit's answer waits for what is returned. */
  onChange(listener: (change: SilenceChange) => Promise<void>): void {
    this.#listeners.push(listener);
  }

  /** Others are told outside of the order of edits: two members that tell each other must not wait in a circle. */
  async #edit(decide: () => Promise<Decided>): Promise<SilenceEdit> {
    const { edit, change } = await this.#run(decide);
    if (change !== undefined) await Promise.all(this.#listeners.map((listen) => listen(change)));
    return edit;
  }

  async #write(silence: Silence): Promise<SilenceChange> {
    const { silences, store, self } = this.#parts;
    const change = { silence, version: { counter: silences.counter + 1, member: self() } };
    await store.put(change);
    silences.put(change);
    return change;
  }

  async #sweep(): Promise<void> {
    const { silences, clock, store, log } = this.#parts;
    const gone = silences.forget(clock.now());
    if (gone.length === 0) return;
    try {
      await store.remove(gone);
    } catch (error) {
      // They are gone from memory; after a restart they are swept again.
      log.error("expired silences were not removed", { err: errorMessage(error) });
    }
  }

  #run<T>(edit: () => Promise<T>): Promise<T> {
    const result = this.#edits.then(edit);
    this.#edits = result.catch(() => {});
    return result;
  }
}
