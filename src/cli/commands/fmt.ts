/** `fmt`: scripts in the one standard layout, without a server. Source: tickscript §6. */

import { TickError } from "#tick/diagnostic.ts";
import { formatScript } from "#tick/format.ts";
import type { JsonRecord } from "../api.ts";
import { type Command, type CommandContext, FaultsFound, UsageError } from "../command.ts";
import { type Flags, readFlags } from "../flags.ts";
import { jsonText } from "../output.ts";
import { errorLine } from "../output-form.ts";
import { faultLine, faultText, type ScriptFault, scriptFault } from "../script-faults.ts";
import { type ScriptFile, STDIN, scriptFiles } from "../script-files.ts";

export const fmt: Command = {
  name: "fmt",
  summary: "Print or rewrite TICKscripts in the standard layout.",
  help: `Usage: kapacitor fmt [-w] [-l] FILE...

Prints scripts in the standard layout. - reads standard input. Asks no server.
A script that does not parse is left as it is, and the exit code is 1.

Options:
  -w                Rewrite the files instead of printing them.
  -l                Print the names of files whose layout differs, not the scripts.

Examples:
  $ kapacitor fmt -l *.tick
  $ kapacitor fmt -w cpu.tick`,
  json: '{"files": [{"file", "changed", "script"}]}; script is left out with -w or -l',
  flags: { w: "boolean", l: "boolean" },
  words: { each: ["file"], rest: "file" },
  offline: true,
  run: formatFiles,
};

async function formatFiles(args: readonly string[], context: CommandContext): Promise<void> {
  const { environment, output } = context;
  const flags = readFlags(args, fmt.flags);
  const paths = flags.rest;
  if (flags.isSet("w") && paths.includes(STDIN)) {
    throw new UsageError("cannot use -w with standard input");
  }
  const done: JsonRecord[] = [];
  let hasFaults = false;
  for await (const file of scriptFiles(paths, environment)) {
    const formatted = formatOne(file);
    if (formatted.kind === "fault") {
      hasFaults = true;
      const { fault } = formatted;
      environment.err(output === "json" ? errorLine(faultLine(fault)) : faultText(fault));
      continue;
    }
    const { text, changed } = formatted;
    if (changed && flags.isSet("w")) environment.replaceFile(file.path, text);
    const shown = isPrinted(flags) ? { script: text } : {};
    done.push({ file: file.name, changed, ...shown });
    if (output === "table") environment.out(printed(file.name, formatted, flags));
  }
  if (output === "json") environment.out(jsonText({ files: done }));
  if (hasFaults) throw new FaultsFound();
}

const isPrinted = (flags: Flags): boolean => !flags.isSet("w") && !flags.isSet("l");

function printed(name: string, formatted: Formatted, flags: Flags): string {
  if (isPrinted(flags)) return formatted.text;
  return flags.isSet("l") && formatted.changed ? `${name}\n` : "";
}

interface Formatted {
  readonly kind: "formatted";
  readonly text: string;
  readonly changed: boolean;
}

function formatOne(file: ScriptFile): Formatted | { kind: "fault"; fault: ScriptFault } {
  if (file.kind === "unreadable") {
    return { kind: "fault", fault: { file: file.name, message: file.error } };
  }
  try {
    const text = formatScript(file.text);
    return { kind: "formatted", text, changed: text !== file.text };
  } catch (error) {
    if (!(error instanceof TickError)) throw error;
    return { kind: "fault", fault: scriptFault(file.name, error) };
  }
}
