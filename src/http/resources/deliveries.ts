/**
 * Why was I not paged: what became of an event's evaluations, and what a handler's queue is doing. Ours; the original
 * has nothing like it. Both are this member's view: in a cluster another owner of the topic may have sent the event.
 */

import type { HandlerReport } from "#alert/attached-handler.ts";
import { levelName } from "#alert/level.ts";
import type { DeliveryReports } from "#alert/ports.ts";
import type { TraceEvaluation, TraceStep } from "#alert/trace.ts";
import { formatTime } from "#lib/time.ts";
import { answerJson } from "../answer.ts";
import { notBuilt, unknown } from "../errors.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

export const deliveries = defineResource({
  name: "deliveries",
  doc: "What became of alert events, as this member saw it.",
  routes: [
    {
      method: "GET",
      path: "/alerts/topics/:topic/events/:event/trace",
      summary:
        "Shows the last evaluations of an event, newest first: the stage that stopped or sent it.",
      answers: { 200: '{"link", "topic", "id", "evaluations": […]}', 404: "error" },
      answer: showTrace,
    },
    {
      method: "GET",
      path: "/alerts/topics/:topic/handlers/:handler/queue",
      summary: "Shows what a handler, defined in a topic or in a script, has sent and what waits.",
      answers: { 200: "the queue", 404: "error" },
      answer: showQueue,
    },
  ],
});

function reportsOf({ delivery }: HttpServices): DeliveryReports {
  if (delivery === undefined) throw notBuilt("delivery reports are");
  return delivery;
}

function showTrace(call: Call, services: HttpServices): Response {
  const topic = call.params["topic"] ?? "";
  const id = call.params["event"] ?? "";
  const evaluations = reportsOf(services).trace(topic, id);
  // After a restart the state is there, but the trace is not.
  if (evaluations.length === 0 && services.topics.event(topic, id) === undefined) {
    throw unknown(`unknown event "${id}" in topic "${topic}"`);
  }
  return answerJson({
    link: { rel: "self", href: call.uri },
    topic,
    id,
    evaluations: evaluations.toReversed().map(evaluationJson),
  });
}

function evaluationJson({ time, level, previousLevel, steps }: TraceEvaluation): unknown {
  return {
    time: formatTime(time.ms, time.ns),
    level: levelName(level),
    previousLevel: levelName(previousLevel),
    steps: steps.map(stepJson),
  };
}

function stepJson({ stage, handler, verdict, reason, at }: TraceStep): unknown {
  return { stage, handler, verdict, reason, at: formatTime(at.ms, at.ns) };
}

function showQueue(call: Call, services: HttpServices): Response {
  const topic = call.params["topic"] ?? "";
  const id = call.params["handler"] ?? "";
  const report = reportsOf(services)
    .handlerReports(topic)
    .find((one) => one.id === id);
  if (report === undefined) throw unknown(`unknown handler: "${id}"`);
  return answerJson({ link: { rel: "self", href: call.uri }, ...queueJson(report) });
}

function queueJson(report: HandlerReport): object {
  const { topic, id, kind, stopped, lastError, broken } = report;
  const { sent, failed, retried, superseded, expired, dropped, waiting, inFlight } = report;
  return {
    ...{ topic, handler: id, kind },
    ...{ sent, failed, retried, superseded, expired, dropped, waiting, inFlight },
    stopped,
    lastError,
    broken,
  };
}
