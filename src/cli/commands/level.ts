/** `level`: how much the server logs. Source: cli §7. */

import { type Command, UsageError } from "../command.ts";

export const level: Command = {
  name: "level",
  summary: "Set how much the server logs.",
  help: `Usage: kapacitor level debug|info|error

Sets how much the server logs, until its next start.`,
  flags: {},
  words: { each: [["debug", "info", "error"]] },
  async run(args, { api }) {
    const [wanted] = args;
    if (wanted === undefined || args.length !== 1) throw new UsageError("Must pass a log level");
    await api.post("/loglevel", { level: wanted });
  },
};
