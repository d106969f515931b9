/**
 * The rows of cluster tasks on this member, and what runs here of them.
 *
 * A change of a cluster task goes to the cluster's table and to the row in one commit; changes made elsewhere make the
 * row follow. Whether the task runs here is asked of the cluster each time anything changes. A *run* is named
 * by the definition: whoever enables a task gives it a new one, so that all members that run it start it anew.
 * Callers hold the task's lock.
 */

import { uuid4 } from "#lib/uuid.ts";
import { put, remove } from "#storage/store.ts";
import type { Spread, TaskServices } from "./ports.ts";
import { type SharedTasks, taskKey, templateRow } from "./shared-tasks.ts";
import { failed, invalid } from "./task-error.ts";
import { type StoredTask, type StoredTemplate, taskKind, templateKind } from "./task-store.ts";

/** A change that is stored; what is left is to tell of it. */
export interface TaskEdit {
  readonly task: StoredTask;
  /** Why it does not start; "" when it does, or need not. */
  readonly error: string;
  readonly spread?: Spread;
}

export interface SharedTaskRowsParts {
  readonly services: TaskServices;
  /** Starts a task that is stopped, and stores why it does not ("" = runs). */
  readonly start: (task: StoredTask) => Promise<string>;
  /** Forgets a task here with its topics. */
  readonly forget: (id: string) => Promise<void>;
}

export class SharedTaskRows {
  readonly #parts: SharedTaskRowsParts;
  readonly #services: TaskServices;
  /** Which run of a cluster task was last started here, well or not. */
  readonly #started = new Map<string, string>();
  /** Cluster tasks that others of the same ID stand before; reported once. */
  readonly #hidden = new Set<string>();

  constructor(parts: SharedTaskRowsParts) {
    this.#parts = parts;
    this.#services = parts.services;
  }

  /** Was it started here, and not stopped since? It may have failed. */
  isStarted(id: string): boolean {
    return this.#started.has(id);
  }

  noteStart(task: StoredTask): void {
    if (task.cluster !== undefined) this.#started.set(task.id, runOf(task));
  }

  /** Stops any task; one that is not running is fine. */
  async stop(id: string): Promise<void> {
    this.#started.delete(id);
    await this.#services.engine.stop(id);
  }

  /** Stores a cluster task for all members, and carries it out here. Throws `TaskError`, `StorageError`. */
  async save(old: StoredTask | undefined, task: StoredTask): Promise<TaskEdit> {
    const shared = this.shared();
    const renamed = old !== undefined && old.id !== task.id;
    const wasShared = old?.cluster !== undefined;
    if (!wasShared || renamed) await shared.refuseTaken(task.id);
    const starts =
      task.status === "enabled" && (!wasShared || renamed || old.status === "disabled");
    const run = starts ? uuid4(this.#services.random) : (old?.cluster?.run ?? "");
    const next: StoredTask = { ...task, error: old?.error ?? "", cluster: { run } };
    if (isUnchanged(old, next)) return { task: next, error: "" };
    const template = this.#templateToShare(next.templateId);
    const gone = renamed ? [remove(taskKind, old.id)] : [];
    const templates = template === undefined ? [] : [template];
    const rows = templates.map((each) => put(templateKind, each.id, templateRow(each)));
    const spread = await shared.save(
      { tasks: [next], templates, deleted: renamed && wasShared ? [taskKey(old.id)] : [] },
      [...gone, put(taskKind, next.id, next), ...rows],
    );
    if (renamed) await this.#stopForGood(old.id);
    return { task: next, error: await this.#carryOut(next), spread };
  }

  /** Deletes a cluster task for all members, and here. */
  async delete(id: string): Promise<Spread> {
    const spread = await this.shared().save({ deleted: [taskKey(id)] }, []);
    await this.#parts.forget(id);
    return spread;
  }

  /** Makes the row what the cluster says. A task of this member's own stays, and the cluster's does not run here. */
  async follow(id: string): Promise<void> {
    const { store, shared, log } = this.#services;
    const row = store.table(taskKind).get(id);
    const task = shared?.task(id);
    if (row !== undefined && row.cluster === undefined) {
      if (task !== undefined) this.#reportHidden(id);
      return;
    }
    if (task === undefined) {
      if (row !== undefined) await this.#parts.forget(id);
      return;
    }
    const next = { ...task, ...this.#scriptOf(task), error: row?.error ?? "" };
    if (!Bun.deepEquals(row, next)) await store.commit([put(taskKind, id, next)]);
    const error = await this.#carryOut(next);
    if (error !== "") log.error("failed to start cluster task", { task: id, err: error });
  }

  /** Throws a `failed` `TaskError` where there can be no cluster tasks. */
  shared(): SharedTasks {
    const { shared } = this.#services;
    if (shared === undefined) throw failed("cluster tasks are not available here");
    return shared;
  }

  /** The template that the cluster has to take along with a task; `undefined` when it has it, or there is none. */
  #templateToShare(id: string): StoredTemplate | undefined {
    const mine = this.#services.store.table(templateKind).get(id);
    if (mine === undefined) return undefined;
    const theirs = this.shared().template(id);
    if (theirs === undefined) return mine;
    if (mine.cluster === true || mine.script === theirs.script) return undefined;
    throw invalid(
      `template ${id} of this member differs from the cluster's; delete one of them or use another ID`,
    );
  }

  /** A template's word counts for all its tasks, as it is in force on this member. */
  #scriptOf({ templateId, script, type }: StoredTask): Pick<StoredTask, "script" | "type"> {
    if (templateId === "") return { script, type };
    const mine = this.#services.store.table(templateKind).get(templateId);
    const template = mine?.cluster === true ? mine : this.shared().template(templateId);
    return { script: template?.script ?? script, type: template?.type ?? type };
  }

  /** Starts, restarts or stops a cluster task here, as its status and place say. Returns why it does not start. */
  async #carryOut(task: StoredTask): Promise<string> {
    const { runners } = this.shared();
    const { engine, log } = this.#services;
    const isRunning = engine.isRunning(task.id);
    if (task.status === "disabled") {
      await this.stop(task.id);
      return "";
    }
    const decision = runners.decide(task.id);
    if (decision === "stop") {
      if (isRunning || this.isStarted(task.id)) await this.#moveAway(task);
      return "";
    }
    if (this.#started.get(task.id) === runOf(task)) return "";
    if (decision === "keep" && !isRunning) return "";
    await runners.freshStates();
    await this.stop(task.id);
    const error = await this.#parts.start(task);
    if (error === "") log.info("cluster task started", { task: task.id });
    return error;
  }

  /** Others go on with it: what is remembered here will be out of date when it comes back. */
  async #moveAway(task: StoredTask): Promise<void> {
    await this.#stopForGood(task.id);
    if (task.error !== "") {
      await this.#services.store.commit([put(taskKind, task.id, { ...task, error: "" })]);
    }
    this.#services.log.info("cluster task moved to other members", { task: task.id });
  }

  async #stopForGood(id: string): Promise<void> {
    await this.stop(id);
    await this.#services.snapshots?.delete(id);
  }

  #reportHidden(id: string): void {
    if (this.#hidden.has(id)) return;
    this.#hidden.add(id);
    this.#services.log.warn("a task of this member alone hides the cluster's", { task: id });
  }
}

/** Another text means: start it anew. A changed script alone waits for that, a changed template does not. */
function runOf({ cluster, templateId, script }: StoredTask): string {
  return `${cluster?.run} ${templateId === "" ? "" : script}`;
}

function isUnchanged(old: StoredTask | undefined, next: StoredTask): boolean {
  return old !== undefined && Bun.deepEquals({ ...old, modified: "" }, { ...next, modified: "" });
}
