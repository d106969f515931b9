/** `member`: cluster membership, the same as `kapacitorctl member`. */

import type { Command } from "../command.ts";
import { MEMBER_HELP, runMember } from "../member.ts";

export const member: Command = {
  name: "member",
  summary: "List, add and remove the members of a cluster.",
  help: MEMBER_HELP,
  run: (args, context) => runMember(args, context),
};
