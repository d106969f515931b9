/** Scraping, and where its targets come from. */

import { MINUTE, SECOND } from "#lib/duration.ts";
import { duration, type Fields, flag, integer, text, textMap, texts, textsMap } from "../field.ts";
import { defineListSection } from "../section.ts";
import { unavailableWhenEnabled } from "./inputs.ts";
import { firstProblem, tlsClientFields } from "./shared.ts";

const secret = () => text("", { redacted: true });
const refresh = (added: number) => duration(0, { added });
const port = (added: number) => integer(0, { min: 0, max: 65535, added });

export const scraper = defineListSection({
  name: "scraper",
  doc: "Pulls metrics from HTTP targets.",
  list: { key: "name", lone: false },
  overridable: true,
  fields: {
    enabled: flag(),
    name: text(),
    type: text("", { added: "prometheus" }),
    db: text(),
    rp: text(),
    scheme: text("", { added: "http" }),
    "metrics-path": text("", { added: "/metrics" }),
    "scrape-interval": duration(0, { added: MINUTE }),
    "scrape-timeout": duration(0, { added: 10 * SECOND }),
    username: text(),
    password: secret(),
    ...tlsClientFields,
    "ssl-server-name": text(),
    "bearer-token": secret(),
    "proxy-url": text(),
    "discoverer-id": text(),
    "discoverer-service": text(),
    blacklist: texts(),
    params: textsMap(),
  },
  validate: (elements) =>
    firstProblem(elements, (element) => {
      const name = `scraper ${JSON.stringify(element.name)}`;
      if (element.name === "") return `${name}: must specify name`;
      if (element.type !== "prometheus") return `${name}: Unknown scraper type`;
      if (element.db === "") return `${name}: must specify db`;
      return element.rp === "" ? `${name}: must specify rp` : undefined;
    }),
  unavailable: unavailableWhenEnabled("scraping"),
});

/** A discovery source; all have `enabled` and `id`, and none is built yet. */
function source<N extends string, F extends Fields>(name: N, fields: F) {
  return defineListSection({
    name,
    doc: `Targets found through ${name}.`,
    list: { key: "id", lone: false },
    overridable: true,
    fields: { enabled: flag(), id: text(), ...fields },
    validate: (elements) =>
      firstProblem(elements, (element) =>
        name === "consul" && element["address"] === ""
          ? `consul ${JSON.stringify(element["id"])}: consul discovery requires a server address`
          : undefined,
      ),
    unavailable: (elements) =>
      elements.some((element) => element["enabled"] === true) ? `${name} discovery` : undefined,
  });
}

export const azure = source("azure", {
  port: port(80),
  "subscription-id": text(),
  "tenant-id": text(),
  "client-id": text(),
  "client-secret": secret(),
  "refresh-interval": refresh(5 * MINUTE),
});

export const consul = source("consul", {
  address: text("", { added: "127.0.0.1:8500" }),
  token: secret(),
  datacenter: text(),
  "tag-separator": text("", { added: "," }),
  scheme: text("", { added: "http" }),
  username: text(),
  password: secret(),
  services: texts(),
  ...tlsClientFields,
  "ssl-server-name": text(),
});

export const dns = source("dns", {
  "record-names": texts(),
  type: text("", { added: "SRV" }),
  "refresh-interval": refresh(30 * SECOND),
  port: port(0),
});

export const ec2 = source("ec2", {
  region: text(),
  "access-key": text(),
  "secret-key": secret(),
  profile: text(),
  "refresh-interval": refresh(MINUTE),
  port: port(80),
});

export const fileDiscovery = source("file-discovery", {
  files: texts(),
  "refresh-interval": refresh(5 * MINUTE),
});

export const gce = source("gce", {
  project: text(),
  zone: text(),
  filter: text(),
  "refresh-interval": refresh(MINUTE),
  port: port(80),
  "tag-separator": text("", { added: "," }),
});

export const marathon = source("marathon", {
  servers: texts(),
  timeout: duration(0, { added: 30 * SECOND }),
  "refresh-interval": refresh(30 * SECOND),
  "bearer-token": secret(),
  ...tlsClientFields,
  "ssl-server-name": text(),
});

export const nerve = source("nerve", {
  servers: texts(),
  paths: texts(),
  timeout: duration(0, { added: 10 * SECOND }),
});

export const serverset = source("serverset", {
  servers: texts(),
  paths: texts(),
  timeout: duration(0, { added: 10 * SECOND }),
});

export const staticDiscovery = source("static-discovery", {
  targets: texts(),
  labels: textMap(),
});

export const triton = source("triton", {
  account: text(),
  "dns-suffix": text(),
  endpoint: text(),
  port: port(9163),
  "refresh-interval": refresh(MINUTE),
  version: integer(0, { added: 1 }),
  ...tlsClientFields,
  "ssl-server-name": text(),
});
