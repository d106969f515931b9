/** Commands of the original that this version does not have yet: they fail and say what is missing. */

import type { Command } from "../command.ts";
import { NO_WORDS } from "../words.ts";

function unbuilt(name: string, summary: string, what: string): Command {
  return {
    name,
    summary,
    flags: {},
    words: NO_WORDS,
    help: `Usage: kapacitor ${name}\n\n${summary}\n${what} not available yet.`,
    run: () => Promise.reject(new Error(`${what} not available yet`)),
  };
}

/** `kapacitorctl doctor` says the same. */
export const doctor = unbuilt(
  "doctor",
  "Find what is wrong with a member or a cluster.",
  "doctor is",
);
