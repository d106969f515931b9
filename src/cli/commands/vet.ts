/** `vet`: all faults of scripts, without a server. Ours; the texts are the language's own. */

import { TickError } from "#tick/diagnostic.ts";
import type { TickEnvironment } from "#tick/environment.ts";
import { vetScript } from "#tick/evaluate.ts";
import { parseScript } from "#tick/parser.ts";
import { type Command, type CommandContext, FaultsFound } from "../command.ts";
import { readFlags } from "../flags.ts";
import { report } from "../output.ts";
import { faultJson, faultText, type ScriptFault, scriptFault } from "../script-faults.ts";
import { type ScriptFile, scriptFiles } from "../script-files.ts";

export const vet: Command = {
  name: "vet",
  summary: "Find the faults of TICKscripts.",
  help: `Usage: kapacitor vet FILE...

Reads scripts as the server would, and prints every fault that can be told apart: its place, the line,
and a hint where the mistake is a known one. - reads standard input. Asks no server.
A script that declares vars without a value is read as a template.

The exit code is 1 when there is any fault.

Examples:
  $ kapacitor vet *.tick`,
  json: '{"faults": [{"file", "line", "char", "message", "source", "hint"}]}; what is not known is left out',
  flags: {},
  words: { each: ["file"], rest: "file" },
  offline: true,
  run: vetFiles,
};

async function vetFiles(args: readonly string[], context: CommandContext): Promise<void> {
  const { environment } = context;
  const paths = readFlags(args, vet.flags).rest;
  const { offlineEnvironment } = await import("#daemon/offline.ts");
  const language = offlineEnvironment();
  const faults: ScriptFault[] = [];
  for await (const file of scriptFiles(paths, environment)) faults.push(...vetOne(file, language));
  report(context, { faults: faults.map(faultJson) }, faults.map(faultText).map(withoutLineFeed));
  if (faults.length > 0) throw new FaultsFound();
}

const withoutLineFeed = (text: string): string => text.slice(0, -1);

function vetOne(file: ScriptFile, environment: TickEnvironment): readonly ScriptFault[] {
  if (file.kind === "unreadable") return [{ file: file.name, message: file.error }];
  const template = isOpen(file.text);
  const faults = vetScript(file.text, { environment, template });
  return faults.map((fault) => scriptFault(file.name, fault));
}

/** Are there vars that only a task will give a value? */
function isOpen(script: string): boolean {
  try {
    return parseScript(script).statements.some(({ kind }) => kind === "typedVar");
  } catch (error) {
    // What does not parse is told by the vetting.
    if (error instanceof TickError) return false;
    throw error;
  }
}
