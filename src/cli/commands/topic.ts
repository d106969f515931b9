/** `kapacitorctl topic owners`: which members tell a topic's alerts, in which order, and what they have to do. Ours. */

import { type JsonRecord, pathPart, records, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { report } from "../output.ts";
import { tableLines } from "../table.ts";

export const TOPIC_HELP = `Usage: kapacitorctl topic owners TOPIC

Shows which members own a topic, in the order in which they take its alerts. Run against any member.

  Owner       acting     tells alerts, or waits for the ones above to do it
              stand-in   the same, in place of an owner that is gone
              gone       owns the topic, but does not act now
  Handlers    how many handlers the member has attached to the topic
  Pending     alerts it keeps until they are told; Sending: those it tells just now

A ? stands where the member did not answer. A task's own topic is owned by the members that run the task
with the same handlers; ask one of them.

Options, before or after the command:
  -url URL          Address of a member (default http://localhost:9092, or KAPACITOR_URL).
                    User and password may be given as ?u=NAME&p=PASSWORD.
  -skipVerify       Do not check the server's certificate (or KAPACITOR_UNSAFE_SSL).
  -output FORM      table (default) or json: all members, as GET /kapacitor/v1/cluster/owners/TOPIC gives them.`;

export const topic: Command = {
  name: "topic",
  summary: "Show which members own a topic.",
  help: TOPIC_HELP,
  json: "all members in order, as GET /kapacitor/v1/cluster/owners/TOPIC gives them",
  flags: {},
  words: { verbs: { owners: { each: ["topics"] } } },
  run: runTopic,
};

async function runTopic(args: readonly string[], context: CommandContext): Promise<void> {
  const [verb, name] = args;
  if (verb === undefined) throw new UsageError("Must provide owners.");
  if (verb !== "owners") throw new UsageError(`unknown topic command "${verb}"`);
  if (name === undefined || args.length !== 2) throw new UsageError("Must provide a topic.");
  const found = await context.api.get(`/cluster/owners/${pathPart(name)}`);
  const owners = records(found, "members").filter(({ home, acting }) => home || acting);
  const heads = ["Member ID", "API Address", "Status", "Owner", "Handlers", "Pending", "Sending"];
  const rows = owners.map((one) => [
    ...[text(one, "id"), text(one, "api-address"), text(one, "status"), dutyOf(one)],
    ...["handlers", "pending", "sending"].map((key) => String(one[key] ?? "?")),
  ]);
  report(context, found, tableLines(heads, rows));
}

function dutyOf({ home, acting }: JsonRecord): string {
  if (acting !== true) return "gone";
  return home === true ? "acting" : "stand-in";
}
