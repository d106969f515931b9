/**
 * Gives back the pages of the program's own file that only its start needed.
 *
 * The runtime's code is 80 MB, of which a start touches 32; half of that never runs again, but stays in the resident size
 * by which operators judge a daemon, until memory is short. Those pages are clean and still in the file cache: what is
 * needed after all is mapped again at its next use, without reading. Nothing but resident memory changes, so wherever
 * this does not work (other systems, other C libraries) it is left out.
 */

import { readFileSync, readlinkSync } from "node:fs";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";

/** From the end of the start; members of a cluster have met by then. */
export const START_OVER_MS = 3_000;

/** `MADV_DONTNEED` of `<sys/mman.h>` on Linux. */
const DONT_NEED = 4;

/** Addresses of the parts of a file that a process cannot have written to: its code, and the constants at its beginning. */
export function unwritableParts(
  maps: string,
  file: string,
): readonly (readonly [bigint, bigint])[] {
  const parts: (readonly [bigint, bigint])[] = [];
  for (const line of maps.split("\n")) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) r-(x|-)p ([0-9a-f]+) \S+ \S+ +(.*)$/.exec(line);
    if (match === null || match[5] !== file) continue;
    const [, from = "", to = "", execute, offset = ""] = match;
    // Further constants may be such as the loader has adapted.
    const isCode = execute === "x";
    if (!isCode && BigInt(`0x${offset}`) !== 0n) continue;
    parts.push([BigInt(`0x${from}`), BigInt(`0x${to}`)]);
  }
  return parts;
}

/** Never throws. */
export async function returnStartPages(log: Log): Promise<void> {
  if (process.platform !== "linux") return;
  try {
    const { dlopen, FFIType } = await import("bun:ffi");
    const { close, symbols } = dlopen("libc.so.6", {
      madvise: { args: [FFIType.u64, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
    });
    const maps = readFileSync("/proc/self/maps", "utf8");
    for (const [from, to] of unwritableParts(maps, readlinkSync("/proc/self/exe"))) {
      symbols.madvise(from, to - from, DONT_NEED);
    }
    close();
  } catch (error) {
    log.debug("pages of the start are kept", { err: errorMessage(error) });
  }
}
