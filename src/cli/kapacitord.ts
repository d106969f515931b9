/**
 * The daemon's own commands: run (default), config, unit, version, help, downgrade.
 *
 * `run` brings configuration, log, process file and signals together and hands over to the daemon, which is
 * loaded only then.
 */

import { writeSync } from "node:fs";
import type { BlockList } from "node:net";
import { isAbsolute } from "node:path";
import { ConfigError } from "#config/config-error.ts";
import {
  findConfigFile,
  readConfigFile,
  SYSTEM_FILE,
  systemErrorText,
  userRoot,
} from "#config/find-file.ts";
import { findUnavailable, type LoadedConfig, loadConfig } from "#config/load.ts";
import { printConfig } from "#config/print.ts";
import { errorMessage } from "#lib/errors.ts";
import { type FlagSpec, flagUsage, type GoArgs, parseGoArgs } from "./go-args.ts";
import { CONFIG_FLAGS, RUN_FLAGS, UNIT_FLAGS } from "./kapacitord-flags.ts";
import { programFile } from "./program-file.ts";

/** What a command needs from the process; tests give their own. */
export interface DaemonShell {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The compiled program; undefined when run from source. */
  readonly executable: string | undefined;
  out(text: string): void;
  err(text: string): void;
}

const processShell: DaemonShell = {
  environment: process.env,
  executable: programFile(),
  out: (text) => writeAll(1, text),
  err: (text) => writeAll(2, text),
};

/** Writes everything before it returns; a reader that went away is no error of ours. */
function writeAll(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(file, bytes, at);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code !== "EAGAIN") return;
    }
  }
}

const MAIN_USAGE = `Usage: kapacitord [[command] [arguments]]

The commands are:

    config      print the configuration in effect
    run         run the daemon (default)
    unit        print a systemd unit that runs this program
    version     print the version
    downgrade   rewrite topic states for older releases (not needed by this program)
    help        this text

"kapacitord help COMMAND" tells more about a command.
`;

const RUN_USAGE = `Usage: kapacitord run [flags]

Runs the daemon.

${flagUsage(RUN_FLAGS)}`;

const CONFIG_USAGE = `Usage: kapacitord config [flags]

Prints the configuration that a start would use: defaults, file and environment merged.

${flagUsage(CONFIG_FLAGS)}`;

const UNIT_USAGE = `Usage: kapacitord unit [flags]

Prints a systemd unit that runs this program as a daemon.

${flagUsage(UNIT_FLAGS)}
Example:
  kapacitord unit | sudo tee /etc/systemd/system/kapacitor.service
`;

const VERSION_USAGE = `Usage: kapacitord version

Prints the version.
`;

/** Runs the daemon's command line; resolves with the exit code. */
export async function runKapacitord(
  args: readonly string[],
  shell: DaemonShell = processShell,
): Promise<number> {
  const [first, ...rest] = args;
  if (first === undefined) return run([], shell);
  switch (first) {
    case "-h":
    case "-help":
    case "--help":
      shell.err(MAIN_USAGE);
      return 0;
    case "help":
      return help(rest, shell);
    case "run":
      return run(rest, shell);
    case "config":
      return config(rest, shell);
    case "unit":
      return unit(rest, shell);
    case "version":
      return version(rest, shell);
    case "downgrade":
      shell.err("downgrade: this program's database has one layout only; nothing to rewrite\n");
      return 1;
    default:
      if (first.startsWith("-")) return run(args, shell);
      shell.err(`unknown command ${JSON.stringify(first)}\nRun 'kapacitord help' for usage\n`);
      return 1;
  }
}

async function help(args: readonly string[], shell: DaemonShell): Promise<number> {
  const [topic] = args;
  if (topic === undefined || topic === "help") {
    shell.err(MAIN_USAGE);
    return 0;
  }
  return runKapacitord([topic, "-h"], shell);
}

/** Parses a command's flags; a number is the exit code of a refusal or of help. */
function parseFlags(
  command: string,
  args: readonly string[],
  declared: { readonly flags: readonly FlagSpec[]; readonly usage: string },
  shell: DaemonShell,
): GoArgs | number {
  const parsed = parseGoArgs(args, declared.flags);
  switch (parsed.kind) {
    case "parsed":
      return parsed;
    case "help":
      shell.err(`${declared.usage}\n${command}: flag: help requested\n`);
      return 1;
    case "bad":
      shell.err(`${parsed.message}\n${declared.usage}\n${command}: ${parsed.message}\n`);
      return 1;
  }
}

async function version(args: readonly string[], shell: DaemonShell): Promise<number> {
  const parsed = parseFlags("version", args, { flags: [], usage: VERSION_USAGE }, shell);
  if (typeof parsed === "number") return parsed;
  const { BRANCH, COMMIT, PLATFORM, VERSION } = await import("#daemon/version.ts");
  shell.out(`Kapacitor ${PLATFORM} version ${VERSION} (git: ${BRANCH} ${COMMIT})\n`);
  return 0;
}

async function unit(args: readonly string[], shell: DaemonShell): Promise<number> {
  const parsed = parseFlags("unit", args, { flags: UNIT_FLAGS, usage: UNIT_USAGE }, shell);
  if (typeof parsed === "number") return parsed;
  const given = parsed.rest[0];
  if (given !== undefined) return refuse(shell, "unit", `unexpected argument ${quoted(given)}`);
  const program = shell.executable;
  if (program === undefined) {
    return refuse(shell, "unit", "this works in the compiled program only; build it first");
  }
  const config = parsed.text("config") || SYSTEM_FILE;
  const user = parsed.text("user") || "kapacitor";
  if (!isAbsolute(config)) {
    return refuse(shell, "unit", `-config: expected an absolute path, found ${quoted(config)}`);
  }
  const unprintable = [program, config, user].find((text) => UNPRINTABLE.test(text));
  if (unprintable !== undefined) {
    return refuse(shell, "unit", `a unit cannot name ${quoted(unprintable)}`);
  }
  const { printServiceUnit } = await import("./service-unit.ts");
  shell.out(printServiceUnit({ program, config, user }));
  return 0;
}

const quoted = (text: string): string => JSON.stringify(text);

/** Would end a line of a unit, or be no text. */
const UNPRINTABLE = /[\u0000-\u001f\u007f]/;

async function config(args: readonly string[], shell: DaemonShell): Promise<number> {
  const parsed = parseFlags("config", args, { flags: CONFIG_FLAGS, usage: CONFIG_USAGE }, shell);
  if (typeof parsed === "number") return parsed;
  try {
    const path = findConfigFile(parsed.text("config"), shell.environment);
    if (path !== undefined) shell.err(`Merging with configuration at: ${path}\n`);
    const { config } = load(parsed, path, { shell, rooted: true });
    shell.out(printConfig(config));
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    shell.err(`config: ${error.message}\n`);
    return 1;
  }
}

/** `rooted`: paths that the file leaves out lie under the user's directory, not the working directory. */
function load(
  flags: GoArgs,
  path: string | undefined,
  options: { readonly shell: DaemonShell; readonly rooted: boolean },
): LoadedConfig {
  const { environment } = options.shell;
  const [hostname, logFile, logLevel] = ["hostname", "log-file", "log-level"].map((name) =>
    flags.text(name),
  );
  return loadConfig({
    environment,
    ...(path === undefined ? {} : { file: readConfigFile(path) }),
    ...(path === undefined || options.rooted ? { root: userRoot(environment) } : {}),
    flags: {
      ...(hostname === undefined ? {} : { hostname }),
      ...(logFile === undefined ? {} : { logFile }),
      ...(logLevel === undefined ? {} : { logLevel }),
    },
  });
}

async function run(args: readonly string[], shell: DaemonShell): Promise<number> {
  const parsed = parseFlags("run", args, { flags: RUN_FLAGS, usage: RUN_USAGE }, shell);
  if (typeof parsed === "number") return parsed;
  if (parsed.rest.length > 0)
    return refuse(shell, "run", `unexpected argument ${quoted(parsed.rest[0] ?? "")}`);
  for (const name of ["cpuprofile", "memprofile"])
    if (parsed.has(name))
      return refuse(
        shell,
        "run",
        `-${name} is not available; set BUN_OPTIONS=--${name === "cpuprofile" ? "cpu" : "heap"}-prof`,
      );
  let blocked: BlockList | undefined;
  const cidrs = parsed.text("blacklist-cidrs");
  if (cidrs !== undefined) {
    const { parseCidrs } = await import("#daemon/cidrs.ts");
    try {
      blocked = parseCidrs(cidrs);
    } catch (error) {
      return refuse(shell, "run", `flag error: improper CIDRs: ${errorMessage(error)}`);
    }
  }
  const handlers = (parsed.text("disable-handlers") ?? "").split(",").map((kind) => kind.trim());
  const disabled = new Set(handlers.filter((kind) => kind !== ""));
  return start(parsed, shell, { blocked, disabled });
}

function refuse(shell: DaemonShell, command: "run" | "unit", message: string): number {
  shell.err(`${command}: ${message}\n`);
  return 1;
}

interface Limits {
  readonly blocked: BlockList | undefined;
  readonly disabled: ReadonlySet<string>;
}

async function start(flags: GoArgs, shell: DaemonShell, limits: Limits): Promise<number> {
  const [{ BANNER, startupLine }, { systemClock, SystemRandom }, { writePidFile }] =
    await Promise.all([
      import("#daemon/banner.ts"),
      import("#daemon/system.ts"),
      import("#daemon/pid-file.ts"),
    ]);
  shell.out(BANNER);
  let removePidFile = (): void => {};
  const pidPath = flags.text("pidfile");
  if (pidPath !== undefined && pidPath !== "") {
    try {
      removePidFile = writePidFile(pidPath, process.pid);
    } catch (error) {
      return refuse(shell, "run", `write pid file: ${systemErrorText(error, pidPath)}`);
    }
  }
  const path = findConfigFile(flags.text("config"), shell.environment);
  const using =
    path === undefined
      ? "No configuration provided, using default settings"
      : `Using configuration at: ${path}`;
  shell.err(`${startupLine(systemClock.now().ms, using)}\n`);
  let loaded: LoadedConfig;
  try {
    loaded = load(flags, path, { shell, rooted: false });
  } catch (error) {
    if (error instanceof ConfigError) return refuse(shell, "run", error.message);
    throw error;
  }
  const unavailable = findUnavailable(loaded.config);
  if (unavailable !== undefined) return refuse(shell, "run", `open server: ${unavailable}`);
  const { serve } = await import("./kapacitord-serve.ts");
  return serve(loaded, {
    shell,
    clock: systemClock,
    random: new SystemRandom(),
    configPath: path,
    reread: () => load(flags, path, { shell, rooted: false }),
    removePidFile,
    ...limits,
  });
}
