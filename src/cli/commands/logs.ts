/** `logs`: live logs of the server. Source: cli §7. */

import type { Command } from "../command.ts";
import { streamLogs } from "../log-stream.ts";

export const logs: Command = {
  name: "logs",
  summary: "Follow the server's log.",
  help: `Usage: kapacitor logs [KEY=VALUE]...

Prints what the server logs as it happens, until interrupted.

Examples:
  $ kapacitor logs lvl=error
  $ kapacitor logs service=http lvl=info+`,
  json: "one object a line, as the server logs in JSON",
  flags: {},
  words: { each: ["text"], rest: "text" },
  run: streamLogs,
};
