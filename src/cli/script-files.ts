/** The scripts that `fmt` and `vet` are asked to read. */

import { UsageError } from "./command.ts";
import { type CliEnvironment, FileError } from "./environment.ts";

/** The word for standard input, and what it is called in messages. */
export const STDIN = "-";
const STDIN_NAME = "<stdin>";

export type ScriptFile =
  | { readonly kind: "script"; readonly name: string; readonly text: string }
  | { readonly kind: "unreadable"; readonly name: string; readonly error: string };

/** Files one after the other, those that cannot be read in between. Throws `UsageError` for none. */
export async function* scriptFiles(
  paths: readonly string[],
  environment: CliEnvironment,
): AsyncGenerator<ScriptFile & { readonly path: string }> {
  if (paths.length === 0) throw new UsageError("Must provide at least one file.");
  if (paths.filter((path) => path === STDIN).length > 1) {
    throw new UsageError("standard input can be read only once");
  }
  for (const path of paths) {
    const name = path === STDIN ? STDIN_NAME : path;
    try {
      const read = path === STDIN ? environment.readInput() : environment.readFile(path);
      yield { kind: "script", path, name, text: await read };
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      yield { kind: "unreadable", path, name, error: error.message };
    }
  }
}
