/** Listeners for points in foreign protocols. */

import { SECOND } from "#lib/duration.ts";
import { duration, flag, integer, text, texts } from "../field.ts";
import { defineListSection, defineSection, type SectionValue } from "../section.ts";
import { firstProblem } from "./shared.ts";

interface Switch {
  readonly enabled: boolean;
}

/** Names what is not built when any element is enabled. */
export function unavailableWhenEnabled(what: string) {
  return (elements: readonly Switch[]): string | undefined =>
    elements.some((element) => element.enabled) ? what : undefined;
}

export const udp = defineListSection({
  name: "udp",
  doc: "Line protocol in datagrams, one listener per element.",
  list: { key: "", lone: false },
  fields: {
    enabled: flag(),
    "bind-address": text(),
    database: text(),
    "retention-policy": text(),
    buffer: integer(1000, { min: 0, doc: "Packets that may wait." }),
    "read-buffer": integer(0, { min: 0, doc: "Bytes; 0 = the system's." }),
  },
  conditional: (element) => ({ buffer: element.buffer || 1000 }),
  validate: (elements) =>
    firstProblem(elements, (element) => {
      if (!element.enabled) return undefined;
      if (element["bind-address"] === "") return "udp: bind-address must be given";
      return element.database === "" ? "udp: database must be given" : undefined;
    }),
});

/** One `[[udp]]` element. */
export type UdpConfig = SectionValue<typeof udp>[number];

export const collectd = defineSection({
  name: "collectd",
  doc: "collectd's binary protocol.",
  fields: {
    enabled: flag(),
    "bind-address": text(":25826"),
    database: text("collectd"),
    "retention-policy": text(),
    "batch-size": integer(5000, { min: 0 }),
    "batch-pending": integer(10, { min: 0 }),
    "batch-timeout": duration(10 * SECOND),
    "read-buffer": integer(0, { min: 0 }),
    typesdb: text("/usr/share/collectd/types.db"),
    "security-level": text("none"),
    "auth-file": text("/etc/collectd/auth_file"),
    "parse-multivalue-plugin": text("split"),
  },
  unavailable: unavailableWhenEnabled("the collectd listener"),
});

export const opentsdb = defineSection({
  name: "opentsdb",
  doc: "OpenTSDB's telnet and HTTP protocols.",
  fields: {
    enabled: flag(),
    "bind-address": text(":4242"),
    database: text("opentsdb"),
    "retention-policy": text(),
    "consistency-level": text("one"),
    "tls-enabled": flag(),
    certificate: text("/etc/ssl/influxdb.pem"),
    "batch-size": integer(1000, { min: 0 }),
    "batch-pending": integer(5, { min: 0 }),
    "batch-timeout": duration(SECOND),
    "log-point-errors": flag(true),
  },
  unavailable: unavailableWhenEnabled("the OpenTSDB listener"),
});

export const graphite = defineListSection({
  name: "graphite",
  doc: "Graphite's text protocol.",
  list: { key: "", lone: false },
  fields: {
    enabled: flag(),
    "bind-address": text(":2003"),
    database: text("graphite"),
    "retention-policy": text(),
    protocol: text("tcp"),
    "batch-size": integer(5000, { min: 0 }),
    "batch-pending": integer(10, { min: 0 }),
    "batch-timeout": duration(SECOND),
    "consistency-level": text("one"),
    templates: texts(),
    tags: texts(),
    separator: text("."),
    "udp-read-buffer": integer(0, { min: 0 }),
  },
  conditional: (element) => ({
    "bind-address": element["bind-address"] || ":2003",
    database: element.database || "graphite",
    protocol: element.protocol || "tcp",
    "batch-size": element["batch-size"] || 5000,
    "batch-pending": element["batch-pending"] || 10,
    "batch-timeout": element["batch-timeout"] || SECOND,
    "consistency-level": element["consistency-level"] || "one",
    separator: element.separator || ".",
  }),
  unavailable: unavailableWhenEnabled("the Graphite listener"),
});
