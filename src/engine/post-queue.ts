/**
 * Work that takes time, done beside the task and handed back to it in order.
 *
 * Jobs of one group run one after the other, of different groups up to `POSTS_UNDER_WAY_MAX` at once. Results leave
 * in the order in which the jobs came, whatever finished first. What waits is bounded by jobs and by points;
 * beyond, a job is refused, because one slow receiver must not stop the other tasks.
 */

import type { Group } from "#model/group.ts";
import { POST_POINTS_WAITING_MAX, POSTS_UNDER_WAY_MAX, POSTS_WAITING_MAX } from "./limits.ts";

export interface PostJob {
  readonly group: Group;
  /** Number of points held. */
  readonly points: number;
  /** Does the work; never rejects. */
  run(): Promise<void>;
  /** Called in order, after `run`. */
  deliver(): void;
}

interface Entry {
  /** Absent for messages that only keep their place in the order. */
  readonly job: PostJob | undefined;
  readonly deliver: () => void;
  done: boolean;
}

interface Lane {
  readonly group: Group;
  readonly entries: Fifo<Entry>;
}

export interface PostQueueOptions {
  /** Runs what lets results go as a message of the task. */
  resume(run: () => void): void;
}

export class PostQueue {
  readonly #options: PostQueueOptions;
  readonly #order = new Fifo<Entry>();
  readonly #lanes = new Map<Group, Lane>();
  readonly #ready = new Fifo<Lane>();
  #jobs = 0;
  #points = 0;
  #underWay = 0;
  #idle: (() => void) | undefined;
  #closed = false;

  constructor(options: PostQueueOptions) {
    this.#options = options;
  }

  /** Jobs that have not been delivered. */
  get waiting(): number {
    return this.#jobs;
  }

  /** Takes a job; false when too many wait. A job alone is taken whatever its size. */
  add(job: PostJob): boolean {
    const full =
      this.#jobs >= POSTS_WAITING_MAX || this.#points + job.points > POST_POINTS_WAITING_MAX;
    if (this.#closed || (full && this.#jobs > 0)) return false;
    const entry: Entry = { job, deliver: () => job.deliver(), done: false };
    this.#jobs++;
    this.#points += job.points;
    this.#order.push(entry);
    let lane = this.#lanes.get(job.group);
    if (lane === undefined) {
      lane = { group: job.group, entries: new Fifo() };
      this.#lanes.set(job.group, lane);
      this.#ready.push(lane);
    }
    lane.entries.push(entry);
    this.#start();
    return true;
  }

  /** Delivers behind everything that waits; at once when nothing does. False when too many wait. */
  follow(deliver: () => void, options: { readonly always: boolean }): boolean {
    if (this.#order.size === 0) {
      deliver();
      return true;
    }
    if (this.#closed || (!options.always && this.#order.size >= 2 * POSTS_WAITING_MAX))
      return false;
    this.#order.push({ job: undefined, deliver, done: true });
    return true;
  }

  /** Resolves when everything was delivered. */
  emptied(): Promise<void> {
    if (this.#order.size === 0) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle = resolve;
    return promise;
  }

  /** Delivers nothing more; returns the number of jobs lost. */
  close(): number {
    this.#closed = true;
    return this.#jobs;
  }

  #start(): void {
    while (this.#underWay < POSTS_UNDER_WAY_MAX) {
      const lane = this.#ready.shift();
      const entry = lane?.entries.shift();
      if (lane === undefined || entry === undefined) return;
      this.#underWay++;
      void this.#run(lane, entry);
    }
  }

  async #run(lane: Lane, entry: Entry): Promise<void> {
    await entry.job?.run();
    this.#underWay--;
    entry.done = true;
    if (this.#closed) return;
    if (lane.entries.size > 0) this.#ready.push(lane);
    else this.#lanes.delete(lane.group);
    this.#start();
    if (this.#order.first === entry) this.#options.resume(() => this.#deliver());
  }

  #deliver(): void {
    for (let entry = this.#order.first; entry?.done === true; entry = this.#order.first) {
      this.#order.shift();
      if (entry.job !== undefined) {
        this.#jobs--;
        this.#points -= entry.job.points;
      }
      entry.deliver();
    }
    if (this.#order.size > 0) return;
    this.#idle?.();
    this.#idle = undefined;
  }
}

/** First in, first out, without the cost of shifting an array. */
class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head++;
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
