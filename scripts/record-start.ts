/**
 * `build --record`: which functions a start of the daemon runs, for the order of the binary's bytecode.
 *
 * The runtime writes the hashes of all functions, those that ran in their order first. Only these are kept: they
 * are a twentieth, and the gain is the same. Functions that change get other hashes and stand behind the recorded ones,
 * so a file of last month still does most of its work.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** Hashes of functions; those that no longer exist do no harm. */
export const ORDER_PATH = "scripts/start.order";

/** The form's version, functions, modules and names that were used; not those that were only there. */
const USED = /^[vFMN]/;

/** Starts and stops a daemon in an empty directory and writes `ORDER_PATH`. */
export async function recordStart(binary: string): Promise<void> {
  // lab.ts takes the program from the environment when it is loaded.
  process.env["KAPACITOR_BINARY"] = resolve(binary);
  const { Member } = await import("./lab.ts");
  const directory = mkdtempSync(join(tmpdir(), "kapacitor-record-"));
  const recorded = join(directory, "start.order");
  const launch = ["env", `BUN_BYTECODE_ORDER_OUT=${recorded}`];
  try {
    const member = await Member.create({ name: "record", host: "127.0.0.1", directory, launch });
    await member.kill("SIGTERM");
    const lines = readFileSync(recorded, "utf8").split("\n");
    writeFileSync(ORDER_PATH, `${lines.filter((line) => USED.test(line)).join("\n")}\n`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
