/**
 * What a running daemon takes over from its configuration on SIGHUP: the cluster's keys and intervals.
 *
 * All or nothing: a file that cannot be read, or is wrong anywhere, is reported and changes nothing. Other changes
 * in the sections of the cluster are named, so that nobody believes that they hold.
 */

import { clusterSettings } from "#config/cluster-settings.ts";
import type { DaemonConfig } from "#config/daemon-config.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { OpenCluster } from "./open-cluster.ts";

/** Keys of `[cluster]` that hold without a restart. */
const LIVE: ReadonlySet<string> = new Set([
  "accept-plain",
  "encryption-keys",
  "gossip-interval",
  "gossip-members",
  "gossip-sync-interval",
  "indirect-checks",
  "probe-interval",
  "probe-timeout",
  "suspicion-mult",
  "udp-packet-max",
]);

export interface ReloadParts {
  /** Throws `ConfigError`. */
  readonly reread: () => DaemonConfig;
  readonly cluster: Pick<OpenCluster, "reload">;
  readonly log: Log;
}

/** `started`: what the daemon was started with. Never throws. */
export function reloadConfig(started: DaemonConfig, { reread, cluster, log }: ReloadParts): void {
  let config: DaemonConfig;
  try {
    config = reread();
  } catch (error) {
    log.error("configuration not reloaded, nothing was changed", { err: errorMessage(error) });
    return;
  }
  cluster.reload(clusterSettings(config));
  const waiting = restartKeys(started, config);
  if (waiting.length > 0) {
    log.warn("changed settings hold after a restart only", { settings: waiting.join(", ") });
  }
  log.info("cluster settings reloaded", {
    encryption_keys: config.cluster["encryption-keys"].length,
    accept_plain: config.cluster["accept-plain"],
  });
}

/** `section.key` of what differs and needs a restart. */
function restartKeys(before: DaemonConfig, after: DaemonConfig): readonly string[] {
  return (["cluster", "rpc"] as const).flatMap((section) =>
    Object.entries(after[section])
      .filter(([key]) => section === "rpc" || !LIVE.has(key))
      .filter(([key, value]) => !Bun.deepEquals(value, Reflect.get(before[section], key)))
      .map(([key]) => `${section}.${key}`),
  );
}
