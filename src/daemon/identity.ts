/**
 * Who this daemon is: two UUIDs in the data directory.
 *
 * The server ID is made once and never changes; everything the cluster believes about this member hangs on it.
 * The cluster ID changes when joining and leaving. Both are on disk before anybody hears of them, so the start
 * fails when they cannot be saved. A damaged file is an error, not a reason to become somebody else.
 */

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errorMessage } from "#lib/errors.ts";
import type { Random } from "#lib/random.ts";
import { uuid4 } from "#lib/uuid.ts";
import { writeFileDurably } from "#storage/durable-file.ts";

const NIL = "00000000-0000-0000-0000-000000000000";
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;

/** Identity of a data directory. One per daemon. */
export class Identity {
  readonly #directory: string;
  readonly serverId: string;
  #clusterId: string;

  private constructor(directory: string, serverId: string, clusterId: string) {
    this.#directory = directory;
    this.serverId = serverId;
    this.#clusterId = clusterId;
  }

  /**
   * Reads or makes both IDs; creates the directory when only its last part is missing. Throws `Error` with one
   * line for the operator.
   */
  static open(directory: string, random: Random): Identity {
    createDirectory(directory);
    const serverId = readOrMake(join(directory, "server.id"), random);
    const clusterId = readOrMake(join(directory, "cluster.id"), random);
    return new Identity(directory, serverId, clusterId);
  }

  get clusterId(): string {
    return this.#clusterId;
  }

  /** Changes the cluster ID, on disk first. Throws when it cannot be saved; the old one then still holds. */
  setClusterId(id: string): void {
    const text = id.toLowerCase();
    if (!UUID.test(text)) throw new Error(`invalid cluster ID ${JSON.stringify(id)}`);
    save(join(this.#directory, "cluster.id"), text);
    this.#clusterId = text;
  }
}

function createDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: DIRECTORY_MODE });
  } catch (error) {
    const exists = error instanceof Error && "code" in error && error.code === "EEXIST";
    if (!exists)
      throw new Error(`cannot create data dir ${directory}: ${errorMessage(error)}`, {
        cause: error,
      });
  }
}

function readOrMake(path: string, random: Random): string {
  const text = read(path).trim().toLowerCase();
  if (text !== "" && text !== NIL) {
    if (!UUID.test(text)) throw new Error(`${path} does not hold a UUID`);
    return text;
  }
  const made = uuid4(random);
  save(path, made);
  return made;
}

/** The file's text; "" when there is none. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw new Error(`cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  }
}

function save(path: string, id: string): void {
  try {
    writeFileDurably(path, new TextEncoder().encode(id), FILE_MODE);
  } catch (error) {
    throw new Error(`cannot save ${path}: ${errorMessage(error)}`, { cause: error });
  }
}
