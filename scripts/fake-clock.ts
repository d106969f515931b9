/** Other wall clocks for real processes, by libfaketime of Debian's packages. Monotonic clocks stay. */

import { existsSync, readdirSync } from "node:fs";

/** Where Debian puts the library, by architecture. */
function library(): string | undefined {
  for (const folder of readdirSync("/usr/lib", { withFileTypes: true })) {
    const path = `/usr/lib/${folder.name}/faketime/libfaketimeMT.so.1`;
    if (folder.isDirectory() && existsSync(path)) return path;
  }
  return undefined;
}

/** Why clocks cannot be set here, or `undefined`. */
export function fakeClockProblem(): string | undefined {
  if (process.platform !== "linux") return "libfaketime is used on Linux only";
  return library() === undefined ? "faketime is not installed" : undefined;
}

/** Words before a program's own that give it a wall clock off by so much: `+1h`, `-90m`, `+8d`. */
export function fakeClock(offset: string): readonly string[] {
  return [...preload(), `FAKETIME=${offset}`];
}

/** The same, with the offset in a file that is read again every second: clocks that jump while programs run. */
export function fakeClockFile(path: string): readonly string[] {
  return [...preload(), `FAKETIME_TIMESTAMP_FILE=${path}`, "FAKETIME_CACHE_DURATION=1"];
}

const preload = (): readonly string[] => [
  "env",
  `LD_PRELOAD=${library()}`,
  "FAKETIME_DONT_FAKE_MONOTONIC=1",
];
