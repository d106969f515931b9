/** What subscriptions read of an `[[influxdb]]` section; names as in the file, durations in nanoseconds. */

import { readFileSync } from "node:fs";
import { InfluxClient, type InfluxClientOptions } from "#clients/influx/client.ts";
import { tokenMaker } from "#clients/influx/shared-secret.ts";
import type { Clock } from "#lib/clock.ts";
import type { DurationNs } from "#lib/int64.ts";

export interface InfluxdbSection {
  readonly name: string;
  readonly enabled: boolean;
  readonly urls: readonly string[];
  readonly username: string;
  readonly password: string;
  readonly token: string;
  /** Signs tokens with the secret of `[http]` in place of a password. */
  readonly "http-shared-secret": boolean;
  readonly "ssl-ca": string;
  readonly "ssl-cert": string;
  readonly "ssl-key": string;
  readonly "insecure-skip-verify": boolean;
  readonly timeout: DurationNs;
  readonly compression: string;
  readonly "disable-subscriptions": boolean;
  readonly "subscription-protocol": string;
  readonly "subscription-mode": string;
  readonly "subscription-path": string;
  readonly "subscriptions-sync-interval": DurationNs;
  readonly "kapacitor-hostname": string;
  readonly "http-port": number;
  readonly "udp-bind": string;
  readonly "udp-buffer": number;
  readonly "udp-read-buffer": number;
  readonly "startup-timeout": DurationNs;
  /** Empty: all databases. */
  readonly subscriptions: Readonly<Record<string, readonly string[]>>;
  readonly "excluded-subscriptions": Readonly<Record<string, readonly string[]>>;
}

/** Nanoseconds as whole milliseconds, at least 1 when positive. */
export function toMs(duration: DurationNs): number {
  const ms = Number(duration) / 1e6;
  return ms > 0 ? Math.max(1, Math.round(ms)) : 0;
}

/** Client options of a section. Reads the TLS files; throws when one cannot be read. */
export function influxClientOptions(section: InfluxdbSection): InfluxClientOptions {
  const file = (path: string): string | undefined =>
    path === "" ? undefined : readFileSync(path, "utf8");
  const ca = file(section["ssl-ca"]);
  const cert = file(section["ssl-cert"]);
  const key = file(section["ssl-key"]);
  return {
    urls: section.urls,
    username: section.username,
    password: section.password,
    token: section.token,
    timeoutMs: toMs(section.timeout),
    compression: section.compression === "none" ? "none" : "gzip",
    tls: {
      insecureSkipVerify: section["insecure-skip-verify"],
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
  };
}

/** `sharedSecret` is used where the section says so; empty = there is none. */
export function influxClientOf(
  section: InfluxdbSection,
  clock: Clock,
  sharedSecret: string,
): InfluxClient {
  const signs = section["http-shared-secret"] && sharedSecret !== "";
  const bearer = signs ? { bearer: tokenMaker(clock, section.username, sharedSecret) } : {};
  return new InfluxClient({ ...influxClientOptions(section), ...bearer }, clock);
}

/** True when points of this database and retention policy are wanted. */
export function isWanted(section: InfluxdbSection, db: string, rp: string): boolean {
  const { subscriptions } = section;
  const all = Object.keys(subscriptions).length === 0;
  if (!all && subscriptions[db]?.includes(rp) !== true) return false;
  return section["excluded-subscriptions"][db]?.includes(rp) !== true;
}
