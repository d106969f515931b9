/**
 * `mqtt`: the message text, nothing else, published to a topic of a broker.
 *
 * All handlers that name a broker share one connection to it, because a broker throws out the older of two connections
 * with the same client ID.
 */

import type { Static } from "@sinclair/typebox";
import { defineHandler, type HandlerServices } from "#alert/handler.ts";
import { anyOption, flagOption, optionsSchema, textOption } from "#alert/options.ts";
import type { Outcome } from "#alert/outcome.ts";
import { MqttClient, type MqttQos, type MqttSettings } from "#clients/mqtt.ts";
import { Calls, strings } from "#engine/calls.ts";
import { value } from "#engine/properties.ts";
import type { PropertyCall } from "#tick/environment.ts";
import { clientOutcome } from "./client-outcome.ts";
import {
  optionTemplate,
  rejectingTemplateErrors,
  renderOption,
  templateProblem,
} from "./option-template.ts";
import { secretsOfUrl } from "./secrets.ts";
import {
  NOT_ENABLED,
  namedElement,
  type SectionReader,
  sectionElements,
} from "./section-reader.ts";
import { sendsEvent } from "./self-test.ts";
import { firstText } from "./service-handler.ts";
import { SharedClients } from "./shared-clients.ts";
import { defined } from "./tick-options.ts";
import { tlsFiles } from "./tls-file-names.ts";

const options = optionsSchema({
  "broker-name": textOption("Which [[mqtt]] element; default the default one."),
  topic: textOption("Topic; a template."),
  qos: anyOption("at-most-once, at-least-once, exactly-once (also exactly-one), or 0, 1, 2."),
  retained: flagOption("Whether the broker keeps the message for later subscribers."),
});

type MqttOptions = Static<typeof options>;

/** `exactly-one` is the original's word; the right one is accepted too. */
const QOS_WORDS: Readonly<Record<string, MqttQos>> = {
  "at-most-once": 0,
  "at-least-once": 1,
  "exactly-one": 2,
  "exactly-once": 2,
};

/** Longest topic of the protocol, bytes. */
const TOPIC_BYTES_MAX = 65_535;

const clients = new SharedClients<MqttSettings, MqttClient>(
  (settings, clock) => new MqttClient(settings, clock),
);

export const mqtt = defineHandler<MqttOptions>({
  kind: "mqtt",
  doc: "Publishes the message to an MQTT topic.",
  options,
  external: true,
  test: {
    options: () => ({
      ...{ "broker-name": "default", topic: "", message: "test MQTT message" },
      ...{ qos: "at-most-once", retained: false },
    }),
    run: sendsEvent((given) => ({
      options: {
        ...{ "broker-name": given.text("broker-name"), topic: given.text("topic") },
        ...{ qos: given.text("qos"), retained: given.flag("retained") },
      },
      event: { message: given.text("message") },
    })),
  },
  tick: {
    property: {
      ...{ name: "mqtt", params: ["string"], doc: "Publishes events over MQTT." },
      opens: {
        goType: "*pipeline.MQTTHandler",
        properties: [
          value("brokerName", "string", "Which [[mqtt]] element."),
          value("topic", "string", "Topic; a template."),
          value("qos", "int", "0 at most once, 1 at least once, 2 exactly once."),
          value("retained", "bool", "Whether the broker keeps the message."),
        ],
      },
    },
    optionsOf: inlineOptions,
  },
  check({ topic = "", qos }) {
    if (qosOf(qos) === undefined) return `invalid MQTT qos ${JSON.stringify(qos)}`;
    return templateProblem({ topic });
  },
  open({ "broker-name": name = "", topic = "", qos, retained = false }, services) {
    const lease = clients.lease(services);
    const template = optionTemplate("topic", topic);
    return {
      send: (delivery, signal) =>
        rejectingTemplateErrors(async () => {
          const broker = brokerOf(services, name);
          if ("kind" in broker) return broker;
          const to = renderOption(template, delivery);
          if (!isTopic(to)) {
            return { kind: "rejected", error: `mqtt: invalid topic ${JSON.stringify(to)}` };
          }
          const settings = settingsOf(broker.element);
          const secrets = [settings.password, ...secretsOfUrl(settings.url)];
          const message = {
            ...{ topic: to, payload: delivery.event.message },
            ...{ qos: qosOf(qos) ?? 0, retain: retained },
          };
          return clientOutcome({ service: "mqtt", signal, secrets }, () =>
            lease.client(broker.element.text("name"), settings).publish(message, signal),
          );
        }),
      close: () => lease.close(),
    };
  },
});

function inlineOptions(call: PropertyCall): Readonly<Record<string, unknown>> {
  const calls = new Calls(call.calls);
  return defined({
    "broker-name": calls.string("brokerName"),
    topic: calls.string("topic") ?? strings(call.args)[0],
    qos: calls.count("qos"),
    retained: calls.bool("retained"),
  });
}

/** `undefined` when it is none; absent means at most once. */
function qosOf(given: unknown): MqttQos | undefined {
  if (given === undefined) return 0;
  if (given === 0 || given === 1 || given === 2) return given;
  return typeof given === "string" ? QOS_WORDS[given.toLowerCase()] : undefined;
}

/** The broker a handler names, or the default one among those that are on. */
function brokerOf(
  services: HandlerServices,
  name: string,
): { readonly element: SectionReader } | Outcome {
  const all = sectionElements(services, "mqtt");
  const on = all.filter((element) => element.flag("enabled"));
  const found = namedElement(on, "name", name);
  if (found !== undefined) return { element: found };
  if (on.length > 0 && name === "") {
    return { kind: "rejected", error: "mqtt: no broker is set as default" };
  }
  const isKnown = all.some((element) => element.text("name") === name);
  if (all.length === 0 || name === "" || isKnown) return NOT_ENABLED;
  return { kind: "rejected", error: `unknown MQTT broker ${JSON.stringify(name)}` };
}

/** Names without wildcards. */
function isTopic(topic: string): boolean {
  if (topic === "" || /[+#\0]/.test(topic)) return false;
  return Buffer.byteLength(topic) <= TOPIC_BYTES_MAX;
}

function settingsOf(element: SectionReader): MqttSettings {
  return {
    url: element.text("url"),
    clientId: firstText(element.text("client-id"), element.text("name")),
    username: element.text("username"),
    password: element.text("password"),
    tls: tlsFiles(element),
  };
}
