/** `show-template`: everything about one template. Source: cli §6. */

import { type JsonRecord, pathPart, record, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { formatServerTime, left, report } from "../output.ts";
import { formatVar } from "../var-value.ts";

export const showTemplate: Command = {
  name: "show-template",
  summary: "Show everything about a template.",
  help: `Usage: kapacitor show-template TEMPLATE_ID

Shows a template: script, vars with their defaults, and graph.

Examples:
  $ kapacitor show-template generic_mean`,
  json: "the template as GET /kapacitor/v1/templates/TEMPLATE_ID gives it",
  flags: {},
  words: { each: ["templates"] },
  run: showIt,
};

async function showIt(args: readonly string[], context: CommandContext) {
  const { api } = context;
  const [id] = args;
  if (id === undefined || args.length !== 1) throw new UsageError("Must specify one template ID");
  const template = await api.get(`/templates/${pathPart(id)}`, { "script-format": "formatted" });
  const lines = [
    `ID: ${text(template, "id")}`,
    `Error: ${text(template, "error")}`,
    `Type: ${text(template, "type")}`,
    `Created: ${formatServerTime(text(template, "created"))}`,
    `Modified: ${formatServerTime(text(template, "modified"))}`,
    `TICKscript:\n${text(template, "script")}`,
    "Vars:",
    ...varsTable(record(template["vars"] ?? {})),
    `DOT:\n${text(template, "dot")}`,
  ];
  report(context, template, lines);
}

function varsTable(vars: JsonRecord): string[] {
  const line = (name: string, type: string, value: string, description: string) =>
    left(name, 30) + left(type, 10) + left(value, 40) + left(description, 40);
  return [
    line("Name", "Type", "Default Value", "Description"),
    ...Object.keys(vars)
      .sort()
      .map((name) => {
        const each = record(vars[name]);
        const isOpen = each["value"] === null && text(each, "type") !== "star";
        const value = isOpen ? "<required>" : formatVar(each);
        return line(name, text(each, "type"), value, text(each, "description"));
      }),
  ];
}
