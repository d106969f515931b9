/**
 * A hidden node that passes everything on and does nothing.
 *
 * The original puts one under a childless node that is watched by `stats`, where it takes a node number.
 * Scripts cannot call it.
 */

import { defineNode } from "../node.ts";
import { Forwarding } from "../receiver.ts";

export const noop = defineNode({
  method: "noop",
  goType: "*pipeline.NoOpNode",
  wants: "either",
  provides: "same",
  hidden: true,
  doc: "Does nothing; made by the language, never by a script.",
  options: () => undefined,
  needs: (_options, below) => below,
  start: (_options, context) => new Forwarding(context.out),
});
