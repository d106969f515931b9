/** Handler sections of plain transports: HTTP, mail, brokers, SNMP, Sensu. */

import { isAbsolute } from "node:path";
import { SECOND } from "#lib/duration.ts";
import { duration, flag, integer, table, text, textMap, texts, type ValuesOf } from "../field.ts";
import { defineListSection, defineSection } from "../section.ts";
import {
  addressProblem,
  firstProblem,
  globalField,
  keyPairProblem,
  stateChangesOnlyField,
  tlsClientFields,
} from "./shared.ts";

const httppostFields = {
  endpoint: text("example", { doc: "Name that handlers use." }),
  url: text("http://example.com", { doc: "May contain template actions." }),
  headers: textMap(),
  "alert-template": text(),
  "alert-template-file": text("", { doc: "Absolute path; excludes alert-template." }),
  "row-template": text(),
  "row-template-file": text("", { doc: "Absolute path; excludes row-template." }),
  "basic-auth": table(
    { username: text(), password: text("", { redacted: true }) },
    { redacted: true },
  ),
};

export type HttppostConfig = ValuesOf<typeof httppostFields>;

export const httppost = defineListSection({
  name: "httppost",
  doc: "Named HTTP endpoints.",
  list: { key: "endpoint", lone: true },
  overridable: true,
  fields: httppostFields,
  validate: (elements) =>
    firstProblem(elements, (element) => {
      if (element.endpoint === "") return "httppost: must specify endpoint";
      const name = JSON.stringify(element.endpoint);
      if (element.url === "") return `httppost ${name}: must specify url`;
      return templateProblem(element, "alert-template") ?? templateProblem(element, "row-template");
    }),
});

function templateProblem(
  element: HttppostConfig,
  key: "alert-template" | "row-template",
): string | undefined {
  const file = element[`${key}-file`];
  const name = `httppost ${JSON.stringify(element.endpoint)}`;
  if (file === "") return undefined;
  if (element[key] !== "") return `${name}: must specify only one of ${key} and ${key}-file`;
  return isAbsolute(file) ? undefined : `${name}: ${key}-file must be an absolute path`;
}

export const kafka = defineListSection({
  name: "kafka",
  doc: "Kafka clusters.",
  list: { key: "id", lone: true },
  overridable: true,
  fields: {
    enabled: flag(),
    id: text("default"),
    brokers: texts(),
    timeout: duration(0, { doc: "0 = 10 s." }),
    "batch-size": integer(0, { min: 0, doc: "0 = 100." }),
    "batch-timeout": duration(0, { doc: "0 = 1 s." }),
    "use-ssl": flag(),
    ...tlsClientFields,
    "sasl-username": text(),
    "sasl-password": text("", { redacted: true }),
    "sasl-mechanism": text(),
    "sasl-version": text(),
    "sasl-gssapi-service-name": text(),
    "sasl-gssapi-auth-type": text(),
    "sasl-gssapi-disable-pafxfast": flag(),
    "sasl-gssapi-kerberos-config-path": text(),
    "sasl-gssapi-key-tab-path": text(),
    "sasl-gssapi-realm": text(),
    "sasl-access-token": text("", { redacted: true }),
    "sasl-oauth-service": text(),
    "sasl-oauth-client-id": text(),
    "sasl-oauth-client-secret": text("", { redacted: true }),
    "sasl-oauth-token-url": text(),
    "sasl-oauth-scopes": texts(),
    "sasl-oauth-token-expiry-margin": duration(10 * SECOND),
    "sasl-oauth-tenant-id": text(),
    sasl_extensions: textMap(),
    "sasl-oauth-parameters": textMap(),
  },
  validate: (elements) =>
    firstProblem(elements, (element) => {
      if (element.id === "") return "kafka: id must not be empty";
      const name = `kafka ${JSON.stringify(element.id)}`;
      if (element.enabled && element.brokers.length === 0) return `${name}: no brokers specified`;
      const problem = keyPairProblem(element);
      return problem === undefined ? undefined : `${name}: ${problem}`;
    }),
});

export const mqtt = defineListSection({
  name: "mqtt",
  doc: "MQTT brokers.",
  list: { key: "name", lone: true },
  overridable: true,
  fields: {
    enabled: flag(),
    name: text("default"),
    default: flag(),
    url: text("", { doc: "tcp://host:port, ssl://…, ws://…" }),
    ...tlsClientFields,
    "client-id": text(),
    username: text(),
    password: text("", { redacted: true }),
  },
  validate(elements) {
    const defaults = elements.filter((element) => element.enabled && element.default);
    if (defaults.length > 1) return "mqtt: only one broker may be set as default";
    const enabled = elements.filter((element) => element.enabled);
    if (enabled.length > 1 && defaults.length === 0)
      return "mqtt: one of the enabled brokers must be set as default";
    return firstProblem(enabled, (element) => {
      if (element.name === "") return "mqtt: must specify name";
      const problem = element.url === "" ? "must specify url" : keyPairProblem(element);
      return problem === undefined ? undefined : `mqtt ${JSON.stringify(element.name)}: ${problem}`;
    });
  },
});

const smtpFields = {
  enabled: flag(),
  host: text("localhost"),
  port: integer(25, { min: 0, max: 65535 }),
  username: text(),
  password: text("", { redacted: true }),
  "no-verify": flag(),
  global: globalField(),
  "state-changes-only": stateChangesOnlyField(),
  from: text(),
  to: texts(),
  toTemplates: texts([], {
    doc: "Templates that give further recipients.",
    apiName: "to-templates",
  }),
  "idle-timeout": duration(30 * SECOND, { doc: "How long an idle connection is kept." }),
};

export type SmtpConfig = ValuesOf<typeof smtpFields>;

export const smtp = defineSection({
  name: "smtp",
  doc: "Mail.",
  overridable: true,
  fields: smtpFields,
  validate([element]) {
    if (element?.enabled !== true) return undefined;
    if (element.host === "") return "smtp: host cannot be empty";
    if (element.from === "") return "smtp: must provide a 'from' address";
    const bad = [element.from, ...element.to].find((address) => !address.includes("@"));
    return bad === undefined ? undefined : `smtp: invalid email address: ${JSON.stringify(bad)}`;
  },
});

export const snmptrap = defineSection({
  name: "snmptrap",
  doc: "SNMP traps.",
  overridable: true,
  fields: {
    enabled: flag(),
    addr: text("localhost:162"),
    community: text("kapacitor", { redacted: true }),
    retries: integer(1, { min: 0 }),
  },
  validate([element]) {
    if (element?.enabled !== true) return undefined;
    const problem = addressProblem(element.addr);
    return problem === undefined ? undefined : `snmptrap: invalid addr: ${problem}`;
  },
});

export const sensu = defineSection({
  name: "sensu",
  doc: "Sensu clients.",
  overridable: true,
  fields: { enabled: flag(), addr: text(), source: text("Kapacitor"), handlers: texts() },
  validate([element]) {
    if (element?.enabled !== true) return undefined;
    if (element.addr === "") return "sensu: must specify addr";
    return element.source === "" ? "sensu: must specify source" : undefined;
  },
});
