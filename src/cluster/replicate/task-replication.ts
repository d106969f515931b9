/**
 * Cluster tasks and their templates as every member holds them.
 *
 * An edit needs nobody's consent: it is good when it is on this member's disk, and is then spread to all that live;
 * who is away learns it by sync. What the fields mean is known to the task service, which follows changes.
 * A member that was removed from its cluster drops them, unless there was nobody else to keep them.
 */

import type { Write } from "#storage/store.ts";
import { pushTasks } from "../calls/push-tasks.ts";
import { syncTasks } from "../calls/sync-tasks.ts";
import { encodeTask, type TaskDefinition, type TaskFields } from "../calls/task-payloads.ts";
import type { MemberId } from "../ports.ts";
import { encodePayload } from "../rpc/codec.ts";
import {
  DefinitionReplication,
  type ReplicatedKind,
  type ReplicationBase,
  type ReplicationOptions,
} from "./definition-replication.ts";
import { taskDefinitions, taskState } from "./kinds.ts";
import { CLUSTER_TASK_LENGTH_MAX, CLUSTER_TASKS_MAX, TASK_SPREAD_MS } from "./limits.ts";

/** `null` deletes. */
export interface TaskEdit {
  readonly key: string;
  readonly value: TaskFields | null;
}

/** Tells the live members of saved edits; resolves when all follow, or after two seconds. Never rejects. */
export type Spread = () => Promise<void>;

/** Told the keys that changed without an edit made here; what is returned is waited for, within bounds. */
type Follower = (keys: readonly string[]) => Promise<void>;

const TASKS: ReplicatedKind<TaskFields> = {
  noun: "task",
  definitions: taskDefinitions,
  state: taskState,
  push: pushTasks,
  sync: syncTasks,
  encode: encodeTask,
  named: (key) => ({ definition: key }),
  staysWhenRemoved: false,
};

export class TaskReplication {
  readonly #base: ReplicationBase;
  readonly #replication: DefinitionReplication<TaskFields>;
  #follower: Follower = () => Promise.resolve();

  /** Reads the definitions from disk. Throws `StorageError`. */
  constructor(base: ReplicationBase, options: ReplicationOptions) {
    this.#base = base;
    this.#replication = new DefinitionReplication(base, TASKS, options, {
      merged: (changes) => this.#follower(changes.map(({ now }) => now.key)),
      dropped: (definitions, why) => {
        const keys = definitions.filter(({ value }) => value !== null).map(({ key }) => key);
        if (why === "removed" && keys.length > 0) {
          base.log.warn("removed from the cluster: its tasks stop here", {
            definitions: keys.join(" "),
          });
        }
        void this.#follower(keys);
      },
    });
  }

  /** Starts answering and repairing. Call it before RPC accepts connections. */
  open(): void {
    this.#replication.open();
  }

  close(): void {
    this.#replication.close();
  }

  /** `null`: deleted. `undefined`: never heard of. */
  get(key: string): TaskFields | null | undefined {
    return this.#replication.get(key)?.value;
  }

  /** Of definitions that are not deleted, in no order. */
  keys(): readonly string[] {
    return [...this.#replication.all()].filter(({ value }) => value !== null).map(({ key }) => key);
  }

  follow(follower: Follower): void {
    this.#follower = follower;
  }

  /**
   * Makes edits durable here, together with `more`, and returns what is left to do. Rejects with `StorageError`, or with
   * an `Error` of one line when one is too large or there are too many.
   */
  async save(edits: readonly TaskEdit[], more: readonly Write[]): Promise<Spread> {
    for (const edit of edits) this.#check(edit);
    const made = edits.map(({ key, value }) => this.#replication.edit(key, value));
    await this.#replication.commit(made, more);
    return () => this.#spread(made);
  }

  /** Syncs until the member's table equals this one's; false when that took longer than `boundMs`. */
  untilEqual(member: MemberId, boundMs: number): Promise<boolean> {
    return this.#replication.untilEqual(member, boundMs);
  }

  get digest(): string {
    return this.#replication.digest;
  }

  counters(): Readonly<Record<string, number>> {
    return this.#replication.counters();
  }

  async #spread(saved: readonly TaskDefinition[]): Promise<void> {
    const { membership, clock, log } = this.#base;
    const { members, localId } = membership.view();
    const live = members.filter(
      ({ id, status }) => id !== localId && (status === "alive" || status === "suspect"),
    );
    if (live.length === 0 || saved.length === 0) return;
    let acknowledged = 0;
    const late = Promise.withResolvers<void>();
    const cancel = clock.after(TASK_SPREAD_MS, late.resolve);
    const all = live.map(async ({ id }) => {
      if (await this.#replication.push(id, saved, 1)) acknowledged++;
    });
    await Promise.race([Promise.all(all), late.promise]);
    cancel();
    const definitions = saved.map(({ key }) => key).join(" ");
    log.info("cluster task changed", { definitions, acknowledged, live: live.length });
  }

  #check({ key, value }: TaskEdit): void {
    if (value === null) return;
    if (this.get(key) === undefined && this.#replication.size >= CLUSTER_TASKS_MAX) {
      this.#replication.count("edits_refused_full");
      throw new Error(`at most ${CLUSTER_TASKS_MAX} cluster tasks and templates can be kept`);
    }
    const { length } = encodePayload(value);
    if (length > CLUSTER_TASK_LENGTH_MAX) {
      this.#replication.count("edits_refused_large");
      throw new Error(
        `${length} characters are too many for a cluster task, at most ${CLUSTER_TASK_LENGTH_MAX} are kept`,
      );
    }
  }
}
