/**
 * Small files that are either the old or the new version after a crash, never half of one.
 *
 * Written aside, flushed, renamed over the old name, and the directory flushed: the order that file systems
 * need to keep that promise.
 */

import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Replaces the file's content durably. Throws the system's error; the old content then still stands. */
export function writeFileDurably(path: string, content: Uint8Array, mode: number): void {
  const aside = `${path}.new`;
  try {
    const file = openSync(aside, "w", mode);
    try {
      for (let at = 0; at < content.length; ) at += writeSync(file, content, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
}

/**
 * The same while the process goes on with other work: a flush can take long on a busy disk. The caller sees to it that
 * one file is replaced by one at a time.
 */
export async function replaceFileDurably(
  path: string,
  content: Uint8Array,
  mode: number,
): Promise<void> {
  const aside = `${path}.new`;
  try {
    const file = await open(aside, "w", mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  const directory = await open(dirname(path), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Makes renames and new names in a directory durable. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
