/**
 * `kafka`: the event's JSON, or what a template makes of it, as a message keyed by the event's ID.
 *
 * Messages with equal IDs go to the same partition, by the CRC-32 of the ID unless the handler says otherwise. All
 * handlers of a cluster with one way of partitioning share its connections.
 */

import type { Static } from "@sinclair/typebox";
import { postTemplateData } from "#alert/data.ts";
import { type Delivery, defineHandler, type HandlerServices } from "#alert/handler.ts";
import { flagOption, optionsSchema, textOption } from "#alert/options.ts";
import type { Outcome } from "#alert/outcome.ts";
import { KafkaClient, type KafkaSettings } from "#clients/kafka.ts";
import { PARTITION_ALGORITHMS, type PartitionAlgorithm } from "#clients/kafka-partition.ts";
import { Calls } from "#engine/calls.ts";
import { value } from "#engine/properties.ts";
import { errorMessage } from "#lib/errors.ts";
import { JSON_FUNCTIONS } from "#template/functions.ts";
import { parseTextTemplate, type Template } from "#template/template.ts";
import type { PropertyCall } from "#tick/environment.ts";
import { clientOutcome } from "./client-outcome.ts";
import { withEventJson } from "./event-json.ts";
import { kafkaSasl } from "./kafka-sasl.ts";
import { rejectingTemplateErrors } from "./option-template.ts";
import { NOT_ENABLED, type SectionReader, sectionElements } from "./section-reader.ts";
import { sendsEvent } from "./self-test.ts";
import { SharedClients } from "./shared-clients.ts";
import { defined, handlerProperty } from "./tick-options.ts";
import { tlsFiles } from "./tls-file-names.ts";

const options = optionsSchema({
  cluster: textOption("Which [[kafka]] element; default the only one, or the one named default."),
  topic: textOption("Kafka topic."),
  template: textOption("Template of the message; default the event's JSON."),
  disablePartitionById: flagOption("Spread messages over partitions, whatever their ID."),
  partitionAlgorithm: textOption("Hash that places an ID: crc32, murmur2, murmur3 or fnv-1a."),
});

type KafkaOptions = Static<typeof options>;

/** Of connecting and of each request when the section says 0, ms. */
const TIMEOUT_DEFAULT_MS = 10_000;

const clients = new SharedClients<KafkaSettings, KafkaClient>(
  (settings, clock) => new KafkaClient(settings, clock),
);

export const kafka = defineHandler<KafkaOptions>({
  kind: "kafka",
  doc: "Produces the event to a Kafka topic.",
  options,
  external: true,
  test: {
    options: () => ({
      ...{ cluster: "example", topic: "test", key: "key", message: "test kafka message" },
    }),
    run: sendsEvent((given) => ({
      options: {
        ...{ cluster: given.text("cluster"), topic: given.text("topic") },
        template: "{{ .Message }}",
      },
      event: { id: given.text("key"), message: given.text("message") },
    })),
  },
  tick: {
    property: handlerProperty("kafka", "*pipeline.KafkaHandler", "Sends events to Kafka.", [
      value("cluster", "string", "Which [[kafka]] element."),
      value("kafkaTopic", "string", "Kafka topic."),
      value("template", "string", "Template of the message."),
      {
        ...{ name: "disablePartitionById", params: ["bool"], optional: 1 },
        doc: "Spreads messages over partitions, whatever their ID.",
      },
      value("partitionHashAlgorithm", "string", "Hash that places an ID."),
      value("partitionAlgorithm", "string", "The same under its other name."),
    ]),
    optionsOf: inlineOptions,
  },
  check({ topic = "", template, partitionAlgorithm = "" }) {
    if (topic === "") return "kafka handler needs a topic";
    if (partitionAlgorithm !== "" && algorithmOf(partitionAlgorithm) === undefined) {
      return `invalid partition algorithm ${JSON.stringify(partitionAlgorithm)}`;
    }
    try {
      if (template !== undefined) parse(template);
    } catch (error) {
      return errorMessage(error);
    }
    return undefined;
  },
  checkHere({ cluster = "" }, services) {
    const found = clusterOf(services, cluster);
    return "kind" in found && found !== NOT_ENABLED ? found.error : undefined;
  },
  open(given, services) {
    const lease = clients.lease(services);
    const { cluster = "", topic = "", template = "" } = given;
    const partitionBy = partitioning(given);
    const parsed = template === "" ? undefined : parse(template);
    return {
      send: (delivery, signal) =>
        rejectingTemplateErrors(async () => {
          const found = clusterOf(services, cluster);
          if ("kind" in found) return found;
          const sasl = kafkaSasl(found.element);
          if ("error" in sasl) return { kind: "rejected", error: `kafka: ${sasl.error}` };
          const settings = settingsOf(found.element, { sasl: sasl.sasl, partitionBy });
          const name = JSON.stringify([found.element.text("id"), partitionBy]);
          const id = found.element.text("id");
          return withBody(delivery, parsed, async (body) => {
            const call = { service: "kafka", signal, secrets: sasl.secrets };
            const message = { topic, key: delivery.event.id, value: body };
            const send = () => lease.client(name, settings).send(message, signal);
            const outcome = await clientOutcome(call, send);
            const counter = outcome.kind === "sent" ? "write_messages" : "write_errors";
            services.count?.("kafka", { cluster: id, topic }, counter);
            return outcome;
          });
        }),
      close: () => lease.close(),
    };
  },
});

function inlineOptions(call: PropertyCall): Readonly<Record<string, unknown>> {
  const calls = new Calls(call.calls);
  const disables = calls.last("disablePartitionById");
  return defined({
    cluster: calls.string("cluster"),
    topic: calls.string("kafkaTopic"),
    template: calls.string("template"),
    disablePartitionById: disables?.length === 0 ? true : calls.bool("disablePartitionById"),
    partitionAlgorithm:
      calls.string("partitionHashAlgorithm") ?? calls.string("partitionAlgorithm"),
  });
}

function parse(template: string): Template {
  return parseTextTemplate(template, { name: "template", functions: JSON_FUNCTIONS });
}

function algorithmOf(name: string): PartitionAlgorithm | undefined {
  return PARTITION_ALGORITHMS.find((algorithm) => algorithm === name);
}

function partitioning(given: KafkaOptions): PartitionAlgorithm | undefined {
  if (given.disablePartitionById === true) return undefined;
  return algorithmOf(given.partitionAlgorithm ?? "") ?? "crc32";
}

function withBody(
  delivery: Delivery,
  template: Template | undefined,
  send: (body: string) => Promise<Outcome>,
): Promise<Outcome> {
  if (template === undefined) return withEventJson(delivery, send);
  return send(template.render(postTemplateData(delivery)));
}

/** The element a handler names; without a name the only one, else the one named `default`. */
function clusterOf(
  services: HandlerServices,
  name: string,
): { readonly element: SectionReader } | Exclude<Outcome, { readonly kind: "sent" }> {
  const all = sectionElements(services, "kafka");
  const wanted = name === "" && all.length > 1 ? "default" : name;
  const found = wanted === "" ? all[0] : all.find((element) => element.text("id") === wanted);
  if (found?.flag("enabled") === true) return { element: found };
  if (found !== undefined || all.length === 0) return NOT_ENABLED;
  return { kind: "rejected", error: `unknown cluster ${JSON.stringify(wanted)}` };
}

function settingsOf(
  element: SectionReader,
  chosen: Pick<KafkaSettings, "sasl" | "partitionBy">,
): KafkaSettings {
  const timeout = element.number("timeout");
  return {
    brokers: element.texts("brokers"),
    timeoutMs: timeout > 0 ? timeout / 1e6 : TIMEOUT_DEFAULT_MS,
    tls: element.flag("use-ssl") ? tlsFiles(element) : undefined,
    ...chosen,
  };
}
