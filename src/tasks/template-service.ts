/**
 * Templates: scripts with open vars, and the tasks made from them.
 *
 * Changing a template changes all its tasks or none: every task's script is evaluated with the task's own
 * vars before anything is stored, template and tasks are stored in one commit, and when a running task
 * then fails to restart, everything is put back. Source: http-api §4 (where the original replaces the
 * template although it answers with an error; here the template is put back too).
 */

import { dotOfScript } from "#engine/dot.ts";
import { errorMessage } from "#lib/errors.ts";
import { uuid4 } from "#lib/uuid.ts";
import { put, remove, type Write } from "#storage/store.ts";
import { checkTemplateScript } from "./definition-check.ts";
import { checkId } from "./ids.ts";
import { KeyedLock } from "./keyed-lock.ts";
import type { Spread, TaskServices, VarsJson } from "./ports.ts";
import { type SharedTasks, templateKey, templateRow } from "./shared-tasks.ts";
import type { TemplateChange } from "./task-change.ts";
import { failed, invalid, notFound } from "./task-error.ts";
import type { TaskService } from "./task-service.ts";
import {
  type Page,
  readPage,
  type StoredTask,
  type StoredTemplate,
  stamp,
  templateKind,
} from "./task-store.ts";

/** What a template's script declares. */
export interface TemplateInspection {
  readonly vars: VarsJson;
  readonly dot: string;
  readonly error: string;
}

export class TemplateService {
  readonly #services: TaskServices;
  readonly #tasks: TaskService;
  readonly #lock = new KeyedLock();
  /** Templates of the cluster that others of the same ID stand before; reported once. */
  readonly #hidden = new Set<string>();

  constructor(services: TaskServices, tasks: TaskService) {
    this.#services = services;
    this.#tasks = tasks;
  }

  get(id: string): StoredTemplate | undefined {
    return this.#services.store.table(templateKind).get(id);
  }

  /** By ascending ID; a malformed pattern gives an empty page. */
  list(page: Page): readonly StoredTemplate[] {
    return readPage(this.#services.store, templateKind, page);
  }

  inspect(template: StoredTemplate): TemplateInspection {
    const { language } = this.#services;
    try {
      const result = language.evaluateTemplate(template.script);
      const vars = language.varsToJson(Object.fromEntries(result.vars));
      return { vars, dot: dotOfScript(template.id, result.nodes), error: template.error };
    } catch (error) {
      return { vars: {}, dot: "", error: errorMessage(error) };
    }
  }

  /** Stores a new template. Throws `TaskError`, `StorageError`. */
  create(change: TemplateChange): Promise<StoredTemplate> {
    const id = change.id === "" ? uuid4(this.#services.random) : change.id;
    return this.#lock.run([id], async () => {
      checkId("template", id);
      if (this.get(id) !== undefined) throw invalid(`template ${id} already exists`);
      const { type } = checkTemplateScript(this.#services.language, change.script);
      const now = stamp(this.#services.clock.now());
      const template = {
        id,
        type,
        script: change.script,
        error: "",
        created: now,
        modified: now,
      };
      await this.#services.store.commit([put(templateKind, id, template)]);
      return template;
    });
  }

  /** Changes a template and all its tasks, or nothing. Throws `TaskError`, `StorageError`. */
  async update(id: string, change: TemplateChange): Promise<StoredTemplate> {
    const keys = change.id === "" ? [id] : [id, change.id];
    const { template, spread } = await this.#lock.run(keys, () => this.#update(id, change));
    await spread?.();
    return template;
  }

  /** Forgets a template; its tasks keep running with the script they have. A missing one is fine. */
  async delete(id: string): Promise<void> {
    const spread = await this.#lock.run([id], async () => {
      const template = this.get(id);
      if (template === undefined) return undefined;
      const gone = [remove(templateKind, id)];
      if (template.cluster === true) return this.#deleteShared(template, gone);
      await this.#services.store.commit(gone);
      return undefined;
    });
    await spread?.();
  }

  /**
   * Brings a template here in line with the cluster's. One of this member's own with another script stays; a new script
   * that one of its tasks here cannot run with is not taken, and the template says so.
   */
  followShared(id: string): Promise<void> {
    return this.#lock.run([id], async () => {
      const template = this.#services.shared?.template(id);
      const row = this.get(id);
      if (template === undefined) await this.#unshare(row);
      else if (row === undefined) await this.#store(templateRow(template));
      else if (row.script === template.script)
        await this.#store({ ...row, ...templateRow(template) });
      else if (row.cluster !== true) this.#reportHidden(id);
      else await this.#adopt(row, templateRow(template));
    });
  }

  async #store(template: StoredTemplate): Promise<void> {
    if (Bun.deepEquals(this.get(template.id), template)) return;
    await this.#services.store.commit([put(templateKind, template.id, template)]);
  }

  /** The cluster deleted it, or this member left the cluster: then tasks of its own may still need it. */
  async #unshare(row: StoredTemplate | undefined): Promise<void> {
    if (row?.cluster !== true) return;
    const { cluster: _, ...own } = row;
    const isNeeded =
      this.#services.shared?.isDeletedTemplate(row.id) === false &&
      this.#tasks.associated(row).some((task) => task.cluster === undefined);
    if (isNeeded) await this.#store(own);
    else await this.#services.store.commit([remove(templateKind, row.id)]);
  }

  async #adopt(row: StoredTemplate, template: StoredTemplate): Promise<void> {
    try {
      await this.#replace(row, template);
      this.#services.log.info("template of the cluster changed", { template: row.id });
    } catch (error) {
      const err = `the cluster's version is not in force on this member: ${errorMessage(error)}`;
      this.#services.log.error("template not changed", { template: row.id, err });
      await this.#store({ ...row, error: err });
    }
  }

  #reportHidden(id: string): void {
    if (this.#hidden.has(id)) return;
    this.#hidden.add(id);
    this.#services.log.warn("a template of this member alone hides the cluster's", {
      template: id,
    });
  }

  /** Its cluster tasks keep the script they have, on members too that learn of both later. */
  #deleteShared(template: StoredTemplate, gone: readonly Write[]): Promise<Spread> {
    const shared = this.#shared();
    const { id, script, type } = template;
    const tasks = shared
      .taskIds()
      .flatMap((task) => shared.task(task) ?? [])
      .filter((task) => task.templateId === id && task.script !== script)
      .map((task) => ({ ...task, script, type }));
    return shared.save({ tasks, deleted: [templateKey(id)] }, gone);
  }

  #shared(): SharedTasks {
    const { shared } = this.#services;
    if (shared === undefined) throw failed("cluster tasks are not available here");
    return shared;
  }

  async #update(
    id: string,
    change: TemplateChange,
  ): Promise<{ readonly template: StoredTemplate; readonly spread?: Spread }> {
    const old = this.get(id);
    if (old === undefined) throw notFound("template does not exist, cannot update");
    if (old.cluster === true && change.id !== "" && change.id !== id) {
      throw invalid(`template ${id} is used by cluster tasks and cannot be renamed`);
    }
    const script = change.script === "" ? old.script : change.script;
    const { type } = checkTemplateScript(this.#services.language, script);
    const template: StoredTemplate = {
      ...old,
      error: "",
      id: change.id === "" ? id : change.id,
      type,
      script,
      modified: stamp(this.#services.clock.now()),
    };
    if (template.id !== id && this.get(template.id) !== undefined) {
      throw failed("failed to create new template during ID change: template already exists");
    }
    await this.#replace(old, template);
    if (old.cluster !== true) return { template };
    return { template, spread: await this.#shared().save({ templates: [template] }, []) };
  }

  async #replace(old: StoredTemplate, template: StoredTemplate): Promise<void> {
    const tasks = this.#tasks.associated(old);
    for (const task of tasks) this.#checkTask(task, template.script);
    const renamed = template.id !== old.id;
    const write = put(templateKind, template.id, template);
    const restore = put(templateKind, old.id, old);
    const failure = await this.#tasks.replaceAll(
      tasks,
      (task) => ({
        ...task,
        templateId: template.id,
        script: template.script,
        type: template.type,
      }),
      renamed ? [remove(templateKind, old.id), write] : [write],
      renamed ? [remove(templateKind, template.id), restore] : [restore],
    );
    if (failure !== undefined) throw reloadFailure(failure.id, failure.error);
  }

  #checkTask(task: StoredTask, script: string): void {
    try {
      this.#services.language.evaluate(script, this.#services.language.parseVars(task.vars));
    } catch (error) {
      throw reloadFailure(task.id, errorMessage(error));
    }
  }
}

function reloadFailure(id: string, error: string): Error {
  return failed(`error reloading associated task ${id}: ${error}`);
}
