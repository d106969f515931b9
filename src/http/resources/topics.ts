/**
 * `/alerts/topics`: alert topics and what they remember of their events. Source: http-api §7.1, §7.2.
 *
 * A topic's own path, its events and its handlers share one subtree; handlers are in `handlers.ts`. There is
 * no delete of a single event: a DELETE below a topic that is not a handler deletes the topic.
 */

import type { EventState } from "#alert/event.ts";
import { type Level, levelName, parseLevel } from "#alert/level.ts";
import type { TopicInfo, TopicReads, Topics } from "#alert/ports.ts";
import { formatGoDuration } from "#lib/duration.ts";
import { errorMessage } from "#lib/errors.ts";
import { formatTime } from "#lib/time.ts";
import { answerJson, answerNothing, link } from "../answer.ts";
import { badRequest, failure, unknown } from "../errors.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

const LEVEL_QUERY = { "min-level": "OK (default), INFO, WARNING or CRITICAL." } as const;

export const topics = defineResource({
  name: "topics",
  doc: "Alert topics and their events.",
  routes: [
    {
      method: "GET",
      path: "/alerts/topics",
      summary: "Lists topics by ID.",
      query: { ...LEVEL_QUERY, pattern: "Glob over IDs; empty takes all." },
      answers: { 200: '{"link", "topics": […]}', 400: "error" },
      answer: listTopics,
    },
    {
      method: "GET",
      path: "/alerts/topics/*",
      summary: "Shows a topic.",
      answers: { 200: "the topic", 400: "error", 404: "error" },
      answer: getTopic,
    },
    {
      method: "DELETE",
      path: "/alerts/topics/*",
      summary: "Forgets a topic's events. Its handlers stay.",
      answers: { 204: "gone, or was never there", 400: "error" },
      answer: deleteTopic,
    },
    {
      method: "GET",
      path: "/alerts/topics/:topic/events",
      summary: "Lists what a topic remembers.",
      query: LEVEL_QUERY,
      answers: { 200: '{"link", "topic", "events": […]}', 400: "error", 500: "unknown topic" },
      answer: listEvents,
    },
    {
      method: "GET",
      path: "/alerts/topics/:topic/events/*",
      summary: "Shows one event.",
      answers: { 200: "the event", 404: "error" },
      answer: getEvent,
    },
  ],
});

/** Reads that may ask other members, or this member's own table where it is alone. */
function readsOf(services: HttpServices): TopicReads | Topics {
  return services.topicReads ?? services.topics;
}

async function listTopics(call: Call, services: HttpServices): Promise<Response> {
  const minLevel = readMinLevel(call.query);
  let found: readonly TopicInfo[];
  try {
    found = await readsOf(services).list(call.query.get("pattern") ?? "", minLevel);
  } catch (error) {
    throw badRequest(`invalid pattern: ${errorMessage(error)}`);
  }
  return answerJson({ link: { rel: "self", href: call.uri }, topics: found.map(topicJson) });
}

async function getTopic(call: Call, services: HttpServices): Promise<Response> {
  const id = topicId(call);
  const topic = await readsOf(services).get(id);
  if (topic === undefined) throw unknown(`unknown topic: "${id}"`);
  return answerJson(topicJson(topic));
}

async function deleteTopic(call: Call, services: HttpServices): Promise<Response> {
  const [topic = ""] = topicId(call).split("/");
  await services.topics.delete(topic);
  return answerNothing();
}

async function listEvents(call: Call, services: HttpServices): Promise<Response> {
  const topic = call.params["topic"] ?? "";
  const events = await readsOf(services).events(topic, readMinLevel(call.query));
  if (events === undefined) throw failure(`failed to get topic events: unknown topic "${topic}"`);
  return answerJson({
    link: { rel: "self", href: call.uri },
    topic,
    events: events.map((event) => eventJson(topic, event)),
  });
}

async function getEvent(call: Call, services: HttpServices): Promise<Response> {
  const topic = call.params["topic"] ?? "";
  const id = call.params["*"] ?? "";
  const event = await readsOf(services).event(topic, id);
  if (event === undefined) throw unknown(`unknown event "${id}" in topic "${topic}"`);
  return answerJson(eventJson(topic, event));
}

function topicId(call: Call): string {
  const id = call.params["*"] ?? "";
  if (id === "") throw badRequest("must specify topic id on path");
  return id;
}

function readMinLevel(query: URLSearchParams): Level {
  const text = query.get("min-level") ?? "";
  const level = text === "" ? 0 : parseLevel(text);
  if (level === undefined) throw badRequest(`unknown alert level '${text.toUpperCase()}'`);
  return level;
}

function topicJson(topic: TopicInfo): unknown {
  const path = `/alerts/topics/${topic.id}`;
  return {
    link: link(path),
    id: topic.id,
    level: levelName(topic.level),
    collected: topic.collected,
    "events-link": link(`${path}/events`, "events"),
    "handlers-link": link(`${path}/handlers`, "handlers"),
  };
}

function eventJson(topic: string, event: EventState): unknown {
  return {
    link: link(`/alerts/topics/${topic}/events/${event.id}`),
    id: event.id,
    state: {
      message: event.message,
      details: event.details,
      time: formatTime(event.time.ms, event.time.ns),
      duration: formatGoDuration(event.duration),
      level: levelName(event.level),
    },
  };
}
