/** `define-template`: creates a template, or changes it and all its tasks. Source: cli §2. */

import { pathPart, record } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { readFlags } from "../flags.ts";
import { report } from "../output.ts";
import { withScriptExcerpt } from "../script-error.ts";
import { TASK_TYPES } from "../words.ts";

export const defineTemplate: Command = {
  name: "define-template",
  summary: "Create a template or change it.",
  help: `Usage: kapacitor define-template TEMPLATE_ID -tick PATH [-type stream|batch]

Creates a template, or changes it. Its running tasks are restarted, all or none.

Options:
  -tick PATH        TICKscript file.
  -type TYPE        stream or batch; told from the script when absent.

Examples:
  $ kapacitor define-template generic_mean -tick mean.tick`,
  json: "the template as GET /kapacitor/v1/templates/ID gives it",
  flags: { tick: "text", type: "text" },
  flagValues: { tick: "file", type: TASK_TYPES },
  words: { each: ["templates"] },
  run: defineIt,
};

async function defineIt(args: readonly string[], context: CommandContext): Promise<void> {
  const [id, ...options] = args;
  if (id === undefined || id.startsWith("-")) throw new UsageError("Must provide a template ID.");
  const flags = readFlags(options, defineTemplate.flags);
  const { api, environment } = context;
  const tick = flags.text("tick");
  const type = flags.text("type");
  const script = tick === undefined ? undefined : environment.readFile(tick);
  const body = {
    ...(type === undefined ? {} : { type }),
    ...(script === undefined ? {} : { script }),
  };
  const path = `/templates/${pathPart(id)}`;
  const existing = await api.find(path, { "script-format": "formatted" });
  const atHand = script === undefined ? undefined : { text: script, template: true };
  await withScriptExcerpt(atHand, async () => {
    const defined = await (existing === undefined
      ? api.post("/templates", { id, ...body })
      : api.patch(path, body));
    report(context, record(defined), []);
  });
}
