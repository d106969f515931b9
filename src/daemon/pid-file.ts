/** The file that tells service managers our process number. */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Writes the number, without a newline; directories are made as needed. Returns the undo for a clean stop: a
 * start that fails leaves the file behind, as the original does. Throws the system's error.
 */
export function writePidFile(path: string, pid: number): () => void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o777 });
  writeFileSync(path, String(pid), { mode: 0o666 });
  return () => rmSync(path, { force: true });
}
