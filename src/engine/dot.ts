/**
 * A pipeline in Graphviz form. Source of the exact texts: reference http-api.md §3.2.
 *
 * Three forms: edges only (for tasks that do not run), and two with numbers for running ones: `attributes`
 * (machine-readable) and `labels` (for drawing). The batch source is left out of the edges.
 */

import { formatGoDuration } from "#lib/duration.ts";
import type { NodeDefinition } from "#tick/environment.ts";
import type { Edge } from "./edge.ts";
import type { RunningNode } from "./running-node.ts";
import { nodeStatsOf } from "./stats.ts";
import type { Task } from "./task.ts";

/** The edges of a script that does not run. */
export function dotOfScript(id: string, nodes: readonly NodeDefinition[]): string {
  const lines: string[] = [];
  for (const node of nodes) {
    for (const child of nodes) {
      if (child.type.method === "stats" || isBatchRoot(node.name)) continue;
      for (const parent of child.parents) {
        if (parent === node) lines.push(`${node.name} -> ${child.name};\n`);
      }
    }
  }
  return `digraph ${id} {\n${lines.join("")}}`;
}

/** A running task with its numbers; `throughput` in points or batches per second. */
export function dotOfTask(task: Task, throughput: number, view: "attributes" | "labels"): string {
  const unit = task.definition.type === "batch" ? "batches/s" : "points/s";
  const rate = `${throughput.toFixed(2)} ${unit}`;
  const labels = view === "labels";
  const graph = labels
    ? `graph [label="Throughput: ${rate}" forcelabels=true pad="0.8,0.5"];`
    : `graph [throughput="${rate}"];`;
  const parts = task.pipeline.nodes
    .filter((node) => !isBatchRoot(node.name))
    .map((node) => nodeLines(node, labels));
  return `digraph ${task.definition.id} {\n${graph}\n\n${parts.join("\n")}}`;
}

function nodeLines(node: RunningNode, labels: boolean): string {
  const attributes = shownStats(node);
  const head = labels
    ? `${node.name} [xlabel="${attributes.map(([k, v]) => `${k}=${v}`).join("\\r")}"];\n`
    : `${node.name} [${attributes.map(([k, v]) => `${k}="${v}" `).join("")}];\n`;
  return head + node.outEdges.map((edge) => edgeLine(edge, labels)).join("");
}

function edgeLine(edge: Edge, labels: boolean): string {
  const attribute = labels
    ? `label="processed=${edge.collected}"`
    : `processed="${edge.collected}"`;
  return `${edge.parent} -> ${edge.child} [${attribute}];\n`;
}

/** Attributes by name; messages are shown on the edges instead. */
function shownStats(node: RunningNode): (readonly [string, string])[] {
  return Object.entries(nodeStatsOf(node))
    .filter(([name]) => name !== "collected" && name !== "emitted")
    .map(
      ([name, value]) =>
        [name, name === AVERAGE ? formatGoDuration(value) : String(value)] as const,
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

const AVERAGE = "avg_exec_time_ns";

function isBatchRoot(name: string): boolean {
  return name === "batch0";
}
