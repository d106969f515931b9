/**
 * `define`: creates a task, or changes it when it exists. Source: cli §2.
 *
 * A running task is stopped and started again so that the change takes effect, unless told otherwise.
 */

import { type DefinitionFile, readDefinition, readVars } from "#lib/definition-file.ts";
import type { ApiClient, JsonRecord } from "../api.ts";
import { pathPart, record, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { parseDbrp } from "../dbrp-flag.ts";
import { type Flags, readFlags } from "../flags.ts";
import { report } from "../output.ts";
import { type ScriptAtHand, withScriptExcerpt } from "../script-error.ts";
import { TASK_TYPES } from "../words.ts";

const FLAGS = {
  tick: "text",
  type: "text",
  dbrp: "list",
  template: "text",
  vars: "text",
  file: "text",
  "no-reload": "boolean",
  cluster: "boolean",
} as const;

export const define: Command = {
  name: "define",
  summary: "Create a task or change it.",
  help: `Usage: kapacitor define TASK_ID [options]

Creates a task, or changes it when it exists. A running task is restarted.

Options:
  -tick PATH        TICKscript file.
  -type TYPE        stream or batch; told from the script when absent.
  -dbrp DB.RP       Database and retention policy, e.g. telegraf.autogen or "my db"."my rp".
                    Repeatable; replaces all that the task has.
  -template ID      Template to take the script from.
  -vars PATH        JSON file of values for the template's vars.
  -file PATH        YAML or JSON file with template-id, dbrps and vars; used alone.
  -no-reload        Do not restart a running task.
  -cluster          A task of the whole cluster: stored once, run by as many members as [alert]
                    redundancy says, moved when one of them is gone. All members must get the
                    data. Without it, a new task belongs to the member that is asked.

Examples:
  $ kapacitor define cpu -tick cpu.tick -dbrp telegraf.autogen
  $ kapacitor define cpu_host_a -file cpu_host_a.yaml
  $ kapacitor define cpu -tick cpu.tick -cluster`,
  json: "the task as GET /kapacitor/v1/tasks/ID gives it",
  flags: FLAGS,
  flagValues: {
    tick: "file",
    type: TASK_TYPES,
    template: "templates",
    vars: "file",
    file: "file",
  },
  words: { each: ["tasks"] },
  run: defineTask,
};

async function defineTask(args: readonly string[], context: CommandContext): Promise<void> {
  const [id, ...options] = args;
  // Options come in pairs; the original takes an odd one out for a missing ID.
  const paired = args.filter((word) => !/^--?cluster(=.*)?$/.test(word));
  if (id === undefined || paired.length % 2 === 0) throw new UsageError("Must provide a task ID.");
  const flags = readFlags(options, FLAGS);
  const shared = flags.isSet("cluster") ? { cluster: true } : {};
  const definition = { ...readFlagged(id, flags, context), ...shared };
  const existing = await findTask(context.api, id);
  let defined: unknown;
  await withScriptExcerpt(scriptOf(definition), async () => {
    defined = await (existing === undefined
      ? context.api.post("/tasks", { id, ...definition, status: "disabled" })
      : context.api.patch(`/tasks/${pathPart(id)}`, definition));
  });
  const wasRunning = existing !== undefined && text(existing, "status") === "enabled";
  if (wasRunning && !flags.isSet("no-reload")) {
    await context.api.patch(`/tasks/${pathPart(id)}`, { status: "disabled" });
    defined = await context.api.patch(`/tasks/${pathPart(id)}`, { status: "enabled" });
  }
  report(context, record(defined), []);
}

function scriptOf({ script, vars }: JsonRecord): ScriptAtHand | undefined {
  return typeof script === "string" ? { text: script, template: false, vars } : undefined;
}

function findTask(api: ApiClient, id: string): Promise<JsonRecord | undefined> {
  return api.find(`/tasks/${pathPart(id)}`, {
    "dot-view": "attributes",
    "replay-id": "",
    "script-format": "formatted",
  });
}

function readFlagged(
  id: string,
  flags: Flags,
  { environment }: CommandContext,
): Record<string, unknown> {
  const file = flags.text("file");
  if (file !== undefined) {
    const definition = readDefinition(file, environment.readFile(file));
    const named = definition["id"];
    if (typeof named === "string" && named !== "" && named !== id) {
      throw new Error(`Task id given on command line does not match id in ${file}`);
    }
    return fromFile(definition);
  }
  const tick = flags.text("tick");
  const vars = flags.text("vars");
  const dbrps = flags.list("dbrp").map(parseDbrp);
  const script = tick === undefined ? {} : { script: environment.readFile(tick) };
  const own = {
    ...optional("type", flags.text("type")),
    ...script,
    ...(dbrps.length > 0 ? { dbrps } : {}),
  };
  const inVars = vars === undefined ? {} : varsFile(vars, environment.readFile(vars));
  return { ...inVars, ...own, ...optional("template-id", flags.text("template")) };
}

/** A vars file is a map of vars, or a whole definition without a script. */
function varsFile(path: string, content: string): Record<string, unknown> {
  const definition = readVars(path, content);
  return definition.kind === "vars" ? { vars: definition.vars } : fromFile(definition.definition);
}

function fromFile(definition: DefinitionFile): Record<string, unknown> {
  const wanted: Record<string, unknown> = {};
  for (const key of ["template-id", "dbrps", "vars"]) {
    if (definition[key] !== undefined) wanted[key] = definition[key];
  }
  if (wanted["vars"] !== undefined) record(wanted["vars"]);
  return wanted;
}

function optional(key: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [key]: value };
}
