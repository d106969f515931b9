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
import { put, remove } from "#storage/store.ts";
import { checkTemplateScript } from "./definition-check.ts";
import { checkId } from "./ids.ts";
import { KeyedLock } from "./keyed-lock.ts";
import type { TaskServices, VarsJson } from "./ports.ts";
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
  update(id: string, change: TemplateChange): Promise<StoredTemplate> {
    const keys = change.id === "" ? [id] : [id, change.id];
    return this.#lock.run(keys, () => this.#update(id, change));
  }

  /** Forgets a template; its tasks keep running with the script they have. A missing one is fine. */
  delete(id: string): Promise<void> {
    return this.#lock.run([id], async () => {
      if (this.get(id) === undefined) return;
      await this.#services.store.commit([remove(templateKind, id)]);
    });
  }

  async #update(id: string, change: TemplateChange): Promise<StoredTemplate> {
    const old = this.get(id);
    if (old === undefined) throw notFound("template does not exist, cannot update");
    const script = change.script === "" ? old.script : change.script;
    const { type } = checkTemplateScript(this.#services.language, script);
    const template: StoredTemplate = {
      ...old,
      id: change.id === "" ? id : change.id,
      type,
      script,
      modified: stamp(this.#services.clock.now()),
    };
    if (template.id !== id && this.get(template.id) !== undefined) {
      throw failed("failed to create new template during ID change: template already exists");
    }
    await this.#replace(old, template);
    return template;
  }

  async #replace(old: StoredTemplate, template: StoredTemplate): Promise<void> {
    const tasks = this.#tasks.associated(old.id);
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
