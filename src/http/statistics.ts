/**
 * The counters of everything this daemon does, as `debug/vars` shows them and as they go into the stream.
 *
 * One list for both, so that what a task sees and what people see never differ. Collected anew each time:
 * nothing is kept. Source: storage-and-influx §10.
 */

import { OK } from "#alert/level.ts";
import type { StoredTask } from "#tasks/task-store.ts";
import { httpStatistic } from "./http-counters.ts";
import type { HttpServices, Statistic } from "./services.ts";

/** What is asked for counters. */
export type StatisticSources = Pick<HttpServices, "engine" | "tasks" | "topics" | "statistics">;

/** Without the tags that name this member. */
export function statisticsOf(services: StatisticSources): readonly Statistic[] {
  const running = services.tasks.list({ pattern: "", offset: 0, limit: -1 });
  return [
    ...running.flatMap((task) => nodeStatistics(task, services)),
    ...services.topics.list("", OK).map((topic) => ({
      name: "topics",
      tags: { id: topic.id },
      values: { collected: topic.collected },
    })),
    ...services.engine.ingress().map((count) => ({
      name: "ingress",
      tags: {
        task_master: "main",
        database: count.db,
        retention_policy: count.rp,
        measurement: count.measurement,
      },
      values: { points_received: count.points },
    })),
    httpStatistic(services),
    ...services.statistics(),
  ];
}

function nodeStatistics(task: StoredTask, services: StatisticSources): Statistic[] {
  const stats = services.tasks.stats(task.id);
  if (stats === undefined) return [];
  return Object.entries(stats.nodeStats).map(([node, values]) => ({
    name: "nodes",
    tags: { task: task.id, node, type: task.type, kind: node.replace(/\d+$/, "") },
    values,
  }));
}
