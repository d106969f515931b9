/** The databases that points come from and go to. */

import { MINUTE } from "#lib/duration.ts";
import { duration, flag, integer, text, texts, textsMap, type ValuesOf } from "../field.ts";
import { defineListSection } from "../section.ts";
import { firstProblem, keyPairProblem, tlsClientFields } from "./shared.ts";

const UDP_BUFFER_PACKETS = 1000;

const fields = {
  enabled: flag(true),
  name: text("default"),
  default: flag(false, { doc: "Used where a task names no cluster." }),
  urls: texts(["http://localhost:8086"]),
  username: text(),
  password: text("", { redacted: true }),
  token: text("", { redacted: true, doc: "Wins over username and password." }),
  "http-shared-secret": flag(false, { doc: "Sign a JWT with the secret of [http]." }),
  ...tlsClientFields,
  timeout: duration(0, { doc: "Of one request; 0 = none." }),
  "disable-subscriptions": flag(false),
  "subscription-protocol": text("http"),
  "subscription-mode": text("cluster", {
    oneOf: ["cluster", "server"],
    doc: "Name subscriptions by the cluster's or by this member's ID; in a cluster use server.",
  }),
  "kapacitor-hostname": text("", { doc: "Host in subscriptions; empty = hostname." }),
  "http-port": integer(0, {
    min: 0,
    max: 65535,
    doc: "Port in subscriptions; 0 = that of [http].",
  }),
  "udp-bind": text(),
  "udp-buffer": integer(UDP_BUFFER_PACKETS, { min: 0, doc: "Packets." }),
  "udp-read-buffer": integer(0, { min: 0, doc: "Bytes; 0 = the system's." }),
  "startup-timeout": duration(5 * MINUTE, { doc: "How long linking is retried at start." }),
  "subscriptions-sync-interval": duration(MINUTE),
  "subscription-path": text("", { doc: "Appended to the URL in subscriptions." }),
  compression: text("gzip", { oneOf: ["gzip", "none"], doc: "Of writes." }),
  subscriptions: textsMap({}, { doc: "Databases and their retention policies; empty = all." }),
  "excluded-subscriptions": textsMap({ _kapacitor: ["autogen"] }),
};

/** One `[[influxdb]]` element. */
export type InfluxdbConfig = ValuesOf<typeof fields>;

export const influxdb = defineListSection({
  name: "influxdb",
  doc: "The databases that points come from and go to.",
  list: { key: "name", lone: true },
  overridable: true,
  fields,
  conditional: (element) => ({
    "udp-buffer": element["udp-buffer"] || UDP_BUFFER_PACKETS,
    "startup-timeout": element["startup-timeout"] || 5 * MINUTE,
    "subscription-protocol": element["subscription-protocol"] || "http",
    "subscription-mode": element["subscription-mode"] || "cluster",
    "subscriptions-sync-interval": element["subscriptions-sync-interval"] || MINUTE,
    compression: element.compression || "gzip",
  }),
  validate: (elements) =>
    uniqueNames(elements) ?? defaults(elements) ?? firstProblem(elements, each),
});

function uniqueNames(elements: readonly InfluxdbConfig[]): string | undefined {
  const seen = new Set<string>();
  return firstProblem(elements, ({ name }) => {
    if (seen.has(name)) return `duplicate name ${JSON.stringify(name)} for influxdb configs`;
    seen.add(name);
    return undefined;
  });
}

function defaults(elements: readonly InfluxdbConfig[]): string | undefined {
  const enabled = elements.filter((element) => element.enabled);
  const marked = enabled.filter((element) => element.default).map(({ name }) => name);
  if (marked.length > 1) return `More than one InfluxDB default was specified: ${marked.join(" ")}`;
  if (enabled.length > 1 && marked.length === 0)
    return "at least one of the enabled InfluxDB clusters must be marked as default.";
  return undefined;
}

function each(element: InfluxdbConfig): string | undefined {
  const name = JSON.stringify(element.name);
  if (!/^[-._\p{L}0-9]+$/u.test(element.name))
    return `influxdb name ${name} must contain only letters, numbers, '-', '.' and '_'`;
  if (element.urls.length === 0) return "must specify at least one InfluxDB URL";
  const bad = element.urls.find((url) => !isHttpUrl(url));
  if (bad !== undefined) return `influxdb ${name}: invalid URL ${JSON.stringify(bad)}`;
  const protocol = element["subscription-protocol"];
  if (!["udp", "http", "https"].includes(protocol))
    return `invalid subscription protocol, must be one of 'udp', 'http' or 'https', got ${protocol}`;
  const problem = keyPairProblem(element);
  return problem === undefined ? undefined : `influxdb ${name}: ${problem}`;
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === "http:" || url.protocol === "https:");
}

/** The element used where nothing is named: the marked one, or the only enabled one. */
export function defaultInfluxdb(elements: readonly InfluxdbConfig[]): InfluxdbConfig | undefined {
  const enabled = elements.filter((element) => element.enabled);
  return (
    enabled.find((element) => element.default) ?? (enabled.length === 1 ? enabled[0] : undefined)
  );
}
