/**
 * `/tasks`: define, change, show, list and delete tasks, and read their httpOut endpoints.
 *
 * What a task may be is decided in `tasks/`; here requests become changes and tasks become JSON. Endpoints
 * of running tasks live below the task's own path and are looked up first. What a cluster task shows while it runs is
 * fetched from a member that runs it. Source: http-api §3.
 */

import { sorted } from "#lib/json.ts";
import type { ShownTask } from "#tasks/cluster-tasks.ts";
import type { TaskMember } from "#tasks/ports.ts";
import type { RunningReplay } from "#tasks/replay-service.ts";
import { parseTaskChange, TaskBody } from "#tasks/task-change.ts";
import type { Inspection } from "#tasks/task-service.ts";
import type { StoredTask } from "#tasks/task-store.ts";
import { answerCompact, answerJson, answerNothing, link, statsJson } from "../answer.ts";
import { jsonOf } from "../body.ts";
import { badRequest, unknown } from "../errors.ts";
import { choice, LIST_QUERY, listItems, readListParams } from "../list-params.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

const VIEW_QUERY = {
  "dot-view": "attributes (default) or labels: how a running task's graph carries its numbers.",
  "script-format": "formatted (default) or raw.",
} as const;

const errors = { 400: "error", 404: "error" } as const;

export const tasks = defineResource({
  name: "tasks",
  doc: "Tasks: a TICKscript, the databases it reads, its vars and whether it runs.",
  routes: [
    {
      method: "GET",
      path: "/tasks",
      summary: "Lists tasks by ID.",
      query: { ...LIST_QUERY, ...VIEW_QUERY },
      answers: { 200: '{"tasks": […]}; stats are those of this member', 400: "error" },
      answer: listTasks,
    },
    {
      method: "POST",
      path: "/tasks",
      summary: "Defines a task.",
      body: TaskBody,
      answers: { 200: "the task", 400: "error", 500: "stored, but it does not start" },
      answer: createTask,
    },
    {
      method: "GET",
      path: "/tasks/*",
      summary: "Shows a task, or the data of one of its httpOut endpoints.",
      query: { ...VIEW_QUERY, "replay-id": "A running replay whose numbers to show." },
      answers: {
        200: "the task; one of the cluster also has `cluster` and the `members` that run it",
        ...errors,
      },
      answer: getTask,
    },
    {
      method: "PATCH",
      path: "/tasks/*",
      summary: "Changes a task; what is absent or empty stays.",
      body: TaskBody,
      answers: { 200: "the task", ...errors, 500: "stored, but it does not start" },
      answer: updateTask,
    },
    {
      method: "DELETE",
      path: "/tasks/*",
      summary: "Stops and deletes a task.",
      answers: { 204: "gone, or was never there", 400: "error" },
      answer: deleteTask,
    },
  ],
});

interface View {
  readonly dotView: "attributes" | "labels";
  readonly format: "formatted" | "raw";
  /** Whose numbers to show instead of the task's own. */
  readonly replay?: RunningReplay | undefined;
  /** The task as a member shows it that runs it, where this one does not. */
  readonly shown?: ShownTask | undefined;
}

const DEFAULT_VIEW: View = { dotView: "attributes", format: "formatted" };

function readView(query: URLSearchParams): View {
  return {
    dotView: choice(query, "dot-view", ["attributes", "labels"]),
    format: choice(query, "script-format", ["formatted", "raw"]),
  };
}

function listTasks(call: Call, services: HttpServices): Response {
  const params = readListParams(call.query);
  const view = readView(call.query);
  const rows = services.tasks.list(params).map((task) => new TaskRow(task, view, services));
  const items = listItems(rows, params, { fields: FIELDS, always: ALWAYS });
  return answerJson({ tasks: items });
}

async function createTask(call: Call, services: HttpServices): Promise<Response> {
  const change = await readChange(call, services);
  return answerShown(await services.tasks.create(change), services);
}

async function updateTask(call: Call, services: HttpServices): Promise<Response> {
  const id = taskId(call);
  const change = await readChange(call, services);
  return answerShown(await services.tasks.update(id, change), services);
}

async function deleteTask(call: Call, services: HttpServices): Promise<Response> {
  await services.tasks.delete(taskId(call));
  return answerNothing();
}

async function getTask(call: Call, services: HttpServices): Promise<Response> {
  const id = taskId(call);
  const slash = id.indexOf("/");
  if (slash > 0) {
    const [task, endpoint] = [id.slice(0, slash), id.slice(slash + 1)];
    const result =
      services.engine.endpoint(task, endpoint) ?? services.replays?.endpoint(task, endpoint);
    if (result !== undefined) return answerCompact(result);
    const elsewhere = await endpointElsewhere(task, endpoint, services);
    if (elsewhere !== undefined) return new Response(elsewhere);
  }
  const view = readView(call.query);
  const replay = call.query.get("replay-id") ?? "";
  const running = services.replays?.running(replay);
  if (replay !== "" && running === undefined) {
    throw badRequest(`no running replay with ID: ${replay}`);
  }
  const task = services.tasks.get(id);
  if (task === undefined) throw unknown("no task exists");
  if (running !== undefined && running.task !== id)
    throw badRequest(`replay ${replay} is not for task: ${id}`);
  return answerShown(task, services, { ...view, replay: running });
}

async function endpointElsewhere(
  id: string,
  endpoint: string,
  { tasks, clusterTasks }: HttpServices,
): Promise<string | undefined> {
  if (tasks.get(id)?.cluster === undefined || tasks.isExecuting(id)) return undefined;
  return clusterTasks?.endpointOf(id, endpoint);
}

function taskId(call: Call): string {
  const id = call.params["*"] ?? "";
  if (id === "") throw badRequest("must specify task id on path");
  return id;
}

async function readChange(call: Call, services: HttpServices) {
  return parseTaskChange(await jsonOf(call.request), services.language);
}

async function answerShown(
  task: StoredTask,
  services: HttpServices,
  view = DEFAULT_VIEW,
): Promise<Response> {
  const isElsewhere =
    task.cluster !== undefined &&
    task.status === "enabled" &&
    !services.tasks.isExecuting(task.id) &&
    task.error === "";
  const shown = isElsewhere
    ? await services.clusterTasks?.showOf(task.id, view.dotView)
    : undefined;
  return answerTask(task, services, { ...view, shown });
}

function answerTask(task: StoredTask, services: HttpServices, view: View): Response {
  const row = new TaskRow(task, view, services);
  const body: Record<string, unknown> = {};
  for (const field of OBJECT_ORDER) body[field] = FIELDS[field](row);
  body["template-id"] = task.templateId;
  body["stats"] ??= {};
  return answerJson(body);
}

/** One task with what is worked out for it at most once per answer. */
class TaskRow {
  readonly task: StoredTask;
  readonly #view: View;
  readonly #services: HttpServices;
  #inspection: Inspection | undefined;

  constructor(task: StoredTask, view: View, services: HttpServices) {
    this.task = task;
    this.#view = view;
    this.#services = services;
  }

  inspect(): Inspection {
    const { dotView, replay, shown } = this.#view;
    const { id, error } = this.task;
    const dot = replay?.engine.dot(id, dotView);
    if (dot === undefined && shown !== undefined) return shown;
    this.#inspection ??=
      dot === undefined ? this.#services.tasks.inspect(this.task, dotView) : { dot, error };
    return this.#inspection;
  }

  script(): string {
    return this.#services.tasks.script(this.task, this.#view.format);
  }

  isExecuting(): boolean {
    const { replay } = this.#view;
    if (replay !== undefined) return replay.task === this.task.id;
    return this.#services.tasks.isExecuting(this.task.id) || this.#runsElsewhere();
  }

  #runsElsewhere(): boolean {
    return this.isShared() === true && (this.members()?.length ?? 0) > 0;
  }

  /** `undefined` where the cluster has no task of this ID; false where one of this member stands before it. */
  isShared(): boolean | undefined {
    if (this.task.cluster !== undefined) return true;
    return this.members() === undefined ? undefined : false;
  }

  members(): readonly TaskMember[] | undefined {
    return this.#services.clusterTasks?.members(this.task.id);
  }

  stats(): unknown {
    const { replay, shown } = this.#view;
    const source = replay?.engine ?? this.#services.tasks;
    const stats = source.stats(this.task.id) ?? shown?.stats ?? null;
    return stats === null ? null : statsJson(stats);
  }
}

const FIELDS = {
  link: (row: TaskRow) => link(`/tasks/${row.task.id}`),
  id: (row: TaskRow) => row.task.id,
  // A list leaves the template out where there is none.
  "template-id": (row: TaskRow) => row.task.templateId || undefined,
  type: (row: TaskRow) => row.task.type,
  dbrps: (row: TaskRow) => row.task.dbrps,
  script: (row: TaskRow) => row.script(),
  vars: (row: TaskRow) => sorted(row.task.vars),
  dot: (row: TaskRow) => row.inspect().dot,
  status: (row: TaskRow) => row.task.status,
  executing: (row: TaskRow) => row.isExecuting(),
  error: (row: TaskRow) => row.inspect().error,
  stats: (row: TaskRow) => row.stats(),
  created: (row: TaskRow) => row.task.created,
  modified: (row: TaskRow) => row.task.modified,
  "last-enabled": (row: TaskRow) => row.task.lastEnabled,
  // Only of cluster tasks.
  cluster: (row: TaskRow) => row.isShared(),
  members: (row: TaskRow) =>
    row.members()?.map(({ id, address }) => ({ id, "api-address": address })),
} as const;

const ALWAYS = ["id", "link", "cluster", "members"] as const;

/** Key order of a single task; that of a list is alphabetical. */
const OBJECT_ORDER = [
  "link",
  "id",
  "template-id",
  "type",
  "dbrps",
  "script",
  "vars",
  "dot",
  "status",
  "executing",
  "error",
  "stats",
  "created",
  "modified",
  "last-enabled",
  "cluster",
  "members",
] as const;
