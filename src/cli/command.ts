/** What a command is: one file in `commands/` exports one, and `commands/registry.ts` lists it. */

import type { ApiClient } from "./api.ts";
import type { CliEnvironment } from "./environment.ts";
import type { FlagSpec } from "./flags.ts";
import type { OutputForm } from "./output-form.ts";
import type { CommandWords, Word } from "./words.ts";

export interface CommandContext {
  readonly environment: CliEnvironment;
  readonly api: ApiClient;
  /** `json`: what the command reports is JSON, see `report` in `output.ts`. */
  readonly output: OutputForm;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The text of `help NAME`, without a final line feed. */
  readonly help: string;
  /**
   * What `-output json` prints, as `help NAME` tells it; a promise to scripts. Absent for commands that print
   * nothing, or text that has no JSON form.
   */
  readonly json?: string;
  /** Options behind the command's name. */
  readonly flags: FlagSpec;
  /** What the values of those options are, for completion; text when not named. */
  readonly flagValues?: Readonly<Record<string, Word>>;
  readonly words: CommandWords;
  /** Not in the list of commands. */
  readonly hidden?: true;
  /** Asks no server, so that the server's address is not looked at. */
  readonly offline?: true;
  /** Milliseconds after which a request is given up; no limit when absent. */
  readonly requestTimeMaxMs?: number;
  /** Throws `UsageError` for wrong arguments; any other error is the command's failure. */
  run(args: readonly string[], context: CommandContext): Promise<void>;
}

/** Wrong arguments: the message and the command's help go to standard error, exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** The server's address is not one: exit code 4. */
export class UrlError extends Error {
  override name = "UrlError";
}

/** The command looked for faults and found some, which it has printed: exit code 1. */
export class FaultsFound extends Error {
  override name = "FaultsFound";
}

/** A failure with more for people to read, printed below the message; JSON output has the message alone. */
export class DetailedError extends Error {
  override name = "DetailedError";
  readonly detail: string;

  constructor(message: string, detail: string, options?: ErrorOptions) {
    super(message, options);
    this.detail = detail;
  }
}
