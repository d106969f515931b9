/** `completion`: the script that teaches a shell the commands of kapacitor, kapacitorctl and kapacitord. Ours. */

import { type Command, type CommandContext, UsageError } from "../command.ts";
import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import { completionPrograms } from "../completion/programs.ts";
import { zshCompletion } from "../completion/zsh.ts";
import { readFlags } from "../flags.ts";

export const completion: Command = {
  name: "completion",
  summary: "Print the completion script of a shell.",
  help: `Usage: kapacitor completion bash|zsh|fish

Prints a script that completes commands, options, files, and the IDs that the server knows, for kapacitor,
kapacitorctl and kapacitord.

Examples:
  $ source <(kapacitor completion bash)
  $ kapacitor completion fish > ~/.config/fish/completions/kapacitor.fish`,
  flags: {},
  words: { each: [["bash", "zsh", "fish"]] },
  offline: true,
  run: printScript,
};

async function printScript(args: readonly string[], { environment }: CommandContext) {
  const [shell, ...more] = readFlags(args, completion.flags).rest;
  if (shell === undefined || more.length > 0) {
    throw new UsageError("Must specify one of bash, zsh, fish.");
  }
  // The list of commands contains this one, so it is looked up when it is complete.
  const { COMMANDS } = await import("./registry.ts");
  const programs = completionPrograms(COMMANDS);
  switch (shell) {
    case "bash":
      return environment.out(bashCompletion(programs));
    case "zsh":
      return environment.out(zshCompletion(programs));
    case "fish":
      return environment.out(fishCompletion(programs));
    default:
      throw new UsageError(`unknown shell ${shell}, must be one of bash, zsh, fish`);
  }
}
