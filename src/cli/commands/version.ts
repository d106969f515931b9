/** `version`: what this client is. Source: cli §7. */

import type { Command } from "../command.ts";
import { report } from "../output.ts";
import { NO_WORDS } from "../words.ts";

export const version: Command = {
  name: "version",
  summary: "Show the version of this program.",
  help: `Usage: kapacitor version

Shows the version of this program.`,
  json: '{"platform", "version", "branch", "commit"}',
  flags: {},
  words: NO_WORDS,
  async run(_args, context) {
    const { BRANCH, COMMIT, PLATFORM, VERSION } = await import("#daemon/version.ts");
    const json = { platform: PLATFORM, version: VERSION, branch: BRANCH, commit: COMMIT };
    report(context, json, [`Kapacitor ${PLATFORM} ${VERSION} (git: ${BRANCH} ${COMMIT})`]);
  },
};
