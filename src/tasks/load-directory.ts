/**
 * The load directory: templates, tasks and handlers as files, brought in line at start and on SIGHUP.
 *
 * Order: templates, tasks (`.tick` before files that name a template), handlers, then what was loaded earlier and
 * whose file is gone. What was loaded is remembered with a digest of its file, so an unchanged task is not
 * restarted. One bad file is reported and the rest goes on (the original stops at the first); what a bad
 * file defined before stays. Source: storage-and-influx §7, cluster-behaviour U21, U22.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, parse } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { HandlerSpec } from "#alert/handler.ts";
import type { HandlerDefinitions } from "#alert/ports.ts";
import type { Cancel, Clock } from "#lib/clock.ts";
import { readDefinition } from "#lib/definition-file.ts";
import { errorMessage } from "#lib/errors.ts";
import { compareBytes } from "#lib/json.ts";
import type { Log } from "#lib/log.ts";
import { put, remove, type Store } from "#storage/store.ts";
import type { Language } from "./ports.ts";
import { parseTaskChange, parseTemplateChange, type TaskChange } from "./task-change.ts";
import { failed, TaskError } from "./task-error.ts";
import type { TaskService } from "./task-service.ts";
import { exactJsonKind } from "./task-store.ts";
import type { TemplateService } from "./template-service.ts";

/** Files of one folder that are read; a folder with more is refused as a whole. */
export const LOAD_FILES_MAX = 20_000;

/** Pause before handlers that were refused (an owner was down) are tried again, and how often. */
export const LOAD_RETRY_MS = 30_000;
export const LOAD_RETRIES_MAX = 20;

const LoadItem = Type.Object({ digest: Type.String() });

/** What was loaded: key `tasks/ID`, `templates/ID` or `handlers/TOPIC/ID`. */
export const loadKind = exactJsonKind("load", LoadItem);

export interface LoadServices {
  readonly store: Store;
  readonly tasks: TaskService;
  readonly templates: TemplateService;
  readonly handlers: HandlerDefinitions;
  readonly language: Language;
  readonly clock: Clock;
  readonly log: Log;
}

export interface LoadReport {
  readonly loaded: number;
  readonly unchanged: number;
  readonly removed: number;
  /** `file: reason`, in order. */
  readonly errors: readonly string[];
}

interface LoadFile {
  /** Path below the load directory, for reports. */
  readonly name: string;
  readonly stem: string;
  readonly content: string;
  readonly digest: string;
}

/** How loading one file ended, and under which key it is remembered. */
interface Loaded {
  readonly key: string;
  readonly changed: boolean;
}

export class LoadDirectory {
  readonly #services: LoadServices;
  readonly #path: string;
  readonly #log: Log;
  #running: Promise<unknown> = Promise.resolve();
  #cancelRetry: Cancel = () => {};
  #retries = 0;
  #errors = 0;
  #closed = false;

  constructor(services: LoadServices, path: string) {
    this.#services = services;
    this.#path = path;
    this.#log = services.log.with({ service: "load" });
  }

  /** Errors since the start, for the `load` statistic. */
  get errors(): number {
    return this.#errors;
  }

  /** Brings everything in line with the files; runs asked for meanwhile follow one another. Never rejects. */
  run(): Promise<LoadReport> {
    this.#retries = 0;
    return this.#enqueue();
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry();
  }

  #enqueue(): Promise<LoadReport> {
    const next = this.#running.then(() => new LoadRun(this.#services, this.#path).run());
    this.#running = next;
    return next.then((run) => this.#finish(run));
  }

  #finish(run: LoadRun): LoadReport {
    this.#errors += run.errors.length;
    for (const err of run.errors) this.#log.error("failed to load", { err });
    const { loaded, unchanged, removed } = run;
    this.#log.info("load directory read", { loaded, unchanged, removed });
    if (run.refusedHandlers && this.#retries < LOAD_RETRIES_MAX && !this.#closed) {
      this.#retries++;
      this.#cancelRetry();
      this.#cancelRetry = this.#services.clock.after(LOAD_RETRY_MS, () => void this.#enqueue());
    }
    return { loaded, unchanged, removed, errors: run.errors };
  }
}

/** One pass over the directory. */
class LoadRun {
  loaded = 0;
  unchanged = 0;
  removed = 0;
  refusedHandlers = false;
  readonly errors: string[] = [];
  readonly #services: LoadServices;
  readonly #path: string;
  /** Keys whose files are there, good or bad. */
  readonly #present = new Set<string>();
  /** Folders that could not be read: nothing of theirs is taken for gone. */
  readonly #unread = new Set<string>();

  constructor(services: LoadServices, path: string) {
    this.#services = services;
    this.#path = path;
  }

  async run(): Promise<this> {
    for (const file of this.#files("templates", /\.tick$/)) {
      await this.#load(file, `templates/${file.stem}`, () => this.#template(file));
    }
    for (const extension of [/\.tick$/, /\.(ya?ml|json)$/]) {
      for (const file of this.#files("tasks", extension)) {
        await this.#load(file, `tasks/${file.stem}`, () => this.#task(file));
      }
    }
    for (const file of this.#files("handlers", /\.(ya?ml|json)$/)) {
      await this.#load(file, undefined, () => this.#handler(file));
    }
    await this.#removeVanished();
    return this;
  }

  /** Files of a folder by name; none when it is not there. */
  #files(folder: string, wanted: RegExp): LoadFile[] {
    try {
      const names = readdirSync(join(this.#path, folder), { withFileTypes: true })
        .filter((entry) => !entry.isDirectory() && wanted.test(entry.name))
        .map((entry) => entry.name)
        .sort(compareBytes);
      if (names.length > LOAD_FILES_MAX) {
        throw new Error(`more than ${LOAD_FILES_MAX} files`);
      }
      return names.flatMap((name) => this.#read(folder, name));
    } catch (error) {
      if (isMissing(error)) return [];
      this.errors.push(`${folder}: ${errorMessage(error)}`);
      this.#unread.add(folder);
      return [];
    }
  }

  #read(folder: string, name: string): LoadFile[] {
    const path = `${folder}/${name}`;
    try {
      const content = readFileSync(join(this.#path, path), "utf8");
      const digest = createHash("sha256").update(content).digest("hex");
      return [{ name: path, stem: parse(name).name, content, digest }];
    } catch (error) {
      this.errors.push(`${path}: ${errorMessage(error)}`);
      this.#unread.add(folder);
      return [];
    }
  }

  async #load(file: LoadFile, key: string | undefined, load: () => Promise<Loaded>): Promise<void> {
    if (key !== undefined) this.#present.add(key);
    try {
      const { key: loadedKey, changed } = await load();
      this.#present.add(loadedKey);
      if (changed) this.loaded++;
      else this.unchanged++;
      if (this.#remembered(loadedKey)?.digest !== file.digest) {
        await this.#services.store.commit([put(loadKind, loadedKey, { digest: file.digest })]);
      }
    } catch (error) {
      this.errors.push(`${file.name}: ${errorMessage(error)}`);
      await this.#rememberStored(key, error);
      // A handler file that cannot be read does not say which handler it defined.
      if (key === undefined) this.#unread.add("handlers");
    }
  }

  /** A task that is stored but does not start is ours too, and is tried again next time. */
  async #rememberStored(key: string | undefined, error: unknown): Promise<void> {
    const stored = error instanceof TaskError && error.reason === "failed";
    if (key === undefined || !stored || this.#remembered(key) !== undefined) return;
    try {
      await this.#services.store.commit([put(loadKind, key, { digest: "" })]);
    } catch (failure) {
      this.errors.push(`${key}: ${errorMessage(failure)}`);
    }
  }

  #remembered(key: string): Static<typeof LoadItem> | undefined {
    return this.#services.store.table(loadKind).get(key);
  }

  async #template(file: LoadFile): Promise<Loaded> {
    const { templates } = this.#services;
    const key = `templates/${file.stem}`;
    const existing = templates.get(file.stem);
    if (existing?.script === file.content) return { key, changed: false };
    const change = parseTemplateChange({ id: file.stem, script: file.content });
    if (existing === undefined) await templates.create(change);
    else await templates.update(file.stem, { ...change, id: "" });
    return { key, changed: true };
  }

  async #task(file: LoadFile): Promise<Loaded> {
    const { tasks, language } = this.#services;
    const key = `tasks/${file.stem}`;
    const same = this.#remembered(key)?.digest === file.digest;
    if (same && tasks.isExecuting(file.stem)) return { key, changed: false };
    const change = parseTaskChange(taskBody(file), language);
    const existing = tasks.get(file.stem);
    if (existing?.cluster !== undefined) {
      throw failed(
        `task ${file.stem} belongs to the cluster; a file defines a task of this member`,
      );
    }
    if (existing === undefined) {
      await tasks.create({ ...change, id: file.stem, status: "enabled" });
    } else {
      await tasks.update(file.stem, change);
      await this.#restart(file.stem, change);
    }
    return { key, changed: true };
  }

  /** An edited task does not restart by itself; a task that was disabled by hand is enabled again. */
  async #restart(id: string, change: TaskChange): Promise<void> {
    const only = { ...change, id: "", script: "", templateId: "", dbrps: [], vars: {} };
    await this.#services.tasks.update(id, { ...only, status: "disabled" });
    await this.#services.tasks.update(id, { ...only, status: "enabled" });
  }

  async #handler(file: LoadFile): Promise<Loaded> {
    const { handlers } = this.#services;
    const spec = handlerOf(file);
    const key = `handlers/${spec.topic}/${spec.id}`;
    this.#present.add(key);
    const existing = handlers.get(spec.topic, spec.id);
    if (existing !== undefined && Bun.deepEquals(existing, spec)) return { key, changed: false };
    const edit =
      existing === undefined
        ? await handlers.create(spec, false)
        : await handlers.replace(spec.topic, spec.id, spec, false);
    if (edit.kind === "refused") {
      this.refusedHandlers = true;
      throw failed(edit.error);
    }
    return { key, changed: true };
  }

  async #removeVanished(): Promise<void> {
    const { store } = this.#services;
    for (const [key] of store.table(loadKind).entries()) {
      const [folder = "", first = "", ...more] = key.split("/");
      if (this.#present.has(key) || this.#unread.has(folder)) continue;
      try {
        await this.#remove(folder, first, more.join("/"));
        await store.commit([remove(loadKind, key)]);
        this.removed++;
      } catch (error) {
        this.errors.push(`${key}: ${errorMessage(error)}`);
      }
    }
  }

  async #remove(folder: string, first: string, second: string): Promise<void> {
    const { tasks, templates, handlers } = this.#services;
    if (folder === "tasks") {
      // It became the cluster's since; a file of one member does not say what becomes of it.
      if (tasks.get(first)?.cluster !== undefined) return;
      return tasks.delete(first);
    }
    if (folder === "templates") return templates.delete(first);
    if (handlers.get(first, second) === undefined) return;
    const edit = await handlers.delete(first, second, false);
    if (edit.kind === "refused") {
      this.refusedHandlers = true;
      throw failed(edit.error);
    }
  }
}

function taskBody(file: LoadFile): unknown {
  if (file.name.endsWith(".tick")) return { script: file.content };
  const { "template-id": templateId, dbrps, vars } = readDefinition(file.name, file.content);
  return { "template-id": templateId, dbrps, vars };
}

const HandlerFile = Type.Object({
  topic: Type.String({ minLength: 1 }),
  id: Type.String({ minLength: 1 }),
  kind: Type.String({ minLength: 1 }),
  match: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  options: Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])),
});

function handlerOf(file: LoadFile): HandlerSpec {
  const value = readDefinition(file.name, file.content);
  if (!Value.Check(HandlerFile, value)) {
    const wrong = Value.Errors(HandlerFile, value).First();
    throw new Error(`${(wrong?.path ?? "").slice(1) || "file"}: ${wrong?.message ?? "wrong type"}`);
  }
  const { id, topic, kind, match, options } = value;
  return { id, topic, kind, match: match ?? "", options: options ?? null };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
