/** `define-template`: creates a template, or changes it and all its tasks. Source: cli §2. */

import { pathPart } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { readFlags } from "../flags.ts";
import { withScriptExcerpt } from "../script-error.ts";

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
  run: defineIt,
};

async function defineIt(args: readonly string[], context: CommandContext): Promise<void> {
  const [id, ...options] = args;
  if (id === undefined || id.startsWith("-")) throw new UsageError("Must provide a template ID.");
  const flags = readFlags(options, { tick: "text", type: "text" });
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
  await withScriptExcerpt(script, () =>
    existing === undefined ? api.post("/templates", { id, ...body }) : api.patch(path, body),
  );
}
