/**
 * Nodes that are known but not built yet: using one is refused by name when the task is defined.
 */

import { type AnyNodeSpec, defineNode } from "../node.ts";
import { NOWHERE } from "../receiver.ts";

/** Method and Go type name of each. */
const NAMES: readonly (readonly [method: string, goType: string])[] = [
  ["ec2Autoscale", "*pipeline.Ec2AutoscaleNode"],
  ["k8sAutoscale", "*pipeline.K8sAutoscaleNode"],
  ["swarmAutoscale", "*pipeline.SwarmAutoscaleNode"],
];

export const unavailableNodes: readonly AnyNodeSpec[] = NAMES.map(([method, goType]) =>
  defineNode({
    method,
    goType,
    wants: "either",
    provides: "same",
    rest: "any",
    doc: "Not available yet.",
    expand: () => {
      throw new Error(`${method} is not available yet`);
    },
    options: () => undefined,
    start: () => NOWHERE,
  }),
);
