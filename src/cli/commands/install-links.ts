/** `install-links`: the other names of this one program. Ours. */

import { lstatSync, readlinkSync, renameSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { FileError, fileCall } from "../environment.ts";
import { readFlags } from "../flags.ts";
import { report } from "../output.ts";

const NAMES = ["kapacitord", "kapacitorctl"] as const;

export const installLinks: Command = {
  name: "install-links",
  summary: "Link kapacitord and kapacitorctl to this program.",
  help: `Usage: kapacitor install-links DIRECTORY

Makes the symbolic links kapacitord and kapacitorctl to this program in a directory, and prints them.
Links that are there already are turned; a file of such a name is left alone and is an error.

Examples:
  $ sudo kapacitor install-links /usr/local/bin`,
  json: '{"links": [{"path", "target"}]}',
  flags: {},
  words: { each: ["directory"] },
  offline: true,
  run: installThem,
};

async function installThem(args: readonly string[], context: CommandContext): Promise<void> {
  const [directory, ...more] = readFlags(args, installLinks.flags).rest;
  if (directory === undefined || more.length > 0) throw new UsageError("Must provide a directory.");
  const target = context.environment.executable;
  if (target === undefined) {
    throw new Error("install-links works in the compiled program only; build it first");
  }
  if (!fileCall(directory, () => statSync(directory)).isDirectory()) {
    throw new FileError(`open ${directory}: not a directory`);
  }
  const paths = NAMES.map((name) => join(directory, name));
  for (const path of paths) checkFree(path);
  for (const path of paths) makeLink(path, target);
  const links = paths.map((path) => ({ path, target }));
  const lines = links.map(({ path }) => `${path} -> ${target}`);
  report(context, { links }, lines);
}

/** Throws `FileError` when something that is no link has the name. */
function checkFree(path: string): void {
  const there = fileCall(path, () => lstatSync(path, { throwIfNoEntry: false }));
  if (there !== undefined && !there.isSymbolicLink()) {
    throw new FileError(`open ${path}: file exists and is not a link`);
  }
}

/** Beside it first, so that there is no moment without a link. */
function makeLink(path: string, target: string): void {
  fileCall(path, () => {
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (there !== undefined && readlinkSync(path) === target) return;
    const beside = `${path}.${process.pid}.tmp`;
    symlinkSync(target, beside);
    renameSync(beside, path);
  });
}
