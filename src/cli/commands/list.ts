/** `list`: tables of everything the server holds. Source: cli §5 for every column. */

import { type ApiClient, type JsonRecord, record, records, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { handlersMatching, LIST_DEFAULTS, topicsMatching } from "../matching.ts";
import { columnWidth, formatDbrps, formatLocalTime, left, right } from "../output.ts";
import { formatSize } from "../size.ts";

export const list: Command = {
  name: "list",
  summary: "List tasks, templates, recordings, replays, topics, handlers, service tests.",
  help: `Usage: kapacitor list KIND [PATTERN]...
       kapacitor list topic-handlers [TOPIC_PATTERN [HANDLER_PATTERN]...]

Lists everything of a kind whose ID matches one of the patterns, or all.
KIND is tasks, templates, recordings, replays, topics, topic-handlers or service-tests.

Examples:
  $ kapacitor list tasks
  $ kapacitor list tasks 'cpu_*'
  $ kapacitor list topic-handlers cpu`,
  run: listKind,
};

type Lister = (patterns: readonly string[], context: CommandContext) => Promise<string[]>;

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
  const lines = await lister(patterns, context);
  context.environment.out(lines.map((line) => `${line}\n`).join(""));
}

/** Rows of all patterns, one after the other. */
async function rowsOf(
  api: ApiClient,
  kind: "tasks" | "templates" | "recordings" | "replays",
  patterns: readonly string[],
  fields: readonly string[],
): Promise<JsonRecord[]> {
  const rows: JsonRecord[] = [];
  for (const pattern of patterns.length === 0 ? [""] : patterns) {
    rows.push(...(await api.list(`/${kind}`, kind, { ...LIST_DEFAULTS[kind], fields, pattern })));
  }
  return rows;
}

function ids(rows: readonly JsonRecord[], key = "id"): string[] {
  return rows.map((row) => text(row, key));
}

async function listTasks(patterns: readonly string[], { api }: CommandContext) {
  const fields = ["type", "status", "executing", "dbrps"];
  const rows = await rowsOf(api, "tasks", patterns, fields);
  const width = columnWidth(ids(rows), 2);
  const line = (id: string, type: string, status: string, runs: string, dbrps: string) =>
    left(id, width) + left(type, 10) + left(status, 10) + left(runs, 10) + dbrps;
  return [
    line("ID", "Type", "Status", "Executing", "Databases and Retention Policies"),
    ...rows.map((row) =>
      line(
        text(row, "id"),
        text(row, "type"),
        text(row, "status"),
        text(row, "executing"),
        formatDbrps(row),
      ),
    ),
  ];
}

async function listTemplates(patterns: readonly string[], { api }: CommandContext) {
  const rows = await rowsOf(api, "templates", patterns, ["type", "vars"]);
  const width = columnWidth(ids(rows), 2);
  const line = (id: string, type: string, vars: string) =>
    left(id, width) + left(type, 10) + left(vars, 40);
  return [
    line("ID", "Type", "Vars"),
    ...rows.map((row) => {
      const vars = Object.keys(record(row["vars"])).sort().join(",");
      return line(text(row, "id"), text(row, "type"), vars);
    }),
  ];
}

async function listRecordings(patterns: readonly string[], { api, environment }: CommandContext) {
  const rows = await rowsOf(api, "recordings", patterns, ["type", "size", "date", "status"]);
  const width = columnWidth(ids(rows), 2);
  const line = (id: string, type: string, status: string, size: string, date: string) =>
    left(id, width) + left(type, 8) + left(status, 10) + left(size, 10) + left(date, 23);
  return [
    line("ID", "Type", "Status", "Size", "Date"),
    ...rows.map((row) =>
      line(
        text(row, "id"),
        text(row, "type"),
        text(row, "status"),
        formatSize(Number(row["size"])),
        formatLocalTime(text(row, "date"), environment.timeZone),
      ),
    ),
  ];
}

async function listReplays(patterns: readonly string[], { api, environment }: CommandContext) {
  const fields = ["task", "recording", "status", "clock", "date"];
  const rows = await rowsOf(api, "replays", patterns, fields);
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
  return [
    line("ID", "Task", "Recording", "Status", "Clock", "Date"),
    ...rows.map((row) =>
      line(
        text(row, "id"),
        text(row, "task"),
        text(row, "recording"),
        text(row, "status"),
        text(row, "clock"),
        formatLocalTime(text(row, "date"), environment.timeZone),
      ),
    ),
  ];
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
  return [
    line("ID", "Level", "Collected"),
    ...rows.map((row) => line(text(row, "id"), text(row, "level"), text(row, "collected"))),
  ];
}

async function listHandlers(patterns: readonly string[], { api }: CommandContext) {
  const [topicPattern = "", ...handlerPatterns] = patterns;
  const rows: [topic: string, id: string, kind: string][] = [];
  for (const topic of ids(await topicsMatching(api, topicPattern))) {
    for (const pattern of handlerPatterns.length === 0 ? [""] : handlerPatterns) {
      for (const spec of await handlersMatching(api, topic, pattern)) {
        rows.push([topic, text(spec, "id"), text(spec, "kind")]);
      }
    }
  }
  const column = (i: 0 | 1 | 2) =>
    columnWidth(
      rows.map((row) => row[i]),
      10,
    );
  const widths = [column(0), column(1), column(2)] as const;
  const line = (cells: readonly [string, string, string]) =>
    left(cells[0], widths[0]) + left(cells[1], widths[1]) + left(cells[2], widths[2]);
  return [line(["Topic", "ID", "Kind"]), ...rows.map(line)];
}

async function listServiceTests(patterns: readonly string[], { api }: CommandContext) {
  const names: string[] = [];
  for (const pattern of patterns.length === 0 ? [""] : patterns) {
    names.push(...ids(records(await api.get("/service-tests", { pattern }), "services"), "name"));
  }
  return ["Service Name", ...names];
}
