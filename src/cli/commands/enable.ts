/** `enable`: starts tasks. Source: cli §4. */

import type { Command } from "../command.ts";
import { report } from "../output.ts";
import { CHANGED_TASKS, setStatus } from "../task-status.ts";

export const enable: Command = {
  name: "enable",
  summary: "Start tasks.",
  help: `Usage: kapacitor enable [PATTERN]...

Starts every task whose ID matches one of the patterns.

Examples:
  $ kapacitor enable cpu_alert
  $ kapacitor enable '*_alert'`,
  json: CHANGED_TASKS,
  flags: {},
  words: { each: ["tasks"], rest: "tasks" },
  async run(args, context) {
    report(context, { tasks: await setStatus(context.api, args, "enabled") }, []);
  },
};
