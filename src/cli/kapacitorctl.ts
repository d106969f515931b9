/**
 * The cluster control `kapacitorctl`: `member list|add|remove` and `help`.
 *
 * Options may stand before or after the command, and credentials in the URL's query. A failure is one line
 * on standard error and exit code 1. Source: cluster-behaviour §4, U4; cli §10.
 */

import { errorMessage } from "#lib/errors.ts";
import { UsageError } from "./command.ts";
import { CONNECTION_FLAGS, connect } from "./connection.ts";
import { type CliEnvironment, processEnvironment } from "./environment.ts";
import { EXIT_OK } from "./exit-codes.ts";
import { type Flags, readFlags } from "./flags.ts";
import { MEMBER_HELP, runMember } from "./member.ts";

const EXIT_CTL_FAILED = 1;

const USAGE = `Usage: kapacitorctl [options] command [args]

Commands:
  member            List, add and remove the members of a cluster.
  help [command]    Show the help of a command.

Options:
  -url URL          Address of a member (default http://localhost:9092, or KAPACITOR_URL).
  -skipVerify       Do not check the server's certificate (or KAPACITOR_UNSAFE_SSL).`;

/** Runs one command line (without the program's name) and returns the exit code. Never rejects. */
export async function runKapacitorctl(
  args: readonly string[],
  environment: CliEnvironment = processEnvironment(),
): Promise<number> {
  try {
    const { words, flags } = gather(args);
    const [command, ...rest] = words;
    if (command === "help" || (command === undefined && flags.isSet("h"))) {
      environment.err(`${rest[0] === "member" ? MEMBER_HELP : USAGE}\n`);
      return EXIT_OK;
    }
    if (command === undefined) throw new UsageError("Must pass a command.");
    if (command !== "member") throw new UsageError(`Unknown command ${command}`);
    if (flags.isSet("h")) {
      environment.err(`${MEMBER_HELP}\n`);
      return EXIT_OK;
    }
    await runMember(rest, { environment, api: connect(flags, environment) });
    return EXIT_OK;
  } catch (error) {
    const help = error instanceof UsageError ? `\n${USAGE}` : "";
    environment.err(`Error: ${errorMessage(error)}${help}\n`);
    return EXIT_CTL_FAILED;
  }
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

const SPEC = { ...CONNECTION_FLAGS, h: "boolean", help: "boolean" } as const;
