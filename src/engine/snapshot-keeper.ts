/**
 * Saves the state of running tasks at an interval and when they stop, and gives it back when they start.
 *
 * A snapshot is taken between two messages, so it is a state the task was really in. Taking one stops the
 * engine for a moment; a task that takes long is saved less often (`SNAPSHOT_TIME_SHARE`), and one that is too large
 * (`SNAPSHOT_GROUPS_MAX`, `SNAPSHOT_POINTS_MAX`) is not saved at all, which is logged once.
 */

import type { Cancel } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import { SNAPSHOT_GROUPS_MAX, SNAPSHOT_POINTS_MAX, SNAPSHOT_TIME_SHARE } from "./limits.ts";
import type { EngineServices, SnapshotStore } from "./ports.ts";
import { snapshotFits, type TaskSnapshot } from "./snapshot.ts";
import type { Task } from "./task.ts";

export interface SnapshotKeeperOptions {
  readonly services: EngineServices;
  /** Absent: nothing is saved. */
  readonly store: SnapshotStore | undefined;
  /** 0: only when tasks stop. */
  readonly intervalMs: number;
}

export class SnapshotKeeper {
  readonly #services: EngineServices;
  readonly #store: SnapshotStore | undefined;
  readonly #intervalMs: number;
  readonly #tasks: () => Iterable<Task>;
  /** When a task may be saved next, monotonic ms. */
  readonly #notBefore = new Map<string, number>();
  readonly #tooLarge = new Set<string>();
  /** Writes on their way. */
  readonly #writing = new Set<Promise<void>>();
  #cancel: Cancel = () => {};
  /** Tasks to be saved in this round. */
  #due: Task[] = [];

  constructor({ services, store, intervalMs }: SnapshotKeeperOptions, tasks: () => Iterable<Task>) {
    this.#services = services;
    this.#store = store;
    this.#intervalMs = intervalMs;
    this.#tasks = tasks;
    if (store !== undefined && intervalMs > 0) this.#arm();
  }

  /** The state that a task had, when its nodes are still the same. A store that fails is as good as empty. */
  load(task: string, nodes: readonly string[]): TaskSnapshot | undefined {
    try {
      const saved = this.#store?.load(task);
      return saved !== undefined && snapshotFits(saved, nodes) ? saved : undefined;
    } catch (error) {
      this.#log(task, "the saved state of the task cannot be read", error);
      return undefined;
    }
  }

  /** Takes and stores a snapshot; false when there is none to be had. */
  save(task: Task): boolean {
    const { clock } = this.#services;
    const store = this.#store;
    if (store === undefined || this.#isTooLarge(task)) return false;
    const startMs = clock.monoMs();
    try {
      this.#write(task.id, store.save(task.id, task.snapshot()));
    } catch (error) {
      this.#log(task.id, "the state of the task was not saved", error);
      return false;
    }
    const tookMs = clock.monoMs() - startMs;
    this.#notBefore.set(task.id, startMs + tookMs / SNAPSHOT_TIME_SHARE);
    return true;
  }

  /** A task has stopped for good. */
  forget(task: string): void {
    this.#notBefore.delete(task);
    this.#tooLarge.delete(task);
  }

  /** Resolves when everything saved so far is stored. */
  async settled(): Promise<void> {
    await Promise.all(this.#writing);
  }

  close(): void {
    this.#cancel();
    this.#due = [];
  }

  #arm(): void {
    this.#cancel = this.#services.clock.after(this.#intervalMs, () => {
      this.#arm();
      this.#due = [...this.#tasks()];
      this.#saveNext();
    });
  }

  /** One task per turn of the event loop. */
  #saveNext(): void {
    const task = this.#due.shift();
    if (task === undefined) return;
    this.#saveSoon(task);
    if (this.#due.length > 0) this.#services.clock.after(0, () => this.#saveNext());
  }

  #saveSoon(task: Task): void {
    const notBefore = this.#notBefore.get(task.id) ?? 0;
    if (this.#services.clock.monoMs() < notBefore) return;
    task.betweenMessages(() => this.save(task));
  }

  #isTooLarge(task: Task): boolean {
    const { groups, points } = task.pipeline.budget;
    if (groups <= SNAPSHOT_GROUPS_MAX && points <= SNAPSHOT_POINTS_MAX) return false;
    if (!this.#tooLarge.has(task.id)) {
      this.#tooLarge.add(task.id);
      this.#services.log.warn("the task holds too much for its state to be saved", {
        task: task.id,
        groups,
        points,
      });
    }
    return true;
  }

  #write(task: string, written: Promise<void>): void {
    const watched = written
      .catch((error: unknown) => this.#log(task, "the state of the task was not stored", error))
      .finally(() => this.#writing.delete(watched));
    this.#writing.add(watched);
  }

  #log(task: string, message: string, error: unknown): void {
    this.#services.log.error(message, { task, err: errorMessage(error) });
  }
}
