/** `reload`: stops tasks and starts them again. Source: cli §4. */

import type { Command } from "../command.ts";
import { setStatus } from "../task-status.ts";

export const reload: Command = {
  name: "reload",
  summary: "Stop tasks and start them again.",
  help: `Usage: kapacitor reload [PATTERN]...

Disables, then enables every task whose ID matches one of the patterns.

Examples:
  $ kapacitor reload cpu_alert`,
  flags: {},
  words: { each: ["tasks"], rest: "tasks" },
  async run(args, { api }) {
    await setStatus(api, args, "disabled");
    await setStatus(api, args, "enabled");
  },
};
