/** `alert`: why somebody was or was not told of an event, and what waits in a handler's queue. Ours. */

import { type JsonRecord, pathPart, record, records, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { formatLocalTime, report } from "../output.ts";
import { tableLines } from "../table.ts";

export const alert: Command = {
  name: "alert",
  summary: "Show what became of an event, or what a handler has sent.",
  help: `Usage: kapacitor alert trace TOPIC_ID EVENT_ID
       kapacitor alert queue TOPIC_ID HANDLER_ID

trace shows the last evaluations of an event, newest first, and for each handler the stage that stopped
or sent it, and why. queue shows how many events a handler has sent, given up and holds now.
Both show what the member that answers has seen: in a cluster another owner of the topic may have sent.

Examples:
  $ kapacitor alert trace system cpu:host=a
  $ kapacitor alert queue system slack`,
  json: `trace: {"topic", "id", "evaluations": [{"time", "level", "previousLevel", "steps": [{"stage",
"handler", "verdict", "reason", "at"}]}]}; queue: {"topic", "handler", "kind", counters}`,
  flags: {},
  words: { verbs: { trace: { each: ["topics", "text"] }, queue: { each: ["topics", "text"] } } },
  run: runAlert,
};

async function runAlert(args: readonly string[], context: CommandContext): Promise<void> {
  const [verb, topic, id] = args;
  if (verb !== "trace" && verb !== "queue") {
    throw new UsageError("Must provide one of trace, queue.");
  }
  if (topic === undefined || id === undefined || args.length !== 3) {
    throw new UsageError(
      `Must provide a topic ID and ${verb === "trace" ? "an event" : "a handler"} ID.`,
    );
  }
  const path = `/alerts/topics/${pathPart(topic)}`;
  const { api } = context;
  if (verb === "trace") {
    showTrace(await api.get(`${path}/events/${pathPart(id)}/trace`), context);
  } else showQueue(await api.get(`${path}/handlers/${pathPart(id)}/queue`), context);
}

function showTrace(answer: JsonRecord, context: CommandContext): void {
  const { timeZone } = context.environment;
  const rows = records(answer, "evaluations").flatMap((evaluation) => {
    const time = formatLocalTime(text(evaluation, "time"), timeZone);
    const level = `${text(evaluation, "previousLevel")}→${text(evaluation, "level")}`;
    const steps = records(evaluation, "steps");
    if (steps.length === 0) return [[time, level, "", "", "", "", "no handler is attached"]];
    return steps.map((step) => [
      time,
      level,
      ...["handler", "stage", "verdict"].map((key) => text(step, key)),
      formatLocalTime(text(step, "at"), timeZone),
      text(step, "reason"),
    ]);
  });
  const heads = ["Time", "Level", "Handler", "Stage", "Verdict", "At", "Reason"];
  report(context, answer, tableLines(heads, rows));
}

function showQueue(answer: JsonRecord, context: CommandContext): void {
  const stopped = record(answer["stopped"]);
  const counters = ["sent", "failed", "retried", "superseded", "expired", "dropped", "waiting"];
  const rows = [
    ...["topic", "handler", "kind", ...counters].map((key) => [key, text(answer, key)] as const),
    ["in flight", text(answer, "inFlight")] as const,
    ["stopped by match", text(stopped, "matchFalse")] as const,
    ["stopped by a failing match", text(stopped, "matchError")] as const,
    ["silenced", text(stopped, "silenced")] as const,
    ["last error", text(answer, "lastError")] as const,
    ["cannot run here", text(answer, "broken")] as const,
  ].filter(([name, shown]) => shown !== "" || name === "last error");
  const lines = rows.map(
    ([name, shown]) => `${name.charAt(0).toUpperCase()}${name.slice(1)}: ${shown}`,
  );
  report(context, answer, lines);
}
