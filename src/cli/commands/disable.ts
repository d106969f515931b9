/** `disable`: stops tasks. Source: cli §4. */

import type { Command } from "../command.ts";
import { report } from "../output.ts";
import { CHANGED_TASKS, setStatus } from "../task-status.ts";

export const disable: Command = {
  name: "disable",
  summary: "Stop tasks.",
  help: `Usage: kapacitor disable [PATTERN]...

Stops every task whose ID matches one of the patterns.

Examples:
  $ kapacitor disable cpu_alert
  $ kapacitor disable '*_alert'`,
  json: CHANGED_TASKS,
  flags: {},
  words: { each: ["tasks"], rest: "tasks" },
  async run(args, context) {
    report(context, { tasks: await setStatus(context.api, args, "disabled") }, []);
  },
};
