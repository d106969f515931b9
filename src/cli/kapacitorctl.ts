/**
 * The cluster control `kapacitorctl`: `member list|add|remove`, `topic owners`, `doctor` and `help`.
 *
 * Options may stand before or after the command, and credentials in the URL's query. A failure is one line
 * on standard error and exit code 1. Source: cluster-behaviour §4, U4; cli §10.
 */

import { errorMessage } from "#lib/errors.ts";
import { type CommandContext, FaultsFound, UsageError } from "./command.ts";
import { completeId } from "./commands/complete-id.ts";
import { DOCTOR_HELP, doctor } from "./commands/doctor.ts";
import { TOPIC_HELP, topic } from "./commands/topic.ts";
import { CONNECTION_FLAGS, connect } from "./connection.ts";
import { type CliEnvironment, processEnvironment } from "./environment.ts";
import { EXIT_OK } from "./exit-codes.ts";
import { type Flags, readFlags } from "./flags.ts";
import { MEMBER_FLAGS, MEMBER_HELP, runMember } from "./member.ts";
import { errorLine, type OutputForm, takeOutputForm } from "./output-form.ts";

const EXIT_CTL_FAILED = 1;

const USAGE = `Usage: kapacitorctl [options] command [args]

Commands:
  member            List, add and remove the members of a cluster.
  doctor            Find what is wrong between the members of a cluster.
  topic             Show which members own a topic.
  help [command]    Show the help of a command.

Options:
  -url URL          Address of a member (default http://localhost:9092, or KAPACITOR_URL).
  -skipVerify       Do not check the server's certificate (or KAPACITOR_UNSAFE_SSL).
  -output FORM      table (default) or json.`;

const HELP: ReadonlyMap<string, string> = new Map([
  ["member", MEMBER_HELP],
  ["doctor", DOCTOR_HELP],
  ["topic", TOPIC_HELP],
  ["help", USAGE],
]);

/** Runs one command line (without the program's name) and returns the exit code. Never rejects. */
export async function runKapacitorctl(
  args: readonly string[],
  environment: CliEnvironment = processEnvironment(),
): Promise<number> {
  let output: OutputForm = "table";
  try {
    const taken = takeOutputForm(args);
    output = taken.output;
    const { words, flags } = gather(taken.rest);
    const help = helpAskedFor(words, flags);
    if (help !== undefined) {
      environment.err(`${help}\n`);
      return EXIT_OK;
    }
    const [command, ...rest] = words;
    const api = connect(flags, environment, limitsOf(command));
    const watch = flags.isSet("watch") ? ["-watch"] : [];
    await run(command, [...rest, ...watch], { environment, output, api });
    return EXIT_OK;
  } catch (error) {
    if (error instanceof FaultsFound) return EXIT_CTL_FAILED;
    const help = error instanceof UsageError ? `\n${USAGE}` : "";
    const message = errorMessage(error);
    environment.err(output === "json" ? errorLine(message) : `Error: ${message}${help}\n`);
    return EXIT_CTL_FAILED;
  }
}

function run(
  command: string | undefined,
  args: readonly string[],
  context: CommandContext,
): Promise<void> {
  switch (command) {
    case "member":
      return runMember(args, context);
    case "doctor":
      return doctor.run(args, context);
    case "topic":
      return topic.run(args, context);
    case completeId.name:
      return completeId.run(args, context);
    case undefined:
      throw new UsageError("Must pass a command.");
    default:
      throw unknownCommand(command);
  }
}

/** Commands that answer a person at once do not wait for a server that hangs. */
function limitsOf(command: string | undefined): { readonly requestTimeMaxMs?: number } {
  const known = [doctor, completeId].find(({ name }) => name === command);
  return known?.requestTimeMaxMs === undefined ? {} : { requestTimeMaxMs: known.requestTimeMaxMs };
}

/** The text of `help`, `help X`, `-h` and `X -h`; throws `UsageError` for help about an unknown command. */
function helpAskedFor([command, about]: readonly string[], flags: Flags): string | undefined {
  const isHelp = command === "help";
  if (!isHelp && !flags.isSet("h") && !flags.isSet("help")) return undefined;
  const wanted = isHelp ? about : command;
  if (wanted === undefined) return USAGE;
  const text = HELP.get(wanted);
  if (text === undefined) throw unknownCommand(wanted);
  return text;
}

function unknownCommand(name: string): UsageError {
  return new UsageError(`Unknown command ${name}`);
}

/** Words and flags in any order. */
function gather(args: readonly string[]): { readonly words: string[]; readonly flags: Flags } {
  const words: string[] = [];
  const flagged: string[] = [];
  let left = args;
  while (left.length > 0) {
    const flags = readFlags(left, SPEC);
    flagged.push(...left.slice(0, left.length - flags.rest.length));
    const [word, ...more] = flags.rest;
    if (word !== undefined) words.push(word);
    left = more;
  }
  return { words, flags: readFlags(flagged, SPEC) };
}

const SPEC = { ...CONNECTION_FLAGS, ...MEMBER_FLAGS, h: "boolean", help: "boolean" } as const;
