/**
 * Where the configuration file is, and its text.
 *
 * Search: flag, then `KAPACITOR_CONFIG_PATH`, then `~/.kapacitor/kapacitor.conf`, then
 * `/etc/kapacitor/kapacitor.conf` (the first that is not empty); without any, compiled defaults rooted at
 * `~/.kapacitor`.
 */

import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { errorMessage } from "#lib/errors.ts";
import { ConfigError } from "./config-error.ts";
import type { Environment } from "./environment.ts";
import { CONFIG_FILE_BYTES_MAX } from "./limits.ts";
import type { ConfigText } from "./read-file.ts";

/** Where a host has its one configuration. */
export const SYSTEM_FILE = "/etc/kapacitor/kapacitor.conf";
const NULL_DEVICE = "/dev/null";

/** The user's own directory, also the root of all paths when there is no file. */
export function userRoot(environment: Environment): string {
  return join(environment["HOME"] || homedir(), ".kapacitor");
}

/** The path to read, or `undefined` for compiled defaults. A path named by flag or variable need not exist. */
export function findConfigFile(
  flag: string | undefined,
  environment: Environment,
): string | undefined {
  const named = flag || environment["KAPACITOR_CONFIG_PATH"];
  if (named !== undefined && named !== "") return named === NULL_DEVICE ? undefined : named;
  const places = [join(userRoot(environment), "kapacitor.conf"), SYSTEM_FILE];
  return places.find((path) => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0);
}

/** Reads a file; throws `ConfigError` when it cannot be read, is too large or is not UTF-8. */
export function readConfigFile(path: string): ConfigText {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new ConfigError(`parse config: ${systemErrorText(error, path)}`, { source: path });
  }
  if (bytes.length > CONFIG_FILE_BYTES_MAX)
    throw new ConfigError(
      `parse config: ${path}: expected a file of at most ${CONFIG_FILE_BYTES_MAX} bytes, found ${bytes.length}`,
      { source: path },
    );
  try {
    return { path, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    const line = lineOfBadByte(bytes);
    throw new ConfigError(`parse config: ${path}:${line}: expected UTF-8 text`, {
      source: `${path}:${line}`,
    });
  }
}

function lineOfBadByte(bytes: Uint8Array): number {
  let start = 0;
  for (let line = 1; ; line++) {
    const end = bytes.indexOf(0x0a, start);
    const part = bytes.subarray(start, end < 0 ? bytes.length : end);
    if (!Buffer.from(Buffer.from(part).toString()).equals(part) || end < 0) return line;
    start = end + 1;
  }
}

const SYSTEM_TEXTS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "file name too long",
  ENOENT: "no such file or directory",
  ENOTDIR: "not a directory",
  EROFS: "read-only file system",
  ENOSPC: "no space left on device",
};

/** `open PATH: no such file or directory`: the way these errors are known to users. */
export function systemErrorText(error: unknown, path: string, call = "open"): string {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : "";
  const text = SYSTEM_TEXTS[String(code)];
  return text === undefined
    ? `${call} ${path}: ${errorMessage(error)}`
    : `${call} ${path}: ${text}`;
}
