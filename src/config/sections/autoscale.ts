/** What autoscale nodes steer. */

import { flag, text, texts } from "../field.ts";
import { defineListSection } from "../section.ts";
import { unavailableWhenEnabled } from "./inputs.ts";
import { firstProblem, tlsClientFields } from "./shared.ts";

export const kubernetes = defineListSection({
  name: "kubernetes",
  doc: "Kubernetes clusters.",
  list: { key: "id", lone: false, implicitIndex: true },
  overridable: true,
  fields: {
    enabled: flag(),
    id: text(),
    "in-cluster": flag(false, { doc: "Excludes api-servers, token, ca-path and namespace." }),
    "api-servers": texts(),
    token: text("", { redacted: true }),
    "ca-path": text(),
    namespace: text(),
    resource: text("", { doc: "node, pod, service or endpoint, when used for discovery." }),
  },
  validate: (elements) =>
    firstProblem(elements, (element) => {
      const outside =
        element["api-servers"].length > 0 ||
        element.token !== "" ||
        element["ca-path"] !== "" ||
        element.namespace !== "";
      if (element["in-cluster"] && outside)
        return "kubernetes: in-cluster excludes api-servers, token, ca-path and namespace";
      if (element.enabled && !element["in-cluster"] && element["api-servers"].length === 0)
        return "kubernetes: must specify api-servers or in-cluster";
      return ["", "node", "pod", "service", "endpoint"].includes(element.resource)
        ? undefined
        : `kubernetes: unknown resource ${JSON.stringify(element.resource)}`;
    }),
  unavailable: unavailableWhenEnabled("the Kubernetes client"),
});

export const swarm = defineListSection({
  name: "swarm",
  doc: "Docker Swarm clusters.",
  list: { key: "id", lone: false },
  overridable: true,
  fields: { enabled: flag(), id: text(), servers: texts(), ...tlsClientFields },
  validate: (elements) =>
    firstProblem(elements, (element) =>
      element.enabled && element.servers.length === 0
        ? "swarm: must specify at least one server URL"
        : undefined,
    ),
  unavailable: unavailableWhenEnabled("the Docker Swarm client"),
});
