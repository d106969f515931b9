/** `member`: cluster membership, the same as `kapacitorctl member`. */

import type { Command } from "../command.ts";
import { MEMBER_FLAGS, MEMBER_HELP, MEMBER_JSON, runMember } from "../member.ts";
import { NO_WORDS } from "../words.ts";

export const member: Command = {
  name: "member",
  summary: "List, add and remove the members of a cluster.",
  help: MEMBER_HELP,
  json: MEMBER_JSON,
  flags: MEMBER_FLAGS,
  words: {
    verbs: { list: NO_WORDS, add: { each: ["text"] }, remove: { each: ["members"] } },
  },
  run: (args, context) => runMember(args, context),
};
