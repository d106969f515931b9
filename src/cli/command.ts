/** What a command is: one file in `commands/` exports one, and `commands/registry.ts` lists it. */

import type { ApiClient } from "./api.ts";
import type { CliEnvironment } from "./environment.ts";

export interface CommandContext {
  readonly environment: CliEnvironment;
  readonly api: ApiClient;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The text of `help NAME`, without a final line feed. */
  readonly help: string;
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
