/**
 * Cluster tasks and templates as the services read and write them: typed fields over the cluster's table.
 *
 * Fields that this release does not know are kept when a definition is changed. A definition that cannot be read
 * (of a later release, say) is reported once and treated as if it were not there.
 */

import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import { StorageError, type Write } from "#storage/store.ts";
import type { SharedFields, SharedTable, Spread, TaskRunners } from "./ports.ts";
import { failed, invalid, TaskError } from "./task-error.ts";
import {
  type StoredTask,
  StoredTaskSchema,
  type StoredTemplate,
  StoredTemplateSchema,
} from "./task-store.ts";

/** What is not a member's own affair. */
const TaskFields = Type.Composite([
  Type.Omit(StoredTaskSchema, ["error", "cluster"]),
  Type.Object({ run: Type.String() }),
]);
const TemplateFields = Type.Omit(StoredTemplateSchema, ["error", "cluster"]);

export type SharedTemplate = Readonly<Static<typeof TemplateFields>>;

export interface SharedTasksParts {
  readonly table: SharedTable;
  readonly runners: TaskRunners;
  readonly log: Log;
}

export class SharedTasks {
  readonly table: SharedTable;
  readonly runners: TaskRunners;
  readonly #log: Log;
  readonly #unread = new Set<string>();
  /** What was read of definitions that have not changed since. */
  readonly #known = new WeakMap<object, unknown>();

  constructor({ table, runners, log }: SharedTasksParts) {
    this.table = table;
    this.runners = runners;
    this.#log = log;
  }

  /** As a stored task without an error; `undefined` when there is none. */
  task(id: string): StoredTask | undefined {
    const fields = this.#read(taskKey(id), TaskFields);
    if (fields === undefined) return undefined;
    const { run, ...task } = fields;
    return { ...task, error: "", cluster: { run } };
  }

  template(id: string): SharedTemplate | undefined {
    return this.#read(templateKey(id), TemplateFields);
  }

  /** True for a template that was deleted, false for one that is not the cluster's any more. */
  isDeletedTemplate(id: string): boolean {
    return this.table.get(templateKey(id)) === null;
  }

  taskIds(): readonly string[] {
    return this.#ids(TASK);
  }

  templateIds(): readonly string[] {
    return this.#ids(TEMPLATE);
  }

  /** Throws an `invalid` `TaskError` when the ID is taken, here or by another member's own task. */
  async refuseTaken(id: string): Promise<void> {
    if (this.task(id) !== undefined) throw invalid(`task ${id} already exists in the cluster`);
    const [owner] = await this.runners.owners(id);
    if (owner === undefined) return;
    throw invalid(
      `task ${id} already exists on member ${owner.id} (${owner.address}), as a task of that member alone; ` +
        "delete it there first",
    );
  }

  /** Changes definitions, durably here. Throws `TaskError`, `StorageError`. */
  async save(
    changes: {
      readonly tasks?: readonly StoredTask[];
      readonly templates?: readonly SharedTemplate[];
      readonly deleted?: readonly string[];
    },
    more: readonly Write[],
  ): Promise<Spread> {
    const { tasks = [], templates = [], deleted = [] } = changes;
    const edits = [
      ...deleted.map((key) => ({ key, value: null })),
      ...templates.map((template) =>
        this.#edit(templateKey(template.id), templateFields(template)),
      ),
      ...tasks.map((task) => this.#edit(taskKey(task.id), taskFields(task))),
    ];
    try {
      return await this.table.save(edits, more);
    } catch (error) {
      if (error instanceof TaskError || error instanceof StorageError) throw error;
      throw Object.assign(failed(errorMessage(error)), { cause: error });
    }
  }

  #edit(key: string, fields: Readonly<Record<string, unknown>>) {
    return { key, value: { ...this.table.get(key), ...fields } satisfies SharedFields };
  }

  #ids(prefix: string): readonly string[] {
    return this.table
      .keys()
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
      .sort();
  }

  #read<T extends TSchema>(key: string, schema: T): Static<T> | undefined {
    const fields = this.table.get(key);
    if (fields === undefined || fields === null) return undefined;
    const known = this.#known.get(fields);
    // One definition is read by one schema only.
    if (known !== undefined) return known as Static<T>;
    if (Value.Check(schema, fields)) {
      const read = Value.Clean(schema, structuredClone(fields)) as Static<T>;
      this.#known.set(fields, read);
      return read;
    }
    if (!this.#unread.has(key)) {
      this.#unread.add(key);
      const wrong = Value.Errors(schema, fields).First();
      const err = `${wrong?.path ?? ""}: ${wrong?.message ?? "unknown shape"}`;
      this.#log.error("a definition of the cluster cannot be read", { definition: key, err });
    }
    return undefined;
  }
}

const TASK = "task/";
const TEMPLATE = "template/";

export function taskKey(id: string): string {
  return TASK + id;
}

export function templateKey(id: string): string {
  return TEMPLATE + id;
}

/** Reads such a key. */
export function ofKey(key: string): { readonly kind: "task" | "template"; readonly id: string } {
  return key.startsWith(TEMPLATE)
    ? { kind: "template", id: key.slice(TEMPLATE.length) }
    : { kind: "task", id: key.slice(TASK.length) };
}

function taskFields({ error: _, cluster, ...fields }: StoredTask) {
  return { ...fields, run: cluster?.run ?? "" };
}

function templateFields({ id, type, script, created, modified }: SharedTemplate) {
  return { id, type, script, created, modified };
}

/** A template's row as the cluster's definition has it. */
export function templateRow(template: SharedTemplate): StoredTemplate {
  return { ...templateFields(template), error: "", cluster: true };
}
