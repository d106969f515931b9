/**
 * What a command may touch: output, files, environment variables, interruption.
 *
 * Given to commands so that tests run them in process against captured text; the real one is at the end.
 */

import {
  closeSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { EXIT_FAILED } from "./exit-codes.ts";
import { programFile } from "./program-file.ts";

export interface CliEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Standard output: data. */
  out(text: string): void;
  /** Standard error: usage, help and errors. */
  err(text: string): void;
  /** Is standard output a terminal? */
  readonly outIsTerminal: boolean;
  /** Is somebody looking at standard error? Then progress of long work is shown there. */
  readonly errIsTerminal: boolean;
  /** A text file in UTF-8, without its byte order mark. Throws `FileError`. */
  readFile(path: string): string;
  /** All of standard input, read like a file. Rejects with `FileError`. */
  readInput(): Promise<string>;
  /** Replaces what a file holds, at once or not at all; its mode stays. Throws `FileError`. */
  replaceFile(path: string, text: string): void;
  /** Makes or empties a file to be written piece by piece. Throws `FileError`. */
  createFile(path: string): OutputFile;
  /** Aborted when the person interrupts a command that runs until then (`watch`, `logs`). */
  interrupted(): AbortSignal;
  /** Wall-clock time, ms since 1970. */
  nowMs(): number;
  /** Resolves after so many milliseconds, or when the signal is aborted. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
  /** Time zone of local times, an IANA name; `undefined` is the machine's. */
  readonly timeZone: string | undefined;
  /** The file of this program; `undefined` when it runs from its sources. */
  readonly executable: string | undefined;
}

export interface OutputFile {
  /** Throws `FileError`. */
  write(bytes: Uint8Array): void;
  close(): void;
}

/** A file that cannot be read or written, in the words of Go's errors, which scripts look for. */
export class FileError extends Error {
  override name = "FileError";
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EEXIST: "file exists",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
  ENOSPC: "no space left on device",
  EROFS: "read-only file system",
};

/** As a shell shows a program that ended because nobody read on: 128 and the number of SIGPIPE. */
const EXIT_BROKEN_PIPE = 141;

export function processEnvironment(): CliEnvironment {
  process.stdout.on("error", (error) => endWithout("stdout", error));
  process.stderr.on("error", (error) => endWithout("stderr", error));
  return {
    variables: process.env,
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    outIsTerminal: process.stdout.isTTY === true,
    errIsTerminal: process.stderr.isTTY === true,
    readFile: (path) =>
      decodeText(
        path,
        fileCall(path, () => readFileSync(path)),
      ),
    readInput: async () => decodeText("<stdin>", await Bun.stdin.bytes()),
    replaceFile,
    createFile,
    interrupted() {
      const controller = new AbortController();
      process.once("SIGINT", () => controller.abort());
      return controller.signal;
    },
    nowMs: () => Date.now(),
    wait,
    timeZone: undefined,
    executable: programFile(),
  };
}

function wait(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    });
  });
}

/** Nobody can be told the rest, so the program ends. `kapacitor … | head` is no failure worth a word. */
function endWithout(stream: "stdout" | "stderr", error: Error): never {
  const code = "code" in error ? String(error.code) : "";
  if (code === "EPIPE") process.exit(EXIT_BROKEN_PIPE);
  if (stream === "stdout") {
    process.stderr.write(`Error: write <stdout>: ${REASONS[code] ?? error.message}\n`);
  }
  process.exit(EXIT_FAILED);
}

/** Runs a call on a file and says what the system objects to. Throws `FileError`. */
export function fileCall<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    throw new FileError(`open ${path}: ${REASONS[code] ?? code}`, { cause: error });
  }
}

/** Throws `FileError` for bytes that are no text. */
export function decodeText(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new FileError(`read ${path}: not UTF-8 text`, { cause: error });
  }
}

/** Written beside the file that a link leads to, then renamed, so that a full disk cannot cost the text. */
export function replaceFile(path: string, text: string): void {
  fileCall(path, () => {
    const target = realpathSync(path);
    const beside = `${target}.${process.pid}.tmp`;
    try {
      writeFileSync(beside, text, { mode: statSync(target).mode & 0o7777, flag: "wx" });
      renameSync(beside, target);
    } catch (error) {
      rmSync(beside, { force: true });
      throw error;
    }
  });
}

export function createFile(path: string): OutputFile {
  const file = fileCall(path, () => openSync(path, "w"));
  return {
    write(bytes) {
      fileCall(path, () => {
        for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      });
    },
    close: () => closeSync(file),
  };
}
