/** `show`: everything about one task. Source: cli §6. */

import { type JsonRecord, pathPart, record, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { readFlags } from "../flags.ts";
import { formatDbrps, formatMembers, formatServerTime, left, report } from "../output.ts";
import { formatVar } from "../var-value.ts";

export const show: Command = {
  name: "show",
  summary: "Show everything about a task.",
  help: `Usage: kapacitor show [-replay REPLAY_ID] TASK_ID

Shows a task: state, script, vars and graph with its numbers.

Options:
  -replay ID        Show the numbers of a running replay of the task.

Examples:
  $ kapacitor show cpu_alert`,
  json: "the task as GET /kapacitor/v1/tasks/TASK_ID gives it",
  flags: { replay: "text" },
  flagValues: { replay: "replays" },
  words: { each: ["tasks"] },
  run: showTask,
};

async function showTask(args: readonly string[], context: CommandContext) {
  const { api } = context;
  const flags = readFlags(args, show.flags);
  const [id] = flags.rest;
  if (id === undefined || flags.rest.length !== 1) throw new UsageError("Must specify one task ID");
  const task = await api.get(`/tasks/${pathPart(id)}`, {
    "dot-view": "attributes",
    "replay-id": flags.text("replay") ?? "",
    "script-format": "formatted",
  });
  const time = (key: string) => formatServerTime(text(task, key));
  const lines = [
    `ID: ${text(task, "id")}`,
    `Error: ${text(task, "error")}`,
    `Template: ${text(task, "template-id")}`,
    `Type: ${text(task, "type")}`,
    `Status: ${text(task, "status")}`,
    `Executing: ${text(task, "executing")}`,
    ...(task["members"] === undefined ? [] : [`Members: ${formatMembers(task)}`]),
    `Created: ${time("created")}`,
    `Modified: ${time("modified")}`,
    `LastEnabled: ${time("last-enabled")}`,
    `Databases Retention Policies: ${formatDbrps(task)}`,
    `TICKscript:\n${text(task, "script")}`,
    ...varsTable(record(task["vars"] ?? {})),
    `DOT:\n${text(task, "dot")}`,
  ];
  report(context, task, lines);
}

function varsTable(vars: JsonRecord): string[] {
  const names = Object.keys(vars).sort();
  if (names.length === 0) return [];
  const line = (name: string, type: string, value: string) =>
    left(name, 30) + left(type, 10) + left(value, 40);
  return [
    "Vars:",
    line("Name", "Type", "Value"),
    ...names.map((name) => {
      const each = record(vars[name]);
      return line(name, text(each, "type"), formatVar(each));
    }),
  ];
}
