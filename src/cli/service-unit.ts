/** The systemd unit of the daemon: how it is meant to be run, with what its runtime reads only from the environment. */

/**
 * What the daemon's runtime is told.
 *
 * The allocator would look for unused pages in each block of memory ten times a second, and the next request would fault
 * them in again: a tenth of what an alert costs, for 1–3 MB. The last stage of compiling is worth its price only for code
 * that runs all the time: begun five times later than usual, it saves a twentieth of what an alert costs at some alerts a
 * second and a sixth in a storm; a load of points gets there nevertheless.
 *
 * The runtime does not start with a `BUN_JSC_` name that it does not know. Tests run every member with these, so a new
 * runtime without one is found out; installed units have to be printed anew before such a release is put in.
 */
export const SERVICE_ENVIRONMENT: Readonly<Record<string, string>> = {
  MIMALLOC_PURGE_HOLES: "0",
  BUN_JSC_thresholdForFTLOptimizeAfterWarmUp: "300000",
};

/** Variables with which the compiled program would be something else; see `bun --help`. */
const NEVER_SET = ["BUN_BE_BUN", "BUN_OPTIONS"] as const;

/** A member that leaves hands over for up to 10 s, then closes. */
const STOP_SECONDS = 30;

export interface ServiceUnit {
  /** The program; absolute. */
  readonly program: string;
  readonly config: string;
  /** Who runs it, and owns its data. */
  readonly user: string;
}

export function printServiceUnit({ program, config, user }: ServiceUnit): string {
  const environment = Object.entries(SERVICE_ENVIRONMENT).map(
    ([name, value]) => `${name}=${value}`,
  );
  return `[Unit]
Description=Kapacitor, alerting on time series
Wants=network-online.target
After=network-online.target

[Service]
User=${literal(user)}
ExecStart=${word(program)} kapacitord -config ${word(config)}
ExecReload=/bin/kill -HUP $MAINPID
Environment=${environment.join(" ")}
UnsetEnvironment=${NEVER_SET.join(" ")}
Restart=on-failure
TimeoutStopSec=${STOP_SECONDS}
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
`;
}

/** A word of a command line, as systemd reads it. */
function word(text: string): string {
  const plain = literal(text).replaceAll("$", "$$$$");
  if (!/[\s"'\\;]/.test(plain)) return plain;
  return `"${plain.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** `%` begins a specifier anywhere in a unit. */
function literal(text: string): string {
  return text.replaceAll("%", "%%");
}
