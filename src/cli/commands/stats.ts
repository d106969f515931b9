/** `stats`: the server's counters for people. Source: cli §7. */

import { compareBytes } from "#lib/json.ts";
import { type JsonRecord, record, text } from "../api.ts";
import type { Command, CommandContext } from "../command.ts";
import { columnWidth, left, right } from "../output.ts";

export const stats: Command = {
  name: "stats",
  summary: "Show the server's counters.",
  help: `Usage: kapacitor stats CATEGORY

Shows counters of the server.

Categories:
  general           Identity, number of tasks and subscriptions, version.
  ingress           Points received per database, retention policy and measurement.`,
  run: showStats,
};

async function showStats(args: readonly string[], { api, environment }: CommandContext) {
  const [category] = args;
  if (category === undefined) {
    environment.err(`${stats.help}\n`);
    throw new Error("must provide a stats category");
  }
  if (category !== "general" && category !== "ingress") {
    throw new Error(`unknown stats category ${category}`);
  }
  const counters = await api.get("/debug/vars");
  const lines = category === "general" ? generalLines(counters) : ingressLines(counters);
  environment.out(lines.map((line) => `${line}\n`).join(""));
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

function ingressLines(counters: JsonRecord): string[] {
  const rows = Object.values(record(counters["kapacitor"] ?? {}))
    .map(record)
    .filter((each) => text(each, "name") === "ingress")
    .map((each) => ({ tags: record(each["tags"]), values: record(each["values"]) }))
    .filter(({ tags }) => text(tags, "task_master") === "main")
    .map(({ tags, values }) => ({
      database: text(tags, "database"),
      policy: text(tags, "retention_policy"),
      measurement: text(tags, "measurement"),
      points: text(values, "points_received"),
    }))
    .sort(
      (a, b) =>
        compareBytes(a.database, b.database) ||
        compareBytes(a.policy, b.policy) ||
        compareBytes(a.measurement, b.measurement),
    );
  const databaseWidth = columnWidth(
    rows.map((row) => row.database),
    8,
  );
  const policyWidth = columnWidth(
    rows.map((row) => row.policy),
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
    ...rows.map((row) => line(row.database, row.policy, row.measurement, row.points)),
  ];
}
