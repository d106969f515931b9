/**
 * The client `kapacitor`: global options, the command, and how its end becomes an exit code.
 *
 * Data goes to standard output; usage, help and errors to standard error. Source: cli §1.
 */

import { errorMessage } from "#lib/errors.ts";
import { type Command, UrlError, UsageError } from "./command.ts";
import { COMMANDS } from "./commands/registry.ts";
import { CONNECTION_FLAGS, connect } from "./connection.ts";
import { type CliEnvironment, processEnvironment } from "./environment.ts";
import { EXIT_BAD_URL, EXIT_FAILED, EXIT_NO_COMMAND, EXIT_OK, EXIT_USAGE } from "./exit-codes.ts";
import { type Flags, readFlags } from "./flags.ts";

/** Runs one command line (without the program's name) and returns the exit code. Never rejects. */
export async function runKapacitor(
  args: readonly string[],
  environment: CliEnvironment = processEnvironment(),
): Promise<number> {
  let flags: Flags;
  try {
    flags = readFlags(args, { ...CONNECTION_FLAGS, h: "boolean", help: "boolean" });
  } catch (error) {
    environment.err(`${errorMessage(error)}\n${usage()}\n`);
    return EXIT_USAGE;
  }
  const [name, ...rest] = flags.rest;
  if (flags.isSet("h") || flags.isSet("help")) {
    environment.err(`${usage()}\n`);
    return EXIT_OK;
  }
  if (name === undefined) {
    environment.err(`Error: Must pass a command.\n${usage()}\n`);
    return EXIT_NO_COMMAND;
  }
  if (name === "help") return showHelp(rest, environment);
  const command = COMMANDS.find((known) => known.name === name);
  if (command === undefined) {
    environment.err(`Unknown command ${name}\n${usage()}\n`);
    return EXIT_NO_COMMAND;
  }
  return runCommand(command, rest, flags, environment);
}

async function runCommand(
  command: Command,
  args: readonly string[],
  flags: Flags,
  environment: CliEnvironment,
): Promise<number> {
  if (args.length === 1 && /^--?h(elp)?$/.test(args[0] ?? "")) {
    environment.err(`${command.help}\n`);
    return EXIT_OK;
  }
  let api: ReturnType<typeof connect>;
  try {
    api = connect(flags, environment);
  } catch (error) {
    environment.err(`${errorMessage(error)}\n`);
    return error instanceof UrlError ? EXIT_BAD_URL : EXIT_NO_COMMAND;
  }
  try {
    await command.run(args, { environment, api });
    return EXIT_OK;
  } catch (error) {
    if (error instanceof UsageError) {
      environment.err(`${error.message}\n${command.help}\n`);
      return EXIT_USAGE;
    }
    environment.err(`Error: ${errorMessage(error)}\n`);
    return EXIT_FAILED;
  }
}

function showHelp(args: readonly string[], environment: CliEnvironment): number {
  const [topic] = args;
  const command = COMMANDS.find((known) => known.name === topic);
  if (command !== undefined) {
    environment.err(`${command.help}\n`);
    return EXIT_OK;
  }
  if (topic !== undefined) environment.err(`Unknown command ${topic}\n`);
  environment.err(`${usage()}\n`);
  return EXIT_NO_COMMAND;
}

const NAME_COLUMN = 22;

function usage(): string {
  const commands = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(NAME_COLUMN)}${summary}`);
  return [
    "Usage: kapacitor [options] command [args]",
    "",
    "Commands:",
    "",
    ...commands,
    `  ${"help".padEnd(NAME_COLUMN)}Show the help of a command.`,
    "",
    "Options:",
    "",
    "  -url string",
    "        Address of the server, http(s)://host:port; user:password@ for authentication.",
    "        Default http://localhost:9092, or KAPACITOR_URL.",
    "  -skipVerify",
    "        Do not check the server's certificate. Default false, or KAPACITOR_UNSAFE_SSL.",
  ].join("\n");
}
