/**
 * Forgets groups that have been silent for long, in a whole task.
 *
 * Time is counted in coarse ticks, a quarter of the idle time each, so that a message costs one assignment
 * (`Group.seen`, written by edges). After each tick the tables of nodes that make groups are walked; a group
 * that no message has touched for four ticks is deleted: its node sends `deleteGroup`, every node below drops its
 * state, and the table forgets the group. So a group lives between one and one and a quarter idle times
 * after its last message. Barriers do not keep a group alive.
 * Walking is done in slices, so that a million groups do not hold up the event loop.
 */

import type { Group } from "#model/group.ts";
import type { GroupTable } from "./group-table.ts";
import { EXPIRY_SLICE_GROUPS } from "./limits.ts";

/** The tick in which the task is. */
export interface TaskTicks {
  now: number;
}

export interface ExpiringTable {
  readonly table: GroupTable;
  /** Tells the nodes below that the group is over. */
  expire(group: Group): void;
}

export interface ExpiryOptions {
  /** Runs once later, between messages, unless the task has stopped. */
  after(delayMs: number, run: () => void): void;
  /** Takes the state of all nodes out of the group. */
  forget(group: Group): void;
  /** Called after a walk with the number of groups that expired. */
  walked(expired: number): void;
}

const TICKS_PER_IDLE = 4;

export class GroupExpiry {
  readonly ticks: TaskTicks = { now: 0 };
  readonly #tables: ExpiringTable[] = [];
  readonly #tickMs: number;
  readonly #options: ExpiryOptions;
  #walk: Generator<undefined> | undefined;

  /** `idleMs` > 0. */
  constructor(idleMs: number, options: ExpiryOptions) {
    this.#tickMs = idleMs / TICKS_PER_IDLE;
    this.#options = options;
  }

  add(table: ExpiringTable): void {
    this.#tables.push(table);
  }

  start(): void {
    if (this.#tables.length === 0) return;
    this.#options.after(this.#tickMs, () => this.#tick());
  }

  #tick(): void {
    this.ticks.now++;
    this.start();
    if (this.#walk !== undefined) return;
    this.#walk = this.#walkAll();
    this.#goOn();
  }

  #goOn(): void {
    if (this.#walk?.next().done === true) this.#walk = undefined;
    else this.#options.after(0, () => this.#goOn());
  }

  /** Yields where a slice ends. */
  *#walkAll(): Generator<undefined> {
    const { ticks } = this;
    let steps = 0;
    let expired = 0;
    for (const { table, expire } of this.#tables) {
      for (const group of table.groups()) {
        if (++steps % EXPIRY_SLICE_GROUPS === 0) yield undefined;
        if (ticks.now - group.seen <= TICKS_PER_IDLE) continue;
        expire(group);
        table.remove(group);
        this.#options.forget(group);
        expired++;
      }
    }
    if (expired > 0) this.#options.walked(expired);
  }
}
