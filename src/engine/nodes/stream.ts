/** The source of a stream task: everything the fork gives to the task. Its children are `from` nodes. */

import { defineNode } from "../node.ts";

export const stream = defineNode({
  method: "stream",
  goType: "*pipeline.StreamNode",
  wants: "stream",
  provides: "stream",
  onlyChildren: ["from", "stats", "deadman"],
  doc: "The points written to the task's databases and retention policies.",
  options: () => undefined,
  needs: (_options, below) => below,
  start: (_options, context) => context.out,
});
