/**
 * Cluster tasks on this member: follows the cluster's definitions and decisions, and answers others for what runs here.
 *
 * Everything that may change what runs here only marks keys; one loop brings them in line, templates before tasks, and
 * then tells the other members. So a burst of changes is one pass, and a failure of one task does not stop the rest.
 */

import type { EngineHost, TaskStats } from "#engine/ports.ts";
import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import { encodeJson, parseJson } from "#lib/json.ts";
import type { Log } from "#lib/log.ts";
import type { LocalTasks, TaskMember, TaskQuestion } from "./ports.ts";
import { ofKey, type SharedTasks, taskKey, templateKey } from "./shared-tasks.ts";
import { failed } from "./task-error.ts";
import type { TaskService } from "./task-service.ts";
import type { TemplateService } from "./template-service.ts";

export interface ClusterTasksParts {
  readonly shared: SharedTasks;
  readonly tasks: TaskService;
  readonly templates: TemplateService;
  readonly engine: Pick<EngineHost, "endpoint">;
  readonly clock: Clock;
  readonly log: Log;
}

/** A running task as the member that runs it sees it. */
export interface ShownTask {
  /** Null when it does not run, for the error that is shown. */
  readonly stats: TaskStats | null;
  readonly dot: string;
  readonly error: string;
}

/** What could not be followed (a full disk) is tried again after this, ms. */
const FOLLOW_RETRY_MS = 5_000;

type View = "attributes" | "labels";

const ALL = { pattern: "", offset: 0, limit: -1 } as const;

export class ClusterTasks implements LocalTasks {
  readonly #parts: ClusterTasksParts;
  readonly #marked = new Set<string>();
  #pass: Promise<void> | undefined;
  #closed = false;

  constructor(parts: ClusterTasksParts) {
    this.#parts = parts;
  }

  /** Starts what is to run here; resolves when it does. */
  async open(): Promise<void> {
    const { shared } = this.#parts;
    await shared.runners.join(this);
    shared.table.follow((keys) => this.#mark(keys));
    shared.runners.onChange(() => void this.#mark(this.#taskKeys()));
    await this.#mark([...this.#templateKeys(), ...this.#taskKeys()]);
  }

  close(): void {
    this.#closed = true;
  }

  running(): readonly string[] {
    return this.#parts.shared.taskIds().filter((id) => this.runs(id));
  }

  blocked(): readonly string[] {
    return this.#parts.shared.taskIds().filter((id) => this.owns(id));
  }

  runs(task: string): boolean {
    return this.#parts.tasks.runsShared(task);
  }

  owns(task: string): boolean {
    const row = this.#parts.tasks.get(task);
    return row !== undefined && row.cluster === undefined;
  }

  show(id: string, view: View): string | undefined {
    const { tasks } = this.#parts;
    const task = tasks.get(id);
    const stats = tasks.stats(id) ?? null;
    if (task?.cluster === undefined || (stats === null && task.error === "")) return undefined;
    return encodeJson({ stats, ...tasks.inspect(task, view) } satisfies ShownTask);
  }

  endpoint(task: string, endpoint: string): string | undefined {
    if (!this.runs(task)) return undefined;
    const result = this.#parts.engine.endpoint(task, endpoint);
    return result === undefined ? undefined : encodeJson(result);
  }

  /** Members that run a cluster task; `undefined` when the cluster has none of this ID. */
  members(task: string): readonly TaskMember[] | undefined {
    const { table, runners } = this.#parts.shared;
    const isKnown = (table.get(taskKey(task)) ?? null) !== null;
    return isKnown ? runners.runners(task) : undefined;
  }

  /** What a member that runs the task shows of it, or one that failed to; `undefined` when none does or answers. */
  async showOf(task: string, view: View): Promise<ShownTask | undefined> {
    const text = await this.#ask({ what: "show", task, view }).catch((error: unknown) => {
      this.#parts.log.debug("task not shown", { task, err: errorMessage(error) });
      return undefined;
    });
    const parsed = text === undefined ? undefined : parseJson(text);
    // Made by `show` of another member of the cluster.
    return parsed?.ok === true ? (parsed.value as ShownTask) : undefined;
  }

  /**
   * The data of an httpOut endpoint, as the text to answer, from a member that runs the task; `undefined` when there is no
   * such endpoint. Throws a `failed` `TaskError` that names the member when it does not answer.
   */
  endpointOf(task: string, endpoint: string): Promise<string | undefined> {
    return this.#ask({ what: "endpoint", task, endpoint });
  }

  /** Asks the members that run a task, or failed to, one after the other. */
  async #ask(question: TaskQuestion): Promise<string | undefined> {
    const { runners } = this.#parts.shared;
    let failure: Error | undefined;
    for (const { id, address } of runners.witnesses(question.task)) {
      try {
        return await runners.ask(id, question);
      } catch (error) {
        const where = `task ${question.task} is run by member ${id} (${address})`;
        failure ??= failed(`${where}, which does not answer: ${errorMessage(error)}`);
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  /** Resolves when they, and all marked meanwhile, are in line. */
  #mark(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#marked.add(key);
    this.#pass ??= this.#run();
    return this.#pass;
  }

  async #run(): Promise<void> {
    // Not before `#pass` is set.
    await Promise.resolve();
    while (this.#marked.size > 0 && !this.#closed) {
      const keys = [...this.#marked].map(ofKey);
      this.#marked.clear();
      for (const { kind, id } of keys) if (kind === "template") await this.#followTemplate(id);
      for (const { kind, id } of keys) if (kind === "task") await this.#followTask(id);
      this.#parts.shared.runners.report();
    }
    this.#pass = undefined;
  }

  async #followTemplate(id: string): Promise<void> {
    const { shared, templates, tasks, log } = this.#parts;
    try {
      await templates.followShared(id);
    } catch (error) {
      log.error("template of the cluster not followed", { template: id, err: errorMessage(error) });
      this.#retry(templateKey(id));
    }
    for (const task of shared.taskIds()) {
      if (tasks.get(task)?.templateId === id) await this.#followTask(task);
    }
  }

  async #followTask(id: string): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#parts.tasks.followShared(id);
    } catch (error) {
      this.#parts.log.error("cluster task not followed", { task: id, err: errorMessage(error) });
      this.#retry(taskKey(id));
    }
  }

  #retry(key: string): void {
    this.#parts.clock.after(FOLLOW_RETRY_MS, () => void this.#mark([key]));
  }

  /** Those of the cluster, and rows that were the cluster's when this member last looked. */
  #taskKeys(): readonly string[] {
    const { shared, tasks } = this.#parts;
    const rows = tasks.list(ALL).filter(({ cluster }) => cluster !== undefined);
    return [...new Set([...shared.taskIds(), ...rows.map(({ id }) => id)])].map(taskKey);
  }

  #templateKeys(): readonly string[] {
    const { shared, templates } = this.#parts;
    const rows = templates.list(ALL).filter(({ cluster }) => cluster !== undefined);
    return [...new Set([...shared.templateIds(), ...rows.map(({ id }) => id)])].map(templateKey);
  }
}
