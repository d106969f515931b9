/** The `[replay]` directory: where a recording's file is, how big, and what else lies there. */

import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join, parse } from "node:path";
import type { Time } from "#lib/time.ts";
import type { RecordingType, StoredRecording } from "./recording-store.ts";

const EXTENSIONS = { stream: ".srpl", batch: ".brpl" } as const;

/** Of live replays, which exist as long as the replay runs. */
const LIVE_EXTENSION = ".live";

/** A file that looks like a recording. */
export interface FoundRecording {
  readonly id: string;
  readonly type: RecordingType;
  readonly size: number;
  readonly modified: Time;
}

export class RecordingFiles {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  pathOf({ id, type }: Pick<StoredRecording, "id" | "type">): string {
    return join(this.#dir, id + EXTENSIONS[type]);
  }

  /** A file for a live replay; whoever asks deletes it. */
  livePathOf(id: string): string {
    return join(this.#dir, id + LIVE_EXTENSION);
  }

  /** Bytes, or −1 when there is no such file, or none of such a name can be. */
  sizeOf(path: string): number {
    try {
      return statSync(path).size;
    } catch {
      return -1;
    }
  }

  /** False when there was no such file. */
  remove(path: string): boolean {
    if (this.sizeOf(path) < 0) return false;
    rmSync(path, { force: true });
    return true;
  }

  /**
   * Makes the directory, deletes what live replays of an earlier run left, and looks at every file. `other` is
   * called with names that are none of a recording. Throws when the directory cannot be made or read.
   */
  scan(other: (name: string) => void): readonly FoundRecording[] {
    mkdirSync(this.#dir, { recursive: true });
    const found: FoundRecording[] = [];
    for (const name of readdirSync(this.#dir).sort()) {
      const path = join(this.#dir, name);
      const status = statSync(path, { throwIfNoEntry: false });
      if (status === undefined || !status.isFile()) continue;
      const { ext, name: id } = parse(name);
      if (ext === LIVE_EXTENSION) rmSync(path, { force: true });
      else if (ext === EXTENSIONS.stream) found.push({ id, type: "stream", ...facts(status) });
      else if (ext === EXTENSIONS.batch) found.push({ id, type: "batch", ...facts(status) });
      else other(name);
    }
    return found;
  }
}

function facts({ size, mtimeMs }: { size: number; mtimeMs: number }) {
  const ms = Math.floor(mtimeMs);
  return { size, modified: { ms, ns: Math.floor((mtimeMs - ms) * 1_000_000) } };
}
