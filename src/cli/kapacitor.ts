/**
 * The client `kapacitor`: global options, the command, and how its end becomes an exit code.
 *
 * Data goes to standard output; usage, help and errors to standard error. With `-output json` an error is
 * one line `{"error": …}` there. Source: cli §1.
 */

import { errorMessage } from "#lib/errors.ts";
import type { ApiClient } from "./api.ts";
import { type Command, DetailedError, FaultsFound, UrlError, UsageError } from "./command.ts";
import { COMMANDS } from "./commands/registry.ts";
import { CONNECTION_FLAGS, connect } from "./connection.ts";
import { type CliEnvironment, processEnvironment } from "./environment.ts";
import {
  EXIT_BAD_URL,
  EXIT_FAILED,
  EXIT_FAULTS,
  EXIT_NO_COMMAND,
  EXIT_OK,
  EXIT_USAGE,
} from "./exit-codes.ts";
import { type Flags, readFlags } from "./flags.ts";
import { asksForHelp } from "./help.ts";
import { errorLine, type OutputForm, takeOutputForm } from "./output-form.ts";

/** Runs one command line (without the program's name) and returns the exit code. Never rejects. */
export async function runKapacitor(
  args: readonly string[],
  environment: CliEnvironment = processEnvironment(),
): Promise<number> {
  let output: OutputForm = "table";
  let flags: Flags;
  try {
    const taken = takeOutputForm(args);
    output = taken.output;
    flags = readFlags(taken.rest, { ...CONNECTION_FLAGS, h: "boolean", help: "boolean" });
  } catch (error) {
    return new Refusal(environment, output).usage(errorMessage(error), usage());
  }
  const [name, ...rest] = flags.rest;
  if (flags.isSet("h") || flags.isSet("help")) {
    environment.err(`${usage()}\n`);
    return EXIT_OK;
  }
  const refuse = new Refusal(environment, output);
  if (name === undefined) return refuse.noCommand("Must pass a command.", "Error: ");
  if (name === "help") return showHelp(rest, environment);
  const command = COMMANDS.find((known) => known.name === name);
  if (command === undefined) return refuse.noCommand(`Unknown command ${name}`, "");
  if (asksForHelp(rest)) {
    environment.err(`${helpOf(command)}\n`);
    return EXIT_OK;
  }
  return runCommand(command, rest, { flags, environment, output, refuse });
}

interface Around {
  readonly flags: Flags;
  readonly environment: CliEnvironment;
  readonly output: OutputForm;
  readonly refuse: Refusal;
}

async function runCommand(
  command: Command,
  args: readonly string[],
  { flags, environment, output, refuse }: Around,
): Promise<number> {
  let client: ApiClient | undefined;
  const { requestTimeMaxMs } = command;
  const limits = requestTimeMaxMs === undefined ? {} : { requestTimeMaxMs };
  const context = {
    environment,
    output,
    get api() {
      client ??= connect(flags, environment, limits);
      return client;
    },
  };
  try {
    if (command.offline !== true) client = connect(flags, environment, limits);
  } catch (error) {
    const code = error instanceof UrlError ? EXIT_BAD_URL : EXIT_NO_COMMAND;
    return refuse.plain(errorMessage(error), code);
  }
  try {
    await command.run(args, context);
    return EXIT_OK;
  } catch (error) {
    if (error instanceof FaultsFound) return EXIT_FAULTS;
    if (error instanceof UsageError) return refuse.usage(error.message, helpOf(command));
    return refuse.failed(error);
  }
}

/** Says why nothing was done, in the form that was asked for, and gives the exit code. */
class Refusal {
  readonly #environment: CliEnvironment;
  readonly #output: OutputForm;

  constructor(environment: CliEnvironment, output: OutputForm) {
    this.#environment = environment;
    this.#output = output;
  }

  plain(message: string, code: number): number {
    return this.#say(message, message, code);
  }

  usage(message: string, help: string): number {
    return this.#say(message, `${message}\n${help}`, EXIT_USAGE);
  }

  noCommand(message: string, before: string): number {
    return this.#say(message, `${before}${message}\n${usage()}`, EXIT_NO_COMMAND);
  }

  failed(error: unknown): number {
    const message = errorMessage(error);
    const detail = error instanceof DetailedError ? `\n${error.detail}` : "";
    return this.#say(message, `Error: ${message}${detail}`, EXIT_FAILED);
  }

  #say(message: string, text: string, code: number): number {
    this.#environment.err(this.#output === "json" ? errorLine(message) : `${text}\n`);
    return code;
  }
}

function showHelp(args: readonly string[], environment: CliEnvironment): number {
  const [topic] = args;
  if (topic === "help") {
    environment.err(`${usage()}\n`);
    return EXIT_OK;
  }
  const command = COMMANDS.find((known) => known.name === topic);
  if (command !== undefined) {
    environment.err(`${helpOf(command)}\n`);
    return EXIT_OK;
  }
  if (topic !== undefined) environment.err(`Unknown command ${topic}\n`);
  environment.err(`${usage()}\n`);
  return EXIT_NO_COMMAND;
}

function helpOf({ help, json }: Command): string {
  return json === undefined ? help : `${help}\n\nWith -output json:\n${indented(json)}`;
}

function indented(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}

const NAME_COLUMN = 22;

function usage(): string {
  const commands = COMMANDS.filter(({ hidden }) => hidden !== true).map(
    ({ name, summary }) => `  ${name.padEnd(NAME_COLUMN)}${summary}`,
  );
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
    "  -output table|json",
    "        How to print what is found, also behind the command. Default table.",
    '        json: the API\'s JSON on standard output, {"error": …} on standard error.',
  ].join("\n");
}
