/**
 * What a command may touch: output, files, environment variables, interruption.
 *
 * Given to commands so that tests run them in process against captured text; the real one is at the end.
 */

import { readFileSync, writeFileSync } from "node:fs";

export interface CliEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Standard output: data. */
  out(text: string): void;
  /** Standard error: usage, help and errors. */
  err(text: string): void;
  /** Throws `FileError`. */
  readFile(path: string): string;
  /** Throws `FileError`. */
  writeFile(path: string, bytes: Uint8Array): void;
  /** Aborted when the person interrupts a command that runs until then (`watch`, `logs`). */
  interrupted(): AbortSignal;
  /** Time zone of local times, an IANA name; `undefined` is the machine's. */
  readonly timeZone: string | undefined;
}

/** A file that cannot be read or written, in the words of Go's errors, which scripts look for. */
export class FileError extends Error {
  override name = "FileError";
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
  ENOSPC: "no space left on device",
};

export function processEnvironment(): CliEnvironment {
  return {
    variables: process.env,
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    readFile: (path) => fileCall(path, () => readFileSync(path, "utf8")),
    writeFile: (path, bytes) => fileCall(path, () => writeFileSync(path, bytes)),
    interrupted() {
      const controller = new AbortController();
      process.once("SIGINT", () => controller.abort());
      return controller.signal;
    },
    timeZone: undefined,
  };
}

function fileCall<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    throw new FileError(`open ${path}: ${REASONS[code] ?? code}`, { cause: error });
  }
}
