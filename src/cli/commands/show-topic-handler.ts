/** `show-topic-handler`: one topic handler. Source: cli §6. */

import { encodeJson } from "#lib/json.ts";
import { pathPart, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { report } from "../output.ts";

export const showTopicHandler: Command = {
  name: "show-topic-handler",
  summary: "Show an alert handler of a topic.",
  help: `Usage: kapacitor show-topic-handler TOPIC_ID HANDLER_ID

Shows a topic handler.

Examples:
  $ kapacitor show-topic-handler cpu slack`,
  json: "the handler as GET /kapacitor/v1/alerts/topics/TOPIC_ID/handlers/HANDLER_ID gives it",
  flags: {},
  words: { each: ["topics", "topic-handlers"] },
  run: showIt,
};

async function showIt(args: readonly string[], context: CommandContext) {
  const { api } = context;
  const [topic, id] = args;
  if (topic === undefined || id === undefined || args.length !== 2) {
    throw new UsageError("Must specify both topic and handler IDs");
  }
  const spec = await api.get(`/alerts/topics/${pathPart(topic)}/handlers/${pathPart(id)}`);
  const lines = [
    `ID: ${text(spec, "id")}`,
    `Topic: ${topic}`,
    `Kind: ${text(spec, "kind")}`,
    `Match: ${text(spec, "match")}`,
    `Options: ${encodeJson(spec["options"] ?? null)}`,
  ];
  report(context, spec, lines);
}
