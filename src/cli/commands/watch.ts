/** `watch`: live logs of one task. Source: cli §7. */

import type { Command } from "../command.ts";
import { streamLogs } from "../log-stream.ts";

export const watch: Command = {
  name: "watch",
  summary: "Follow the log of one task.",
  help: `Usage: kapacitor watch TASK_ID [KEY=VALUE]...

Prints what a task logs as it happens, until interrupted.

Examples:
  $ kapacitor watch cpu_alert
  $ kapacitor watch cpu_alert node=log2 lvl=info+`,
  json: "one object a line, as the server logs in JSON",
  flags: {},
  words: { each: ["tasks"], rest: "text" },
  async run(args, context) {
    const [task, ...pairs] = args;
    if (task === undefined) throw new Error("must provide task ID.");
    await streamLogs([`task=${task}`, ...pairs], context);
  },
};
