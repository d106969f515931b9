/**
 * The few lines every script shares: `--help`, known flags, a refusal of everything else.
 */

export interface ScriptHelp {
  readonly name: string;
  readonly does: string;
  /** Flag or positional → what it does. */
  readonly arguments: Readonly<Record<string, string>>;
}

export interface ParsedArguments {
  readonly flags: ReadonlySet<string>;
  readonly rest: readonly string[];
}

/** Prints help and exits on `--help`; exits 2 on a flag that `help` does not name. */
export function scriptArguments(help: ScriptHelp): ParsedArguments {
  const flags = new Set<string>();
  const rest: string[] = [];
  for (const argument of process.argv.slice(2)) {
    if (argument === "--help" || argument === "-h") {
      console.log(helpText(help));
      process.exit(0);
    }
    if (!argument.startsWith("-")) rest.push(argument);
    else if (argument in help.arguments) flags.add(argument);
    else {
      console.error(`unknown option ${argument}\n\n${helpText(help)}`);
      process.exit(2);
    }
  }
  return { flags, rest };
}

function helpText(help: ScriptHelp): string {
  const names = Object.keys(help.arguments);
  const width = Math.max(6, ...names.map((name) => name.length)) + 2;
  const lines = names.map((name) => `  ${name.padEnd(width)}${help.arguments[name]}`);
  lines.push(`  ${"--help".padEnd(width)}this text`);
  return `usage: ./scripts/${help.name} [arguments]\n\n${help.does}\n\n${lines.join("\n")}`;
}
