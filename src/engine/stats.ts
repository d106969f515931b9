/**
 * The statistics of a running task, under the original's names.
 *
 * Source: reference http-api.md §3.1 and storage-and-influx.md §10. Every node has five counters; kinds add
 * their own. Throughput is points per second that entered the task, over the time since it was last
 * asked for (at least one second).
 */

import type { Clock } from "#lib/clock.ts";
import type { TaskStats } from "./ports.ts";
import type { RunningNode } from "./running-node.ts";
import type { Task } from "./task.ts";

export function statsOf(task: Task, throughput: number): TaskStats {
  const nodeStats: Record<string, Readonly<Record<string, number>>> = {};
  for (const node of task.pipeline.nodes) nodeStats[node.name] = nodeStatsOf(node);
  return { taskStats: { throughput }, nodeStats };
}

export function nodeStatsOf(node: RunningNode): Readonly<Record<string, number>> {
  const own: Record<string, number> = {
    avg_exec_time_ns: node.timer.averageNs,
    collected: node.collected,
    emitted: node.emitted,
    errors: node.errors,
    working_cardinality: node.cardinality?.size ?? 0,
  };
  for (const [name, counter] of node.counters) own[name] = counter.value;
  return own;
}

/** What one edge between two nodes of a task has carried: points or batches. */
export interface EdgeCount {
  readonly task: string;
  readonly parent: string;
  readonly child: string;
  readonly type: "stream" | "batch";
  readonly messages: number;
}

export function edgeCountsOf(task: Task): readonly EdgeCount[] {
  return task.pipeline.nodes.flatMap((node) =>
    node.outEdges.map(({ parent, child, type, collected }) => ({
      task: task.id,
      parent,
      child,
      type,
      messages: collected,
    })),
  );
}

/** Shortest time over which a rate is measured. */
const RATE_WINDOW_MS = 1_000;

/** Points per second, measured between two looks. */
export class RateMeter {
  readonly #clock: Clock;
  #sinceMs: number;
  #sinceCount = 0;
  #rate = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monoMs();
  }

  /** The rate, given the count so far. */
  read(count: number): number {
    const nowMs = this.#clock.monoMs();
    const elapsedMs = nowMs - this.#sinceMs;
    if (elapsedMs >= RATE_WINDOW_MS) {
      this.#rate = ((count - this.#sinceCount) * 1_000) / elapsedMs;
      this.#sinceMs = nowMs;
      this.#sinceCount = count;
    }
    return this.#rate;
  }
}
