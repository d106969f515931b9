/**
 * CPU time and memory of another process, as Linux counts them in /proc; and that no such process outlives this one.
 */

import { readFileSync, writeFileSync } from "node:fs";

/** CLK_TCK of every Linux in use. */
const TICKS_PER_SECOND = 100;

/** The least CPU time that can be told from none, seconds. */
export const CPU_TICK_SECONDS = 1 / TICKS_PER_SECOND;

/** User and system time since the process began, seconds in steps of 10 ms. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second word is the program's name in parentheses, which may contain blanks.
  const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(words[11]) + Number(words[12])) / TICKS_PER_SECOND;
}

/** Resident memory now, or the most since `resetPeak`, MiB. */
export function memoryMiB(pid: number, which: "now" | "peak"): number {
  const name = which === "now" ? "VmRSS" : "VmHWM";
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(
    readFileSync(`/proc/${pid}/status`, "utf8"),
  );
  return Number(line?.[1] ?? Number.NaN) / 1024;
}

/** Lets the peak begin anew. Where the kernel refuses, the peak is that of the whole life. */
export function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch {
    // A container without the right to: the figure is then too high, never too low.
  }
}

const undos = new Set<() => void>();

/** Runs when this process ends, also by SIGINT and SIGTERM; the returned function takes it back. */
export function atExit(undo: () => void): () => void {
  listen();
  undos.add(undo);
  return () => undos.delete(undo);
}

let isListening = false;

function listen(): void {
  if (isListening) return;
  isListening = true;
  process.on("exit", () => {
    for (const undo of undos) undo();
  });
  process.on("SIGINT", () => process.exit(130));
  process.on("SIGTERM", () => process.exit(143));
}
