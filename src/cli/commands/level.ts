/** `level`: how much the server logs. Source: cli §7. */

import { type Command, UsageError } from "../command.ts";
import { report } from "../output.ts";

export const level: Command = {
  name: "level",
  summary: "Set how much the server logs.",
  help: `Usage: kapacitor level debug|info|error

Sets how much the server logs, until its next start.`,
  json: '{"level"}: what was set',
  flags: {},
  words: { each: [["debug", "info", "error"]] },
  async run(args, context) {
    const [wanted] = args;
    if (wanted === undefined || args.length !== 1) throw new UsageError("Must pass a log level");
    await context.api.post("/loglevel", { level: wanted });
    report(context, { level: wanted.toLowerCase() }, []);
  },
};
