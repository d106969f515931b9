/**
 * `/debug/vars`: counters of everything, in the shape that Telegraf and `kapacitor stats` read.
 *
 * The layout is its own: one top-level key per line, keys in ascending order, values compact. Each
 * statistic has a fresh random key, as in the original. Source: storage-and-influx §10.
 */

import { formatGoDuration } from "#lib/duration.ts";
import { encodeJson, sorted } from "#lib/json.ts";
import { uuid4 } from "#lib/uuid.ts";
import { goMemory } from "../go-memory.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices, Statistic } from "../services.ts";
import { statisticsOf } from "../statistics.ts";

export const debug = defineResource({
  name: "debug",
  doc: "Internal counters.",
  routes: [
    {
      method: "GET",
      path: "/debug/vars",
      summary: "Shows identity, memory and the counters of tasks, nodes, topics and ingress.",
      answers: { 200: "counters" },
      answer: showVars,
    },
  ],
});

function showVars(_call: Call, services: HttpServices): Response {
  const { identity, version } = services;
  const counts = services.tasks.counts();
  const vars = sorted<unknown>({
    build: version.build,
    cluster_id: identity.clusterId(),
    cmdline: services.process.commandLine,
    host: identity.hostname,
    kapacitor: keyed(statisticsOf(services), services),
    memstats: goMemory(services.process.memory()),
    num_enabled_tasks: counts.enabled,
    num_subscriptions: services.subscriptions.count(),
    num_tasks: counts.tasks,
    platform: "OSS",
    product: "kapacitor",
    server_id: identity.serverId,
    version: version.api,
  });
  const lines = Object.entries(vars).map(([key, value]) => `"${key}": ${encodeJson(value)}`);
  return new Response(`{\n${lines.join(",\n")}\n}\n`);
}

/** Execution time is a duration text here, though a number in a task's own stats. */
function shownValues(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const time = values["avg_exec_time_ns"];
  if (typeof time !== "number") return sorted(values);
  return sorted<unknown>({ ...values, avg_exec_time_ns: formatGoDuration(Math.round(time)) });
}

function keyed(all: readonly Statistic[], services: HttpServices): Record<string, unknown> {
  const { identity, random } = services;
  const own = {
    host: identity.hostname,
    cluster_id: identity.clusterId(),
    server_id: identity.serverId,
  };
  return Object.fromEntries(
    all.map(({ name, tags, values }) => [
      uuid4(random),
      { name, tags: sorted({ ...tags, ...own }), values: shownValues(values) },
    ]),
  );
}
