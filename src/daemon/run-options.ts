/**
 * The contract between the `run` command and the daemon: what a start gets, and what a running daemon offers.
 * `daemon/daemon.ts` exports `runDaemon: RunDaemon`.
 */

import type { BlockList } from "node:net";
import type { DaemonConfig } from "#config/daemon-config.ts";
import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import type { LogWriter } from "./log-writer.ts";

export interface RunOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Opened already; closed by the command after the daemon. */
  readonly logWriter: LogWriter;
  /** The file the configuration came from, or undefined for defaults. */
  readonly configPath: string | undefined;
  /** The configuration read anew, as a start would; throws `ConfigError`. */
  readonly reread: () => DaemonConfig;
  /** Addresses that outgoing HTTP must not reach; undefined = no limit. */
  readonly blockedAddresses: BlockList | undefined;
  /** Alert handler kinds that are refused. */
  readonly disabledHandlers: ReadonlySet<string>;
  /** Called before a task is started. */
  readonly taskStarting?: () => void;
  /** Called for what is written to tasks, bytes of line protocol. */
  readonly written?: (bytes: number) => void;
}

export interface RunningDaemon {
  /** Takes over what may change while it runs from the configuration, and runs the load directory again. */
  reload(): Promise<void>;
  /** Stops everything in reverse order of the start. */
  close(): Promise<void>;
  /** Resolves, never rejects, when something happened that the daemon cannot go on with. */
  readonly ended: Promise<Error>;
}

/** Starts the daemon; rejects with an error whose message is one line, everything opened is closed again. */
export type RunDaemon = (config: DaemonConfig, options: RunOptions) => Promise<RunningDaemon>;
