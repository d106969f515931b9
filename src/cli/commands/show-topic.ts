/** `show-topic`: a topic's level, handlers and events. Source: cli §6. */

import { pathPart, record, records, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { handlersMatching } from "../matching.ts";
import { columnWidth, formatLocalTime, left, report } from "../output.ts";

export const showTopic: Command = {
  name: "show-topic",
  summary: "Show a topic with its events and handlers.",
  help: `Usage: kapacitor show-topic TOPIC_ID

Shows a topic: its level, its handlers, and the last state of each of its events.

Examples:
  $ kapacitor show-topic cpu`,
  json: `the topic as GET /kapacitor/v1/alerts/topics/TOPIC_ID gives it, and
"handlers" and "events" as GET …/handlers and …/events give them, events by time`,
  flags: {},
  words: { each: ["topics"] },
  run: showIt,
};

async function showIt(args: readonly string[], context: CommandContext) {
  const { api, environment } = context;
  const [id] = args;
  if (id === undefined || args.length !== 1) throw new UsageError("Must specify one topic ID");
  const path = `/alerts/topics/${pathPart(id)}`;
  const topic = await api.get(path);
  const handlers = await handlersMatching(api, id, "");
  const answer = await api.get(`${path}/events`, { "min-level": "OK" });
  const events = records(answer, "events")
    .map((event) => ({ event, id: text(event, "id"), state: record(event["state"]) }))
    .sort((a, b) => Date.parse(text(a.state, "time")) - Date.parse(text(b.state, "time")));
  const messages = events.map(({ state }) => text(state, "message"));
  const idWidth = columnWidth(
    events.map((event) => event.id),
    5,
  );
  const messageWidth = columnWidth(messages, 7);
  const line = (event: string, level: string, message: string, date: string) =>
    left(event, idWidth) + left(level, 9) + left(message, messageWidth) + left(date, 23);
  const lines = [
    `ID: ${text(topic, "id")}`,
    `Level: ${text(topic, "level")}`,
    `Collected: ${text(topic, "collected")}`,
    `Handlers: [${handlers.map((spec) => text(spec, "id")).join(", ")}]`,
    "Events:",
    line("Event", "Level", "Message", "Date"),
    ...events.map((event) =>
      line(
        event.id,
        text(event.state, "level"),
        text(event.state, "message"),
        formatLocalTime(text(event.state, "time"), environment.timeZone),
      ),
    ),
  ];
  const json = { ...topic, handlers, events: events.map(({ event }) => event) };
  report(context, json, lines);
}
