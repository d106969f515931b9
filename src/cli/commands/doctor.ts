/** `doctor`: a check-up of the cluster by all its members, as a table of what is wrong and what to do. Ours. */

import { type JsonRecord, records, text } from "../api.ts";
import { type Command, type CommandContext, FaultsFound, UsageError } from "../command.ts";
import { report } from "../output.ts";
import { tableLines } from "../table.ts";
import { NO_WORDS } from "../words.ts";

export const DOCTOR_HELP = `Usage: kapacitorctl doctor

Finds what is wrong between the members of a cluster. Run against any member: it has every member check
every other one, both ways: names, gossip by UDP and by TCP, RPC, HTTP API, and compares clocks, versions,
encryption keys, redundancy, cluster IDs and lists of members.

Prints one line per problem and what to do about it. Takes some seconds when something does not answer.
Exit code 0 when nothing is wrong, 1 when something is.

Options, before or after the command:
  -url URL          Address of a member (default http://localhost:9092, or KAPACITOR_URL).
                    User and password may be given as ?u=NAME&p=PASSWORD.
  -skipVerify       Do not check the server's certificate (or KAPACITOR_UNSAFE_SSL).
  -output FORM      table (default) or json: every check, as GET /kapacitor/v1/cluster/doctor gives it.`;

/** A check-up is over after about six seconds, however bad things are; ms. */
const REQUEST_TIME_MAX_MS = 15_000;

export const doctor: Command = {
  name: "doctor",
  summary: "Find what is wrong between the members of a cluster.",
  help: DOCTOR_HELP,
  json: "every check, and the problems, as GET /kapacitor/v1/cluster/doctor gives them",
  flags: {},
  words: NO_WORDS,
  requestTimeMaxMs: REQUEST_TIME_MAX_MS,
  run: examine,
};

async function examine(args: readonly string[], context: CommandContext): Promise<void> {
  if (args.length > 0) throw new UsageError("doctor takes no arguments");
  const found = await context.api.get("/cluster/doctor");
  const problems = records(found, "problems");
  report(context, found, [summary(found, problems.length), ...table(problems)]);
  if (problems.length > 0) throw new FaultsFound();
}

function summary(found: JsonRecord, problems: number): string {
  const members = records(found, "members");
  const answered = members.filter((member) => member["answered"] === true).length;
  const checks = records(found, "checks").length;
  const seen = `${count(members.length, "member")}, ${answered} answered, ${count(checks, "check")}`;
  return problems === 0 ? `${seen}: nothing is wrong` : `${seen}: ${count(problems, "problem")}`;
}

function table(problems: readonly JsonRecord[]): readonly string[] {
  if (problems.length === 0) return [];
  const columns = ["from", "to", "check", "problem", "advice"];
  const heads = ["From", "To", "Check", "Problem", "What to do"];
  return tableLines(
    heads,
    problems.map((problem) => columns.map((column) => text(problem, column))),
  );
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
