/** Sections of the daemon itself: HTTP, logging, storage, tasks and their life. */

import { isAbsolute } from "node:path";
import { MINUTE, SECOND } from "#lib/duration.ts";
import { duration, flag, float, integer, tableMap, text, textMap, texts } from "../field.ts";
import { defineSection } from "../section.ts";
import { addressProblem, firstProblem } from "./shared.ts";
import { isCipherSuite, isTlsVersion } from "./tls-names.ts";

export const alert = defineSection({
  name: "alert",
  doc: "Topics, and who of the cluster tells the world.",
  fields: {
    "persist-topics": flag(true, { doc: "Keep topic states across restarts." }),
    "topic-buffer-length": integer(5000, {
      min: 1,
      doc: "Events that may wait for one handler; more are refused and counted.",
    }),
    redundancy: integer(0, { min: 0, doc: "Members that own each topic; 0 = all." }),
    "delay-per-member": duration(10 * SECOND, {
      doc: "How long each further owner waits before it handles an event.",
    }),
    "full-sync-interval": duration(5 * MINUTE, { doc: "Period of comparing all alert state." }),
    "deduplicate-inline": flag(true, {
      doc: "Tell alerts of handlers written in scripts once, not once per member that runs the task.",
    }),
  },
});

export const http = defineSection({
  name: "http",
  doc: "The HTTP API.",
  fields: {
    "bind-address": text(":9092", { doc: "host:port to listen on." }),
    "auth-enabled": flag(false, { doc: "Require credentials; subscriptions then carry tokens." }),
    "log-enabled": flag(true, { doc: "One log line per request." }),
    "write-tracing": flag(false, { doc: "Log the bodies of writes." }),
    "pprof-enabled": flag(false, { doc: "Serve debug/* without credentials." }),
    "https-enabled": flag(false),
    "https-certificate": text("/etc/ssl/kapacitor.pem", {
      doc: "PEM file; may hold the private key too.",
    }),
    "https-private-key": text("", { doc: "PEM file; empty = same file as the certificate." }),
    "shutdown-timeout": duration(10 * SECOND, { doc: "How long open requests may finish." }),
    "shared-secret": text("", { redacted: true, doc: "HMAC key of the JWTs accepted." }),
  },
  validate([element]) {
    const problem = addressProblem(element?.["bind-address"] ?? "");
    if (problem === undefined) return undefined;
    return `http: invalid http bind address ${element?.["bind-address"]}: ${problem}`;
  },
});

export const replay = defineSection({
  name: "replay",
  doc: "Where recordings are kept.",
  fields: { dir: text("./replay") },
  validate: ([element]) => (element?.dir === "" ? "replay: must specify dir" : undefined),
});

export const storage = defineSection({
  name: "storage",
  doc: "The one database file.",
  fields: { boltdb: text("./kapacitor.db", { doc: "Path of the database (SQLite)." }) },
  validate: ([element]) =>
    element?.boltdb === "" ? "storage: must specify storage 'boltdb' path" : undefined,
});

export const task = defineSection({
  name: "task",
  doc: "Life of tasks.",
  fields: {
    dir: text("./tasks", { doc: "Accepted for old files; not used." }),
    "snapshot-interval": duration(MINUTE, {
      doc: "Period of saving the state of nodes; 0 = only when a task or the daemon stops.",
    }),
    "groups-max": integer(0, {
      min: 0,
      doc: "Groups that one task may have; more fail it. 0 = no limit.",
    }),
    "buffered-points-max": integer(0, {
      min: 0,
      doc: "Points that the nodes of one task may hold back; more fail it. 0 = no limit.",
    }),
    "group-idle": duration(0, {
      doc: "Forget groups that had no data for this long, in every node. 0 = never.",
    }),
    "batch-query-jitter": duration(0, {
      doc: "Each query of a batch task runs up to this much after its time, so that not all ask at once.",
    }),
    "batch-query-concurrency": integer(16, {
      min: 1,
      doc: "Queries of batch tasks under way at once; further ones wait for their turn.",
    }),
  },
});

export const load = defineSection({
  name: "load",
  doc: "A directory of tasks, templates and handlers defined at start and on SIGHUP.",
  fields: { enabled: flag(false), dir: text("./load") },
  validate: ([element]) =>
    element?.enabled === true && !isAbsolute(element.dir)
      ? "dir must be an absolute path"
      : undefined,
});

export const logging = defineSection({
  name: "logging",
  doc: "Where log lines go.",
  fields: {
    file: text("STDERR", { doc: "STDERR, STDOUT or a path." }),
    level: text("DEBUG", { doc: "DEBUG, INFO, WARN or ERROR; anything else is DEBUG." }),
  },
});

export const configOverride = defineSection({
  name: "config-override",
  doc: "Changing sections through the API.",
  fields: {
    enabled: flag(true, { doc: "When false the API refuses and stored overrides are ignored." }),
  },
});

export const tls = defineSection({
  name: "tls",
  doc: "TLS of the HTTP API.",
  fields: {
    ciphers: texts([], { doc: "Names of cipher suites; empty = the secure ones." }),
    "min-version": text("", { doc: "1.0 … 1.3 or tls1.0 … tls1.3; empty = 1.2." }),
    "max-version": text(""),
  },
  validate([element]) {
    for (const name of element?.ciphers ?? [])
      if (!isCipherSuite(name)) return `tls: unknown cipher suite: ${JSON.stringify(name)}`;
    for (const key of ["min-version", "max-version"] as const) {
      const version = element?.[key] ?? "";
      if (version !== "" && !isTlsVersion(version))
        return `tls: unknown tls version: ${JSON.stringify(version)}`;
    }
    return undefined;
  },
});

export const reporting = defineSection({
  name: "reporting",
  doc: "Usage reports of the original. Accepted; this program reports to nobody.",
  fields: { enabled: flag(true), url: text("https://usage.influxdata.com") },
});

export const stats = defineSection({
  name: "stats",
  doc: "Statistics written as points into a database of the daemon itself.",
  fields: {
    enabled: flag(true),
    "stats-interval": duration(10 * SECOND),
    database: text("_kapacitor"),
    "retention-policy": text("autogen"),
    "timing-sample-rate": float(0.1, { min: 0, max: 1, doc: "Share of points that are timed." }),
    "timing-movavg-size": integer(1000, { min: 1, doc: "Timings in the moving average." }),
  },
  validate: ([element]) =>
    element?.enabled === true && element["stats-interval"] <= 0
      ? "stats: stats-interval must be greater than zero"
      : undefined,
});

const udfFields = {
  socket: text("", { doc: "Unix socket to connect to; excludes prog." }),
  prog: text("", { doc: "Program to start; excludes socket." }),
  args: texts(),
  timeout: duration(0, { doc: "How long an answer may take; more than 1 ms." }),
  env: textMap({ doc: "Environment of the program." }),
};

export const udf = defineSection({
  name: "udf",
  doc: "User-defined functions.",
  fields: { functions: tableMap(udfFields) },
  validate: ([element]) =>
    firstProblem(Object.entries(element?.functions ?? {}), ([name, udf]) => {
      if (udf.prog === "" && udf.socket === "")
        return `UDF ${name}: must set either prog or socket`;
      if (udf.prog !== "" && udf.socket !== "")
        return `UDF ${name}: must set only one of prog and socket`;
      return udf.timeout <= 1_000_000 ? `UDF ${name}: timeout must be more than 1ms` : undefined;
    }),
  unavailable: ([element]) =>
    Object.keys(element?.functions ?? {}).length > 0 ? "running user-defined functions" : undefined,
});

export const deadman = defineSection({
  name: "deadman",
  doc: "Defaults of deadman alerts. NODE_NAME and INTERVAL are replaced.",
  fields: {
    interval: duration(10 * SECOND),
    threshold: float(0, { doc: "Points per interval at or below which a stream counts as dead." }),
    id: text("{{ .Group }}:NODE_NAME for task '{{ .TaskName }}'"),
    message: text(
      '{{ .ID }} is {{ if eq .Level "OK" }}alive{{ else }}dead{{ end }}: ' +
        '{{ index .Fields "emitted" | printf "%0.3f" }} points/INTERVAL.',
    ),
    global: flag(false, { doc: "Add one to every task." }),
  },
});

export const auth = defineSection({
  name: "auth",
  doc: "Users and their privileges.",
  fields: {
    enabled: flag(false, {
      doc:
        "With [http] auth-enabled, check passwords and privileges of local users; otherwise any name is let in. " +
        "While there is no admin, `kapacitor user add NAME -admin` needs no credentials.",
    }),
    "cache-expiration": duration(0, { doc: "How long credentials are remembered." }),
    "bcrypt-cost": integer(10, { max: 31 }),
    "meta-addr": text("", { doc: "host:port of a meta node; empty = users are kept here." }),
    "meta-use-tls": flag(false),
    "meta-ca": text(),
    "meta-cert": text(),
    "meta-key": text(),
    "meta-insecure-skip-verify": flag(false),
    "meta-username": text(),
    "meta-password": text("", { redacted: true }),
    "meta-internal-shared-secret": text("", { redacted: true }),
  },
  conditional: (element) =>
    element.enabled && element["cache-expiration"] === 0 ? { "cache-expiration": 10 * MINUTE } : {},
  validate: ([element]) =>
    element?.enabled === true && element["bcrypt-cost"] < 4
      ? "auth: bcrypt-cost must be at least 4"
      : undefined,
  unavailable: ([element]) =>
    element?.["meta-addr"] === "" ? undefined : "authenticating against a meta node (meta-addr)",
});

export const fluxtask = defineSection({
  name: "fluxtask",
  doc: "Flux tasks.",
  fields: {
    enabled: flag(false),
    "task-run-influxdb": text("", { doc: "Name of an [[influxdb]], or none." }),
    "task-run-bucket": text("kapacitor_fluxtask_logs"),
    "task-run-org": text(),
    "task-run-orgid": text(),
    "task-run-measurement": text("runs"),
    "default-influxdb": text(),
    secrets: textMap({ redacted: true }),
  },
  validate: ([element]) =>
    element?.["task-run-org"] !== "" && element?.["task-run-orgid"] !== ""
      ? "fluxtask: only one of task-run-org and task-run-orgid may be set"
      : undefined,
  unavailable: ([element]) => (element?.enabled === true ? "running Flux tasks" : undefined),
});

export const enterprise = defineSection({
  name: "enterprise",
  doc: "Licence keys of the original. Accepted and ignored: clustering needs no licence.",
  fields: {
    "registration-enabled": flag(false),
    "registration-server-url": text(),
    "license-key": text("", { redacted: true, environment: "KAPACITOR_LICENSE_KEY" }),
    "license-path": text("", { environment: "KAPACITOR_LICENSE_PATH" }),
  },
  ignored: "section [enterprise] is ignored: clustering needs no licence",
});
