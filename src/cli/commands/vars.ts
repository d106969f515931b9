/** `vars`: the server's counters as they are. Source: cli §7. */

import type { Command } from "../command.ts";
import { NO_WORDS } from "../words.ts";

export const vars: Command = {
  name: "vars",
  summary: "Print the server's counters as JSON.",
  help: `Usage: kapacitor vars

Prints the server's counters.`,
  json: "the same",
  flags: {},
  words: NO_WORDS,
  async run(_args, { api, environment }) {
    const { bytes } = await api.bytes("/debug/vars");
    environment.out(new TextDecoder().decode(bytes));
  },
};
