/** `reload`: stops tasks and starts them again. Source: cli §4. */

import type { Command } from "../command.ts";
import { report } from "../output.ts";
import { CHANGED_TASKS, setStatus } from "../task-status.ts";

export const reload: Command = {
  name: "reload",
  summary: "Stop tasks and start them again.",
  help: `Usage: kapacitor reload [PATTERN]...

Disables, then enables every task whose ID matches one of the patterns.

Examples:
  $ kapacitor reload cpu_alert`,
  json: CHANGED_TASKS,
  flags: {},
  words: { each: ["tasks"], rest: "tasks" },
  async run(args, context) {
    await setStatus(context.api, args, "disabled");
    report(context, { tasks: await setStatus(context.api, args, "enabled") }, []);
  },
};
