/** `version`: what this client is. Source: cli §7. */

import type { Command } from "../command.ts";

export const version: Command = {
  name: "version",
  summary: "Show the version of this program.",
  help: `Usage: kapacitor version

Shows the version of this program.`,
  async run(_args, { environment }) {
    const { BRANCH, COMMIT, PLATFORM, VERSION } = await import("#daemon/version.ts");
    environment.out(`Kapacitor ${PLATFORM} ${VERSION} (git: ${BRANCH} ${COMMIT})\n`);
  },
};
