/**
 * `sensu`: a check result over a TCP connection to the Sensu client; the client says `ok`.
 *
 * Sensu only takes names of letters, digits, dots, dashes and underscores, so the alert's ID must be one.
 */

import type { Static } from "@sinclair/typebox";
import { type Delivery, defineHandler, type HandlerServices } from "#alert/handler.ts";
import type { Level } from "#alert/level.ts";
import { mapOption, optionsSchema, textOption, textsOption } from "#alert/options.ts";
import { type Outcome, SENT } from "#alert/outcome.ts";
import { Calls } from "#engine/calls.ts";
import { list, method } from "#engine/properties.ts";
import { JsonValueError } from "#lib/json.ts";
import {
  optionTemplate,
  rejectingTemplateErrors,
  renderOption,
  templateProblem,
} from "./option-template.ts";
import { enabledSection, NOT_ENABLED, type SectionReader } from "./section-reader.ts";
import { sendsEvent, testLevel } from "./self-test.ts";
import { firstList, firstText, sortedJsonBody } from "./service-handler.ts";
import { sendTcp } from "./tcp-sender.ts";
import {
  defined,
  handlerProperty,
  type TextProperties,
  textOptions,
  textPairs,
  textProperties,
} from "./tick-options.ts";

const options = optionsSchema({
  source: textOption("Source; a template; default the section's."),
  handlers: textsOption("Sensu handlers; default the section's."),
  metadata: mapOption("More members of the result."),
});

type SensuOptions = Static<typeof options>;

const PROPERTIES: TextProperties = {
  source: ["source", "Source; a template."],
};

export const sensu = defineHandler<SensuOptions>({
  kind: "sensu",
  doc: "Sends a check result to Sensu.",
  options,
  external: true,
  test: {
    options: () => ({
      ...{ name: "testName", source: "Kapacitor", output: "testOutput" },
      ...{ handlers: [], metadata: {}, level: "CRITICAL" },
    }),
    run: sendsEvent((given) => ({
      options: {
        source: given.text("source"),
        handlers: given.texts("handlers"),
        metadata: given.map("metadata"),
      },
      event: {
        id: given.text("name"),
        message: given.text("output"),
        level: testLevel(given.text("level")),
      },
    })),
  },
  tick: {
    property: handlerProperty("sensu", "*pipeline.SensuHandler", "Sends events to Sensu.", [
      ...textProperties(PROPERTIES),
      list("handlers", "string", "Sensu handlers."),
      method("metadata", ["string", "any"], "Adds a member to the result."),
    ]),
    optionsOf: (call) => ({
      ...textOptions(call, PROPERTIES),
      ...defined({
        handlers: new Calls(call.calls).strings("handlers"),
        metadata: textPairs(call, "metadata"),
      }),
    }),
  },
  check: ({ source }) => templateProblem({ source }),
  open: (given, services) => ({
    send: (delivery, signal) =>
      rejectingTemplateErrors(async () => {
        const section = enabledSection(services, "sensu");
        return section === undefined
          ? NOT_ENABLED
          : send(services, { given, section, delivery }, signal);
      }),
  }),
});

async function send(
  services: HandlerServices,
  what: {
    readonly given: SensuOptions;
    readonly section: SectionReader;
    readonly delivery: Delivery;
  },
  signal: AbortSignal,
): Promise<Outcome> {
  const { given, section, delivery } = what;
  const { event } = delivery;
  if (!/^[\w.-]+$/.test(event.id)) {
    const error = `invalid name ${JSON.stringify(event.id)} for sensu alert. Must match [\\w.-]+`;
    return { kind: "rejected", error };
  }
  const source = firstText(given.source, section.text("source"));
  const handlers = firstList(given.handlers, section.texts("handlers"));
  const result = {
    ...given.metadata,
    handlers: handlers.length === 0 ? null : handlers,
    name: event.id,
    output: event.message,
    source: renderOption(optionTemplate("source", source), delivery),
    status: STATUSES[event.level],
  };
  try {
    const data = sortedJsonBody(result);
    return await sendTcp(
      services,
      { address: section.text("addr"), data, answer: { complete: isOk, judge: judgeAnswer } },
      signal,
    );
  } catch (error) {
    if (error instanceof JsonValueError) return { kind: "rejected", error: error.message };
    throw error;
  }
}

const STATUSES: Readonly<Record<Level, number>> = { 0: 0, 1: 0, 2: 1, 3: 2 };

const isOk = (said: string): boolean => said.trim() === "ok";

function judgeAnswer(said: string): Outcome {
  if (isOk(said)) return SENT;
  // An empty answer is a client that went away; any other is its opinion of this result.
  return said === ""
    ? { kind: "retry", error: "sensu closed the connection without an answer" }
    : { kind: "rejected", error: `sensu communication error: ${said.slice(0, 256)}` };
}
