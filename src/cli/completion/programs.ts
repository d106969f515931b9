/** The three programs as completion knows them: what may follow what in each. */

import type { Command } from "../command.ts";
import { doctor } from "../commands/doctor.ts";
import { member } from "../commands/member.ts";
import { topic } from "../commands/topic.ts";
import { CONNECTION_FLAGS } from "../connection.ts";
import type { FlagSpec as DaemonFlag } from "../go-args.ts";
import { CONFIG_FLAGS, RUN_FLAGS, UNIT_FLAGS } from "../kapacitord-flags.ts";
import { NO_WORDS } from "../words.ts";
import { type CompletionFlag, type CompletionRule, completionRules } from "./rules.ts";

export interface CompletionProgram {
  readonly name: string;
  readonly rules: readonly CompletionRule[];
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  /** Options that say which server may stand behind the command too. */
  readonly flagsAnywhere: boolean;
}

/** Given the commands of `kapacitor`, one of which asks for this. */
export function completionPrograms(commands: readonly Command[]): readonly CompletionProgram[] {
  return [
    {
      name: "kapacitor",
      rules: completionRules(commands),
      commands: [...commands.filter(({ hidden }) => hidden !== true), HELP],
      flagsAnywhere: false,
    },
    {
      name: "kapacitorctl",
      rules: completionRules(CTL_COMMANDS),
      commands: [...CTL_COMMANDS, HELP],
      flagsAnywhere: true,
    },
    { name: "kapacitord", rules: daemonRules(), commands: DAEMON_COMMANDS, flagsAnywhere: false },
  ];
}

const HELP = { name: "help", summary: "Show the help of a command." };

/** As `kapacitorctl` takes them: with its options behind the command. */
const CTL_COMMANDS: readonly Command[] = [member, doctor, topic].map((command) => ({
  ...command,
  flags: { ...command.flags, ...CONNECTION_FLAGS },
}));

const DAEMON_COMMANDS = [
  { name: "run", summary: "Run the daemon (default)." },
  { name: "config", summary: "Print the configuration in effect." },
  { name: "unit", summary: "Print a systemd unit that runs this program." },
  { name: "version", summary: "Print the version." },
  { name: "downgrade", summary: "Not needed by this program." },
  HELP,
];

const LEVELS = ["DEBUG", "INFO", "WARN", "ERROR"];

function daemonRules(): readonly CompletionRule[] {
  const names = DAEMON_COMMANDS.map(({ name }) => name);
  const closed = (path: string, flags: readonly DaemonFlag[]): CompletionRule => ({
    path,
    flags: daemonFlags(flags),
    words: NO_WORDS,
    isOpen: false,
  });
  return [
    // Options without a command are those of run.
    { path: "", flags: daemonFlags(RUN_FLAGS), words: { each: [names] }, isOpen: true },
    closed("run", RUN_FLAGS),
    closed("config", CONFIG_FLAGS),
    closed("unit", UNIT_FLAGS),
    closed("version", []),
    closed("downgrade", []),
    { path: "help", flags: [], words: { each: [names] }, isOpen: false },
  ];
}

function daemonFlags(flags: readonly DaemonFlag[]): readonly CompletionFlag[] {
  const shown = flags.filter(({ hidden }) => hidden !== true);
  const own = shown.map(({ name, value }): CompletionFlag => {
    if (value === "path") return { name: `-${name}`, value: "file" };
    return { name: `-${name}`, value: value === "level" ? LEVELS : "text" };
  });
  return [...own, { name: "-help", value: undefined }];
}
