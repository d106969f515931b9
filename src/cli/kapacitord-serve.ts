/**
 * From a valid configuration to the end of the process: log, daemon, signals. Loaded by `run` alone, so that
 * the other commands do not pay for the server.
 */

import type { BlockList } from "node:net";
import { systemErrorText } from "#config/find-file.ts";
import type { LoadedConfig } from "#config/load.ts";
import type { LogWriter as Writer } from "#daemon/log-writer.ts";
import type { RunDaemon, RunningDaemon } from "#daemon/run-options.ts";
import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Random } from "#lib/random.ts";
import { CompilePolicy } from "./compile-policy.ts";
import type { DaemonShell } from "./kapacitord.ts";
import { returnStartPages, START_OVER_MS } from "./start-pages.ts";

export interface ServeOptions {
  readonly shell: DaemonShell;
  readonly clock: Clock;
  readonly random: Random;
  readonly configPath: string | undefined;
  /** The configuration read anew; throws `ConfigError`. */
  readonly reread: () => LoadedConfig;
  readonly removePidFile: () => void;
  readonly blocked: BlockList | undefined;
  readonly disabled: ReadonlySet<string>;
}

/** Runs until a signal or a failure; resolves with the exit code. */
export async function serve(loaded: LoadedConfig, options: ServeOptions): Promise<number> {
  const { shell } = options;
  const { file, level } = loaded.config.logging;
  const { LogWriter } = await import("#daemon/log-writer.ts");
  let writer: Writer;
  try {
    writer = LogWriter.open(options.clock, file, level);
  } catch (error) {
    shell.err(`run: init logging: ${systemErrorText(error, file)}\n`);
    return 1;
  }
  const flushAtExit = (): void => writer.flush();
  process.on("exit", flushAtExit);
  try {
    return await serveWith(loaded, options, writer);
  } finally {
    process.off("exit", flushAtExit);
    await writer.close();
  }
}

async function serveWith(
  loaded: LoadedConfig,
  options: ServeOptions,
  writer: Writer,
): Promise<number> {
  const log = writer.log.with({ service: "run" });
  const [version, { untilStopped }, { runDaemon }] = await Promise.all([
    import("#daemon/version.ts"),
    import("#daemon/signals.ts"),
    import("#daemon/daemon.ts"),
  ]);
  const open: RunDaemon = runDaemon;
  log.info("kapacitor starting", {
    version: version.VERSION,
    branch: version.BRANCH,
    commit: version.COMMIT,
  });
  log.info("kapacitor hostname", { hostname: loaded.config.hostname });
  for (const note of loaded.notes) log.info(note);
  const compiling = new CompilePolicy();
  let daemon: RunningDaemon;
  try {
    daemon = await open(loaded.config, {
      clock: options.clock,
      random: options.random,
      logWriter: writer,
      configPath: options.configPath,
      reread: () => options.reread().config,
      blockedAddresses: options.blocked,
      disabledHandlers: options.disabled,
      taskStarting: compiling.taskStarting,
      written: compiling.written,
    });
  } catch (error) {
    log.error("start failed", { err: errorMessage(error) });
    writer.flush();
    options.shell.err(`run: open server: ${errorMessage(error)}\n`);
    return 1;
  }
  compiling.watch(options.clock);
  const keepPages = options.clock.after(START_OVER_MS, () => void returnStartPages(log));
  const code = await untilStopped(
    process,
    { stop: () => daemon.close(), reload: () => daemon.reload() },
    { clock: options.clock, log, ended: daemon.ended },
  );
  compiling.close();
  keepPages();
  if (code === 0) options.removePidFile();
  return code;
}
