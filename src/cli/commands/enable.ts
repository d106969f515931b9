/** `enable`: starts tasks. Source: cli §4. */

import type { Command } from "../command.ts";
import { setStatus } from "../task-status.ts";

export const enable: Command = {
  name: "enable",
  summary: "Start tasks.",
  help: `Usage: kapacitor enable [PATTERN]...

Starts every task whose ID matches one of the patterns.

Examples:
  $ kapacitor enable cpu_alert
  $ kapacitor enable '*_alert'`,
  flags: {},
  words: { each: ["tasks"], rest: "tasks" },
  run: (args, { api }) => setStatus(api, args, "enabled"),
};
