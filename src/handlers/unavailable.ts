/**
 * Handler kinds whose protocol is not built into this version. Their names and properties are known, so that
 * scripts and handler files get one clear sentence instead of "unknown".
 */

import { defineHandler, type HandlerKind } from "#alert/handler.ts";
import { IGNORED_OPTIONS } from "#alert/options.ts";
import { flag, list, method, value } from "#engine/properties.ts";
import type { PropertySpec } from "#tick/environment.ts";

function unavailable(kind: string, property: PropertySpec): HandlerKind {
  const error = `handler kind ${JSON.stringify(kind)} is not available yet`;
  return defineHandler<unknown>({
    kind,
    doc: "Not available yet.",
    options: IGNORED_OPTIONS,
    external: true,
    tick: { property, optionsOf: () => ({}) },
    check: () => error,
    open: () => ({ send: async () => ({ kind: "rejected", error }) }),
  });
}

const text = (name: string): PropertySpec => value(name, "string", "Not available yet.");

export const kafka = unavailable("kafka", {
  ...{ name: "kafka", params: [], doc: "Not available yet." },
  opens: {
    goType: "*pipeline.KafkaHandler",
    properties: [
      ...["cluster", "kafkaTopic", "template", "partitionHashAlgorithm"].map(text),
      flag("disablePartitionById", "Not available yet."),
    ],
  },
});

export const mqtt = unavailable("mqtt", {
  ...{ name: "mqtt", params: ["string"], doc: "Not available yet." },
  opens: {
    goType: "*pipeline.MQTTHandler",
    properties: [
      ...["brokerName", "topic"].map(text),
      value("qos", "int", "Not available yet."),
      value("retained", "bool", "Not available yet."),
    ],
  },
});

export const smtp = unavailable("smtp", {
  ...{ name: "email", params: [], rest: "string", doc: "Not available yet." },
  opens: {
    goType: "*pipeline.EmailHandler",
    properties: [
      list("to", "string", "Not available yet."),
      list("toTemplates", "string", "Not available yet."),
    ],
  },
});

export const snmptrap = unavailable("snmptrap", {
  ...{ name: "snmpTrap", params: ["string"], doc: "Not available yet." },
  opens: {
    goType: "*pipeline.SNMPTrapHandler",
    properties: [method("data", ["string", "string", "string"], "Not available yet.")],
  },
});
