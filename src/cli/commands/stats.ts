/** `stats`: the server's counters for people. Source: cli §7. */

import { compareBytes } from "#lib/json.ts";
import { type JsonRecord, record, text } from "../api.ts";
import type { Command, CommandContext } from "../command.ts";
import { columnWidth, left, report, right } from "../output.ts";
import { NO_WORDS } from "../words.ts";

export const stats: Command = {
  name: "stats",
  summary: "Show the server's counters.",
  help: `Usage: kapacitor stats CATEGORY

Shows counters of the server.

Categories:
  general           Identity, number of tasks and subscriptions, version.
  ingress           Points received per database, retention policy and measurement.`,
  json: `general: {"cluster_id", "server_id", "host", "num_tasks", "num_enabled_tasks",
          "num_subscriptions", "platform", "version"}
ingress: {"ingress": [{"database", "retention_policy", "measurement", "points_received"}]}`,
  flags: {},
  words: { verbs: { general: NO_WORDS, ingress: NO_WORDS } },
  run: showStats,
};

async function showStats(args: readonly string[], context: CommandContext) {
  const { api, environment, output } = context;
  const [category] = args;
  if (category === undefined) {
    if (output === "table") environment.err(`${stats.help}\n`);
    throw new Error("must provide a stats category");
  }
  if (category !== "general" && category !== "ingress") {
    throw new Error(`unknown stats category ${category}`);
  }
  const counters = await api.get("/debug/vars");
  if (category === "general") {
    const json = Object.fromEntries(GENERAL.map(([, key]) => [key, counters[key]]));
    return report(context, json, generalLines(counters));
  }
  const rows = ingressRows(counters);
  report(context, { ingress: rows }, ingressLines(rows));
}

const GENERAL = [
  ["ClusterID:", "cluster_id"],
  ["ServerID:", "server_id"],
  ["Host:", "host"],
  ["Tasks:", "num_tasks"],
  ["Enabled Tasks:", "num_enabled_tasks"],
  ["Subscriptions:", "num_subscriptions"],
  ["Platform:", "platform"],
  ["Version:", "version"],
] as const;

function generalLines(counters: JsonRecord): string[] {
  return GENERAL.map(([label, key]) => left(label, 30) + left(text(counters, key), 30));
}

interface IngressRow {
  readonly database: string;
  readonly retention_policy: string;
  readonly measurement: string;
  /** As the server counts it. */
  readonly points_received: unknown;
}

function ingressRows(counters: JsonRecord): readonly IngressRow[] {
  return Object.values(record(counters["kapacitor"] ?? {}))
    .map(record)
    .filter((each) => text(each, "name") === "ingress")
    .map((each) => ({ tags: record(each["tags"]), values: record(each["values"]) }))
    .filter(({ tags }) => text(tags, "task_master") === "main")
    .map(({ tags, values }) => ({
      database: text(tags, "database"),
      retention_policy: text(tags, "retention_policy"),
      measurement: text(tags, "measurement"),
      points_received: values["points_received"],
    }))
    .sort(
      (a, b) =>
        compareBytes(a.database, b.database) ||
        compareBytes(a.retention_policy, b.retention_policy) ||
        compareBytes(a.measurement, b.measurement),
    );
}

function ingressLines(rows: readonly IngressRow[]): string[] {
  const databaseWidth = columnWidth(
    rows.map((row) => row.database),
    8,
  );
  const policyWidth = columnWidth(
    rows.map((row) => row.retention_policy),
    16,
  );
  const measurementWidth = columnWidth(
    rows.map((row) => row.measurement),
    11,
  );
  const line = (database: string, policy: string, measurement: string, points: string) =>
    left(database, databaseWidth) +
    left(policy, policyWidth) +
    left(measurement, measurementWidth) +
    right(points, 15);
  return [
    line("Database", "Retention Policy", "Measurement", "Points Received"),
    ...rows.map((row) =>
      line(row.database, row.retention_policy, row.measurement, String(row.points_received ?? "")),
    ),
  ];
}
