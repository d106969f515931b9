/** Membership state as files of the data directory, each replaced as a whole and on disk before it counts. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ClusterStore } from "#cluster/runner.ts";
import { replaceFileDurably } from "#storage/durable-file.ts";

const FILE_MODE = 0o600;

export class ClusterFiles implements ClusterStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async load(file: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.#directory, file));
    } catch (error) {
      if ((error as { code?: unknown }).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Membership goes on meanwhile, and what it decides goes into the next write. */
  replace(file: string, bytes: Uint8Array): Promise<void> {
    return replaceFileDurably(join(this.#directory, file), bytes, FILE_MODE);
  }
}
