/** The self-test of an InfluxDB: is it there? With the client that subscriptions use, so TLS and secrets count. */

import type { DaemonConfig } from "#config/daemon-config.ts";
import { influxClientOf } from "#ingest/subscription-config.ts";
import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";

/** Resolves with why the InfluxDB of this name cannot be reached, or `undefined`. */
export async function pingInflux(
  config: DaemonConfig,
  clock: Clock,
  { name, signal }: { readonly name: string; readonly signal: AbortSignal },
): Promise<string | undefined> {
  const section = config.influxdb.find((element) => element.name === name);
  if (section === undefined) return `cluster ${JSON.stringify(name)} does not exist`;
  try {
    await influxClientOf(section, clock, config.http["shared-secret"]).ping(signal);
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}
