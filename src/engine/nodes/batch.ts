/** The source of a batch task. Its children are queries, each of which runs on its own schedule. */

import { defineNode } from "../node.ts";

export const batch = defineNode({
  method: "batch",
  goType: "*pipeline.BatchNode",
  wants: "batch",
  provides: "batch",
  onlyChildren: ["query", "queryFlux", "stats", "deadman"],
  doc: "The source of tasks that query InfluxDB on a schedule.",
  options: () => undefined,
  needs: (_options, below) => below,
  start: (_options, context) => context.out,
});
