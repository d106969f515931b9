/**
 * The life of a task: define, change, enable, disable, delete, and start again after a restart.
 *
 * Every change is checked first, then stored durably, then carried out, so a crash at any point leaves either
 * the old or the new definition, and the next start brings the engine in line with it. A task that is
 * enabled but does not start stays enabled with its error recorded: the operator sees what is wrong, and
 * the next start tries again. Changes of one task are taken one after the other (`KeyedLock`).
 *
 * A cluster task is stored here like any other, but its row follows the cluster's definition (`SharedTaskRows`).
 */

import { OK } from "#alert/level.ts";
import { dotOfScript } from "#engine/dot.ts";
import type { StartOutcome, TaskStats } from "#engine/ports.ts";
import { errorMessage } from "#lib/errors.ts";
import { compareBytes } from "#lib/json.ts";
import { uuid4 } from "#lib/uuid.ts";
import { put, remove, type Write } from "#storage/store.ts";
import type { ScriptResult, Var } from "#tick/environment.ts";
import { varValues } from "#tick/vars.ts";
import { checkScript, dbrpsOfChanged, dbrpsOfNew } from "./definition-check.ts";
import { checkId } from "./ids.ts";
import { KeyedLock } from "./keyed-lock.ts";
import type { Spread, TaskServices } from "./ports.ts";
import { SharedTaskRows, type TaskEdit } from "./shared-task-rows.ts";
import type { TaskChange } from "./task-change.ts";
import { failed, invalid, notFound } from "./task-error.ts";
import {
  NEVER,
  type Page,
  readPage,
  type StoredTask,
  type StoredTemplate,
  stamp,
  taskKind,
  templateKind,
} from "./task-store.ts";

/** What a script says about a task that may not be running. */
export interface Inspection {
  readonly dot: string;
  /** The stored runtime error, or why the stored script no longer compiles; else empty. */
  readonly error: string;
}

export class TaskService {
  readonly #services: TaskServices;
  readonly #lock = new KeyedLock();
  readonly #rows: SharedTaskRows;

  constructor(services: TaskServices) {
    this.#services = services;
    this.#rows = new SharedTaskRows({
      services,
      start: (task) => this.#start(task),
      forget: (id) => this.#forget(id),
    });
  }

  get(id: string): StoredTask | undefined {
    return this.#services.store.table(taskKind).get(id);
  }

  /** By ascending ID; a malformed pattern gives an empty page. */
  list(page: Page): readonly StoredTask[] {
    return readPage(this.#services.store, taskKind, page);
  }

  counts(): { readonly tasks: number; readonly enabled: number } {
    const all = this.#all();
    return { tasks: all.length, enabled: all.filter((task) => task.status === "enabled").length };
  }

  isExecuting(id: string): boolean {
    return this.#services.engine.isRunning(id);
  }

  stats(id: string): TaskStats | undefined {
    return this.#services.engine.stats(id);
  }

  /** The script as asked for; falls back to the raw text when it cannot be formatted. */
  script(task: StoredTask | StoredTemplate, format: "formatted" | "raw"): string {
    if (format === "raw") return task.script;
    try {
      return this.#services.language.format(task.script);
    } catch {
      return task.script;
    }
  }

  /** Graph and error; evaluates the script unless the task is running without trouble. */
  inspect(task: StoredTask, view: "attributes" | "labels"): Inspection {
    const running = this.#services.engine.dot(task.id, view);
    if (running !== undefined) return { dot: running, error: task.error };
    try {
      const result = this.#services.language.evaluate(task.script, this.#vars(task));
      return { dot: dotOfScript(task.id, result.nodes), error: task.error };
    } catch (error) {
      return { dot: "", error: task.error === "" ? errorMessage(error) : task.error };
    }
  }

  /** Stores a new task, and starts it when it is to be enabled. Throws `TaskError`, `StorageError`. */
  create(change: TaskChange): Promise<StoredTask> {
    const { random } = this.#services;
    const id = change.id === "" ? uuid4(random) : change.id;
    return this.#finish(this.#lock.run([id], () => this.#create(id, change)));
  }

  /** Changes what the request gives, then follows a change of status or ID. Throws as `create`. */
  async update(id: string, change: TaskChange): Promise<StoredTask> {
    const keys = change.id === "" ? [id] : [id, change.id];
    const task = await this.#finish(this.#lock.run(keys, () => this.#update(id, change)));
    if (task.id !== id) await this.#uncover(id);
    return task;
  }

  /** Stops and forgets a task with its anonymous topics. A missing one is fine. */
  async delete(id: string): Promise<void> {
    const spread = await this.#lock.run([id], () => this.#delete(id));
    await this.#tell(spread);
    await this.#uncover(id);
  }

  /** Brings a cluster task here in line with the cluster's definition, and with who is to run it. */
  followShared(id: string): Promise<void> {
    return this.#lock.run([id], () => this.#rows.follow(id));
  }

  /** Does a cluster task run here? */
  runsShared(id: string): boolean {
    return this.get(id)?.cluster !== undefined && this.isExecuting(id);
  }

  /** At start-up: starts enabled tasks of this member alone in ID order. A failure is logged and recorded; the rest go on. */
  async startEnabled(): Promise<void> {
    const { log } = this.#services;
    for (const task of this.#all()) {
      if (task.status !== "enabled" || task.cluster !== undefined) continue;
      await this.#lock.run([task.id], async () => {
        const now = this.get(task.id);
        if (now?.status !== "enabled" || now.cluster !== undefined) return;
        const error = await this.#start(now);
        if (error === "") log.debug("task started", { task: now.id, type: now.type });
        else log.error("failed to start task", { task: now.id, err: error });
      });
    }
  }

  /** A running task died of this error; it has already been stopped by the engine. */
  async recordFailure(id: string, error: string): Promise<void> {
    await this.#lock.run([id], async () => {
      const task = this.get(id);
      if (task !== undefined && !this.isExecuting(id)) await this.#saveError(task, error);
    });
    this.#services.shared?.runners.report();
  }

  /** Tasks made from a template, by ID; those of the cluster follow only a template of the cluster. */
  associated({ id, cluster }: StoredTemplate): readonly StoredTask[] {
    return this.#all().filter(
      (task) => task.templateId === id && (cluster === true || task.cluster === undefined),
    );
  }

  /**
   * Gives tasks of a template their new definitions together with `writes`, all or nothing: when one
   * cannot be restarted, every task gets its old definition back and runs again, and `undo` is stored.
   * Returns the ID and error of the task that failed.
   */
  replaceAll(
    tasks: readonly StoredTask[],
    redefine: (task: StoredTask) => StoredTask,
    writes: readonly Write[],
    undo: readonly Write[],
  ): Promise<{ readonly id: string; readonly error: string } | undefined> {
    return this.#lock.run(
      tasks.map((task) => task.id),
      async () => {
        const old = tasks.map((task) => this.get(task.id)).filter((task) => task !== undefined);
        const next = old.map(redefine);
        await this.#services.store.commit([...writes, ...next.map(putTask)]);
        const failure = await this.#restartAll(next);
        if (failure === undefined) return undefined;
        await this.#services.store.commit([...undo, ...old.map(putTask)]);
        await this.#restartAll(old);
        return failure;
      },
    );
  }

  async #create(id: string, change: TaskChange): Promise<TaskEdit> {
    const { language, clock } = this.#services;
    checkId("task", id);
    if (this.get(id) !== undefined) throw invalid(`task ${id} already exists`);
    const template = change.templateId === "" ? undefined : this.#template(change.templateId);
    const script = template?.script ?? change.script;
    const result = checkScript(language, script, change.vars);
    const now = stamp(clock.now());
    const task: StoredTask = {
      id,
      templateId: change.templateId,
      type: result.type,
      dbrps: [...dbrpsOfNew(result, change.dbrps)],
      script,
      status: change.status === "" ? "disabled" : change.status,
      vars: { ...language.varsToJson(change.vars) },
      error: "",
      created: now,
      modified: now,
      lastEnabled: change.status === "enabled" ? now : NEVER,
    };
    if (change.cluster === true) return this.#rows.save(undefined, task);
    await this.#services.store.commit([putTask(task)]);
    return { task, error: task.status === "enabled" ? await this.#start(task, result) : "" };
  }

  async #update(id: string, change: TaskChange): Promise<TaskEdit> {
    const old = this.get(id);
    if (old === undefined) throw notFound("task does not exist, cannot update");
    if (old.cluster !== undefined && change.cluster === false) {
      throw invalid(`task ${id} belongs to the cluster; delete it and define it anew`);
    }
    const { task, script } = this.#merge(old, change);
    const renamed = task.id !== id;
    if (renamed && this.get(task.id) !== undefined) {
      throw failed("failed to create new task during ID change: task already exists");
    }
    if (old.cluster !== undefined || change.cluster === true) return this.#rows.save(old, task);
    const writes = renamed ? [remove(taskKind, id), putTask(task)] : [putTask(task)];
    await this.#services.store.commit(writes);
    // Before it stops, so that little happens between its two lives.
    if (renamed) await this.#services.freshStates?.();
    if (renamed || task.status === "disabled") await this.#rows.stop(id);
    if (renamed) await this.#services.snapshots?.delete(id);
    const starts = task.status === "enabled" && (renamed || old.status === "disabled");
    return { task, error: starts ? await this.#start(task, script) : "" };
  }

  async #finish(work: Promise<TaskEdit>): Promise<StoredTask> {
    const { task, error, spread } = await work;
    await this.#tell(spread);
    if (error !== "") throw failed(error);
    return this.get(task.id) ?? task;
  }

  /** A task of this member alone is gone that may have hidden the cluster's. */
  async #uncover(id: string): Promise<void> {
    const { shared } = this.#services;
    if (shared?.task(id) === undefined || this.get(id) !== undefined) return;
    // The others hear first that it may run here.
    shared.runners.report();
    await this.followShared(id);
    shared.runners.report();
  }

  async #tell(spread: Spread | undefined): Promise<void> {
    if (spread === undefined) return;
    this.#services.shared?.runners.report();
    await spread();
  }

  /** The new row, with its script's meaning where that had to be looked at. */
  #merge(old: StoredTask, change: TaskChange): { task: StoredTask; script?: ScriptResult } {
    const { language, clock } = this.#services;
    const now = stamp(clock.now());
    const status = change.status === "" ? old.status : change.status;
    const base = {
      ...old,
      id: change.id === "" ? old.id : change.id,
      status,
      modified: now,
      lastEnabled: status === "enabled" && old.status === "disabled" ? now : old.lastEnabled,
    };
    const templateId = change.templateId === "" ? old.templateId : change.templateId;
    if (templateId === "" && isOnlyDisable(change)) return { task: base };
    const template = templateId === "" ? undefined : this.#template(templateId, change.templateId);
    const script = template?.script ?? (change.script === "" ? old.script : change.script);
    const vars = Object.keys(change.vars).length === 0 ? this.#vars(old) : change.vars;
    const result = checkScript(language, script, vars);
    const hadImplicit = script !== old.script && this.#hasImplicitDbrps(old);
    const task = {
      ...base,
      templateId,
      type: result.type,
      script,
      vars: { ...language.varsToJson(vars) },
      dbrps: [...dbrpsOfChanged(result, change.dbrps, old.dbrps, hadImplicit)],
    };
    return { task, script: result };
  }

  #hasImplicitDbrps(task: StoredTask): boolean {
    try {
      const result = this.#services.language.evaluate(task.script, this.#vars(task));
      return result.dbrps.length > 0;
    } catch {
      // A script that no longer compiles: its dbrps cannot be told apart, so keep those stored.
      return false;
    }
  }

  async #delete(id: string): Promise<Spread | undefined> {
    if (this.get(id)?.cluster !== undefined) return this.#rows.delete(id);
    await this.#forget(id);
    return undefined;
  }

  async #forget(id: string): Promise<void> {
    const { store, topics } = this.#services;
    const known = this.get(id) !== undefined;
    if (known) await store.commit([remove(taskKind, id)]);
    await this.#rows.stop(id);
    if (!known) return;
    await this.#services.snapshots?.delete(id);
    const prefix = `main:${id}:`;
    for (const topic of topics.list("", OK)) {
      if (topic.id.startsWith(prefix)) await topics.delete(topic.id);
    }
  }

  /**
   * Starts a task and keeps its stored error in line with the outcome, which it returns ("" = runs). `script` is what
   * this task's script and vars were just evaluated to; a task takes it for itself, so it is given once.
   */
  async #start(task: StoredTask, script?: ScriptResult): Promise<string> {
    this.#rows.noteStart(task);
    await this.#services.freshStates?.();
    const outcome = this.#startNow(task, script);
    const error = outcome.kind === "refused" ? outcome.error : "";
    if (task.error !== error) await this.#saveError(task, error);
    return error;
  }

  #startNow(task: StoredTask, evaluated?: ScriptResult): StartOutcome {
    try {
      const { engine } = this.#services;
      const { id, type, script, dbrps } = task;
      const definition = { id, type, script, dbrps, vars: varValues(this.#vars(task)) };
      if (evaluated === undefined || engine.startScript === undefined) {
        return engine.start(definition);
      }
      return engine.startScript(definition, evaluated);
    } catch (error) {
      return { kind: "refused", error: errorMessage(error) };
    }
  }

  async #saveError(task: StoredTask, error: string): Promise<void> {
    if (task.error === error) return;
    await this.#services.store.commit([putTask({ ...task, error })]);
  }

  /** Stops and starts those that are enabled, in order; stops at the first that does not start. */
  async #restartAll(
    tasks: readonly StoredTask[],
  ): Promise<{ readonly id: string; readonly error: string } | undefined> {
    for (const task of tasks) {
      if (task.status !== "enabled") continue;
      if (task.cluster !== undefined && !this.#rows.isStarted(task.id)) continue;
      await this.#services.freshStates?.();
      await this.#services.engine.stop(task.id);
      const error = await this.#start(task);
      if (error !== "") return { id: task.id, error };
    }
    return undefined;
  }

  #template(id: string, named = id): StoredTemplate {
    const template = this.#services.store.table(templateKind).get(id);
    if (template === undefined) {
      throw invalid(`unknown template ${named}: err: no template exists`);
    }
    return template;
  }

  #vars(task: StoredTask): Readonly<Record<string, Var>> {
    return this.#services.language.parseVars(task.vars);
  }

  #all(): StoredTask[] {
    const entries = this.#services.store.table(taskKind).entries();
    return entries.map(([, task]) => task).sort((a, b) => compareBytes(a.id, b.id));
  }
}

function putTask(task: StoredTask): Write {
  return put(taskKind, task.id, task);
}

/** Disabling must work also for a script that this version no longer accepts. */
function isOnlyDisable(change: TaskChange): boolean {
  return (
    change.status === "disabled" &&
    change.id === "" &&
    change.script === "" &&
    change.dbrps.length === 0 &&
    Object.keys(change.vars).length === 0
  );
}
