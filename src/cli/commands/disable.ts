/** `disable`: stops tasks. Source: cli §4. */

import type { Command } from "../command.ts";
import { setStatus } from "../task-status.ts";

export const disable: Command = {
  name: "disable",
  summary: "Stop tasks.",
  help: `Usage: kapacitor disable [PATTERN]...

Stops every task whose ID matches one of the patterns.

Examples:
  $ kapacitor disable cpu_alert
  $ kapacitor disable '*_alert'`,
  flags: {},
  words: { each: ["tasks"], rest: "tasks" },
  run: (args, { api }) => setStatus(api, args, "disabled"),
};
