/**
 * Directories of small YAML and JSON files that sideload nodes look values up in, read into memory.
 *
 * Every source is read once and shared by all nodes that have it open; `reload` reads all of them anew and takes
 * each over only when it could be read as a whole. Keys are paths below the directory. Files with other
 * endings are there, but empty. Source: reference nodes.md §5.
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import type { SideloadFiles, SideloadSource } from "#engine/outside-ports.ts";
import { errorMessage } from "#lib/errors.ts";
import { parseJson } from "#lib/json.ts";

/** Files below one source; more are refused, nothing of it is used. */
export const SIDELOAD_FILES_MAX = 100_000;
/** Bytes of one file, and of all files of a source. */
export const SIDELOAD_FILE_BYTES_MAX = 16 * 1024 * 1024;
export const SIDELOAD_BYTES_MAX = 256 * 1024 * 1024;

type Values = Readonly<Record<string, unknown>>;

interface Shared {
  readonly source: string;
  readonly path: string;
  files: ReadonlyMap<string, Values>;
  version: number;
  users: number;
}

const NOTHING: Values = {};

export class SideloadDirectories implements SideloadSource {
  readonly #open = new Map<string, Shared>();

  /** Throws `Error` when the source is no `file://` URL or cannot be read. */
  open(source: string): SideloadFiles {
    let shared = this.#open.get(source);
    if (shared === undefined) {
      const path = pathOf(source);
      shared = { source, path, files: readSource(path), version: 1, users: 0 };
      this.#open.set(source, shared);
    }
    return this.#use(shared);
  }

  /** Reads every open source anew; throws the first error after all were tried. Failed ones stay as they were. */
  reload(): void {
    const errors: unknown[] = [];
    for (const shared of this.#open.values()) {
      try {
        shared.files = readSource(shared.path);
        shared.version++;
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  #use(shared: Shared): SideloadFiles {
    shared.users++;
    let isOpen = true;
    return {
      get version() {
        return shared.version;
      },
      file: (path) => shared.files.get(path),
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        if (--shared.users === 0) this.#open.delete(shared.source);
      },
    };
  }
}

function pathOf(source: string): string {
  if (!source.startsWith("file://")) throw new Error(`sideload: ${source} is not a file:// URL`);
  try {
    return fileURLToPath(source);
  } catch (error) {
    throw new Error(`sideload: invalid source ${JSON.stringify(source)}: ${errorMessage(error)}`);
  }
}

function readSource(root: string): ReadonlyMap<string, Values> {
  const files = new Map<string, Values>();
  let bytes = 0;
  for (const path of filesBelow(root)) {
    if (files.size >= SIDELOAD_FILES_MAX) {
      throw new Error(`sideload: more than ${SIDELOAD_FILES_MAX} files in ${root}`);
    }
    const key = path === root ? basename(root) : relative(root, path);
    const text = isData(path) ? readText(path) : "";
    bytes += text.length;
    if (bytes > SIDELOAD_BYTES_MAX) {
      throw new Error(`sideload: more than ${SIDELOAD_BYTES_MAX} bytes in ${root}`);
    }
    files.set(key, isData(path) ? parseValues(path, text) : NOTHING);
  }
  return files;
}

/** Symbolic links are followed to files, not to directories, so there are no circles. */
function* filesBelow(path: string): Generator<string> {
  if (!statSync(path).isDirectory()) {
    yield path;
    return;
  }
  const entries = readdirSync(path, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) yield* filesBelow(child);
    else if (entry.isFile() || (entry.isSymbolicLink() && isFile(child))) yield child;
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function isData(path: string): boolean {
  return [".yml", ".yaml", ".json"].includes(extname(path));
}

function readText(path: string): string {
  if (statSync(path).size > SIDELOAD_FILE_BYTES_MAX) {
    throw new Error(`sideload: ${path} is larger than ${SIDELOAD_FILE_BYTES_MAX} bytes`);
  }
  return readFileSync(path, "utf8");
}

function parseValues(path: string, text: string): Values {
  const value = extname(path) === ".json" ? parseJsonFile(path, text) : parseYaml(path, text);
  if (value === null || value === undefined) return NOTHING;
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new Error(`sideload: ${path} must hold keys and values`);
  }
  return Object.fromEntries(Object.entries(value));
}

function parseJsonFile(path: string, text: string): unknown {
  const parsed = parseJson(text);
  if (!parsed.ok) throw new Error(`sideload: failed to read ${path}: ${parsed.error}`);
  return parsed.value;
}

function parseYaml(path: string, text: string): unknown {
  try {
    return parse(text, { intAsBigInt: true });
  } catch (error) {
    throw new Error(`sideload: failed to read ${path}: ${errorMessage(error)}`);
  }
}
