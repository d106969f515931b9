/** `list`: tables of everything the server holds. Source: cli §5 for every column. */

import { type JsonRecord, record, records, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { handlersMatching, LIST_DEFAULTS, topicsMatching } from "../matching.ts";
import {
  columnWidth,
  formatDbrps,
  formatLocalTime,
  formatMembers,
  left,
  report,
  right,
} from "../output.ts";
import { formatSize } from "../size.ts";

export const list: Command = {
  name: "list",
  summary: "List tasks, templates, recordings, replays, topics, handlers, service tests.",
  help: `Usage: kapacitor list KIND [PATTERN]...
       kapacitor list topic-handlers [TOPIC_PATTERN [HANDLER_PATTERN]...]

Lists everything of a kind whose ID matches one of the patterns, or all.
KIND is tasks, templates, recordings, replays, topics, topic-handlers or service-tests.
Where there are tasks of the cluster, a last column names the members that run them.

Examples:
  $ kapacitor list tasks
  $ kapacitor list tasks 'cpu_*'
  $ kapacitor list topic-handlers cpu`,
  json: `{"tasks": […]}, {"templates": […]} and so on, rows as the API gives them, of all patterns;
tasks and templates without script and graph, topic handlers with their "topic"`,
  flags: {},
  words: {
    verbs: {
      tasks: { each: ["tasks"], rest: "tasks" },
      templates: { each: ["templates"], rest: "templates" },
      recordings: { each: ["recordings"], rest: "recordings" },
      replays: { each: ["replays"], rest: "replays" },
      topics: { each: ["topics"], rest: "topics" },
      "topic-handlers": { each: ["topics", "topic-handlers"] },
      "service-tests": { each: ["service-tests"], rest: "service-tests" },
    },
  },
  run: listKind,
};

interface Listing {
  readonly rows: readonly JsonRecord[];
  readonly lines: readonly string[];
}

type Lister = (patterns: readonly string[], context: CommandContext) => Promise<Listing>;

const LISTERS: ReadonlyMap<string, Lister> = new Map([
  ["tasks", listTasks],
  ["templates", listTemplates],
  ["recordings", listRecordings],
  ["replays", listReplays],
  ["topics", listTopics],
  ["topic-handlers", listHandlers],
  ["service-tests", listServiceTests],
]);

async function listKind(args: readonly string[], context: CommandContext): Promise<void> {
  const [kind, ...patterns] = args;
  if (kind === undefined) {
    throw new UsageError(
      "Must specify 'tasks', 'recordings', 'replays', 'topics', or 'topic-handlers'",
    );
  }
  const lister = LISTERS.get(kind);
  if (lister === undefined) {
    throw new Error(
      `cannot list '${kind}' did you mean 'tasks', 'recordings', 'replays', 'topics', 'topic-handlers' or 'service-tests'?`,
    );
  }
  const { rows, lines } = await lister(patterns, context);
  const key = kind === "topic-handlers" ? "handlers" : kind === "service-tests" ? "services" : kind;
  report(context, { [key]: rows }, lines);
}

type PagedKind = "tasks" | "templates" | "recordings" | "replays";

/** Columns of a kind's table, and the fields that JSON shows besides; none: all that the server has. */
const FIELDS: Readonly<
  Record<PagedKind, { readonly table: readonly string[]; readonly json: readonly string[] }>
> = {
  tasks: {
    table: ["type", "status", "executing", "dbrps"],
    json: ["template-id", "vars", "error", "created", "modified", "last-enabled"],
  },
  templates: { table: ["type", "vars"], json: ["error", "created", "modified"] },
  recordings: { table: ["type", "size", "date", "status"], json: ["error", "progress"] },
  replays: {
    table: ["task", "recording", "status", "clock", "date"],
    json: ["recording-time", "error", "progress"],
  },
};

/** Rows of all patterns, one after the other. */
async function rowsOf(
  kind: PagedKind,
  patterns: readonly string[],
  { api, output }: CommandContext,
): Promise<JsonRecord[]> {
  const { table, json } = FIELDS[kind];
  const fields = output === "json" ? [...table, ...json] : table;
  const rows: JsonRecord[] = [];
  for (const pattern of patterns.length === 0 ? [""] : patterns) {
    rows.push(...(await api.list(`/${kind}`, kind, { ...LIST_DEFAULTS[kind], fields, pattern })));
  }
  return rows;
}

function ids(rows: readonly JsonRecord[], key = "id"): string[] {
  return rows.map((row) => text(row, key));
}

async function listTasks(patterns: readonly string[], context: CommandContext) {
  const rows = await rowsOf("tasks", patterns, context);
  const width = columnWidth(ids(rows), 2);
  const dbrpsHead = "Databases and Retention Policies";
  // Where each runs, as the last column, and only when there are tasks of the cluster.
  const hasMembers = rows.some((row) => row["members"] !== undefined);
  const dbrpsWidth = hasMembers ? columnWidth([dbrpsHead, ...rows.map(formatDbrps)], 0) : 0;
  const line = (...cells: readonly [string, string, string, string, string, string]) =>
    left(cells[0], width) +
    left(cells[1], 10) +
    left(cells[2], 10) +
    left(cells[3], 10) +
    left(cells[4], dbrpsWidth) +
    (hasMembers ? cells[5] : "");
  const lines = [
    line("ID", "Type", "Status", "Executing", dbrpsHead, "Members"),
    ...rows.map((row) =>
      line(
        text(row, "id"),
        text(row, "type"),
        text(row, "status"),
        text(row, "executing"),
        formatDbrps(row),
        formatMembers(row),
      ),
    ),
  ];
  return { rows, lines };
}

async function listTemplates(patterns: readonly string[], context: CommandContext) {
  const rows = await rowsOf("templates", patterns, context);
  const width = columnWidth(ids(rows), 2);
  const line = (id: string, type: string, vars: string) =>
    left(id, width) + left(type, 10) + left(vars, 40);
  const lines = [
    line("ID", "Type", "Vars"),
    ...rows.map((row) => {
      const vars = Object.keys(record(row["vars"])).sort().join(",");
      return line(text(row, "id"), text(row, "type"), vars);
    }),
  ];
  return { rows, lines };
}

async function listRecordings(patterns: readonly string[], context: CommandContext) {
  const { timeZone } = context.environment;
  const rows = await rowsOf("recordings", patterns, context);
  const width = columnWidth(ids(rows), 2);
  const line = (id: string, type: string, status: string, size: string, date: string) =>
    left(id, width) + left(type, 8) + left(status, 10) + left(size, 10) + left(date, 23);
  const lines = [
    line("ID", "Type", "Status", "Size", "Date"),
    ...rows.map((row) =>
      line(
        text(row, "id"),
        text(row, "type"),
        text(row, "status"),
        formatSize(Number(row["size"])),
        formatLocalTime(text(row, "date"), timeZone),
      ),
    ),
  ];
  return { rows, lines };
}

async function listReplays(patterns: readonly string[], context: CommandContext) {
  const { timeZone } = context.environment;
  const rows = await rowsOf("replays", patterns, context);
  const idWidth = columnWidth(ids(rows), 2);
  const taskWidth = columnWidth(ids(rows, "task"), 4);
  const recordingWidth = columnWidth(ids(rows, "recording"), 9);
  const line = (...cells: readonly [string, string, string, string, string, string]) =>
    left(cells[0], idWidth) +
    left(cells[1], taskWidth) +
    left(cells[2], recordingWidth) +
    left(cells[3], 9) +
    left(cells[4], 8) +
    left(cells[5], 23);
  const lines = [
    line("ID", "Task", "Recording", "Status", "Clock", "Date"),
    ...rows.map((row) =>
      line(
        text(row, "id"),
        text(row, "task"),
        text(row, "recording"),
        text(row, "status"),
        text(row, "clock"),
        formatLocalTime(text(row, "date"), timeZone),
      ),
    ),
  ];
  return { rows, lines };
}

async function listTopics(patterns: readonly string[], { api }: CommandContext) {
  const rows: JsonRecord[] = [];
  for (const pattern of patterns.length === 0 ? [""] : patterns) {
    rows.push(...(await topicsMatching(api, pattern)));
  }
  const idWidth = columnWidth(ids(rows), 2);
  const levelWidth = columnWidth(ids(rows, "level"), 8);
  const line = (id: string, level: string, collected: string) =>
    left(id, idWidth) + left(level, levelWidth) + right(collected, 10);
  const lines = [
    line("ID", "Level", "Collected"),
    ...rows.map((row) => line(text(row, "id"), text(row, "level"), text(row, "collected"))),
  ];
  return { rows, lines };
}

async function listHandlers(patterns: readonly string[], { api }: CommandContext) {
  const [topicPattern = "", ...handlerPatterns] = patterns;
  const rows: JsonRecord[] = [];
  for (const topic of ids(await topicsMatching(api, topicPattern))) {
    for (const pattern of handlerPatterns.length === 0 ? [""] : handlerPatterns) {
      for (const spec of await handlersMatching(api, topic, pattern)) {
        rows.push({ topic, ...spec });
      }
    }
  }
  const widths = ["topic", "id", "kind"].map((key) => columnWidth(ids(rows, key), 10));
  const line = (...cells: readonly [string, string, string]) =>
    cells.map((cell, i) => left(cell, widths[i] ?? 0)).join("");
  const table = rows.map((row) => line(text(row, "topic"), text(row, "id"), text(row, "kind")));
  return { rows, lines: [line("Topic", "ID", "Kind"), ...table] };
}

async function listServiceTests(patterns: readonly string[], { api }: CommandContext) {
  const rows: JsonRecord[] = [];
  for (const pattern of patterns.length === 0 ? [""] : patterns) {
    rows.push(...records(await api.get("/service-tests", { pattern }), "services"));
  }
  return { rows, lines: ["Service Name", ...ids(rows, "name")] };
}
