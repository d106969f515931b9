/** `/alerts/silences`: for a time, matching events are not told to handlers. Ours. */

import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { SilenceDefinitions, SilenceEdit } from "#alert/ports.ts";
import { type Silence, type SilenceDraft, silenceStatus } from "#alert/silence.ts";
import { parseInfluxDuration } from "#lib/duration.ts";
import { addDuration, formatTime, parseTime, type Time } from "#lib/time.ts";
import { answerJson, answerNothing, link } from "../answer.ts";
import { readJson } from "../body.ts";
import { ApiError, badRequest, notBuilt, unknown } from "../errors.ts";
import { choice } from "../list-params.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

const maybeText = Type.Optional(Type.Union([Type.String(), Type.Null()]));
const maybeFlag = Type.Optional(Type.Union([Type.Boolean(), Type.Null()]));

export const SilenceBody = Type.Object({
  matchers: Type.Array(
    Type.Object({
      name: Type.String({ description: "topic, id, level or tag:<key>." }),
      value: Type.String({ description: "Text, or an expression for the whole text." }),
      isRegex: maybeFlag,
      isEqual: maybeFlag,
    }),
  ),
  starts: maybeText,
  ends: maybeText,
  duration: maybeText,
  author: maybeText,
  comment: maybeText,
});

export const silences = defineResource({
  name: "silences",
  doc: "Silences: for a time, matching events change their topic's state but are not told to handlers.",
  routes: [
    {
      method: "GET",
      path: "/alerts/silences",
      summary: "Lists silences in the order in which they were made.",
      query: { status: "all (default), active, pending or expired." },
      answers: { 200: '{"link", "silences": […]}', 400: "error" },
      answer: listSilences,
    },
    {
      method: "POST",
      path: "/alerts/silences",
      summary:
        "Makes a silence; it starts now unless told otherwise and ends at a time or after a duration.",
      body: SilenceBody,
      answers: { 200: "the silence", 400: "error", 503: "there are too many" },
      answer: createSilence,
    },
    {
      method: "GET",
      path: "/alerts/silences/:id",
      summary: "Shows a silence.",
      answers: { 200: "the silence", 404: "error" },
      answer: getSilence,
    },
    {
      method: "DELETE",
      path: "/alerts/silences/:id",
      summary: "Ends a silence now; it stays in the list as expired.",
      answers: { 204: "expired", 404: "error" },
      answer: expireSilence,
    },
  ],
});

function silencesOf({ silences: found }: HttpServices): SilenceDefinitions {
  if (found === undefined) throw notBuilt("silences are");
  return found;
}

function listSilences(call: Call, services: HttpServices): Response {
  const wanted = choice(call.query, "status", ["all", "active", "pending", "expired"]);
  const now = services.clock.now();
  const found = silencesOf(services)
    .list()
    .filter((silence) => wanted === "all" || silenceStatus(silence, now) === wanted);
  return answerJson({
    link: { rel: "self", href: call.uri },
    silences: found.map((silence) => silenceJson(silence, now)),
  });
}

async function createSilence(call: Call, services: HttpServices): Promise<Response> {
  const definitions = silencesOf(services);
  const body = await readJson(call.request);
  if (!body.ok) throw badRequest(`invalid silence json: ${body.error}`);
  if (!Value.Check(SilenceBody, body.value)) {
    const first = Value.Errors(SilenceBody, body.value).First();
    const where = first === undefined || first.path === "" ? "body" : first.path.slice(1);
    throw badRequest(`invalid silence json: ${where} is missing or has the wrong type`);
  }
  const now = services.clock.now();
  const silence = edited(await definitions.create(draftOf(body.value, now)));
  return answerJson(silenceJson(silence, now));
}

function getSilence(call: Call, services: HttpServices): Response {
  const id = call.params["id"] ?? "";
  const silence = silencesOf(services).get(id);
  if (silence === undefined) throw unknown(`unknown silence: "${id}"`);
  return answerJson(silenceJson(silence, services.clock.now()));
}

async function expireSilence(call: Call, services: HttpServices): Promise<Response> {
  edited(await silencesOf(services).expire(call.params["id"] ?? ""));
  return answerNothing();
}

function edited(edit: SilenceEdit): Silence {
  if (edit.kind === "done") return edit.silence;
  switch (edit.reason) {
    case "invalid":
      throw badRequest(`invalid silence: ${edit.error}`);
    case "unknown":
      throw unknown(edit.error);
    case "full":
      throw new ApiError(503, edit.error);
  }
}

function draftOf(body: Static<typeof SilenceBody>, now: Time): SilenceDraft {
  const starts = timeOf("starts", body.starts) ?? now;
  return {
    matchers: body.matchers.map(({ name, value, isRegex, isEqual }) => ({
      ...{ name, value },
      isRegex: isRegex ?? false,
      isEqual: isEqual ?? true,
    })),
    starts,
    ends: endOf(body, starts),
    author: body.author ?? "",
    comment: body.comment ?? "",
  };
}

function endOf(body: Static<typeof SilenceBody>, starts: Time): Time {
  const ends = timeOf("ends", body.ends);
  const duration = body.duration ?? "";
  if ((ends === undefined) === (duration === "")) {
    throw badRequest("invalid silence: give either ends or duration");
  }
  if (ends !== undefined) return ends;
  const length = parseInfluxDuration(duration);
  if (length === undefined)
    throw badRequest(`invalid silence: duration ${quoted(duration)} is none`);
  return addDuration(starts.ms, starts.ns, length);
}

function timeOf(key: string, given: string | null | undefined): Time | undefined {
  if (given === undefined || given === null || given === "") return undefined;
  const time = parseTime(given);
  if (time === undefined) throw badRequest(`invalid silence: ${key} ${quoted(given)} is no time`);
  return time;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

function silenceJson(silence: Silence, now: Time): unknown {
  const { id, matchers, starts, ends, author, comment } = silence;
  return {
    link: link(`/alerts/silences/${id}`),
    id,
    status: silenceStatus(silence, now),
    matchers: matchers.map(({ name, value, isRegex, isEqual }) => ({
      ...{ name, value, isRegex, isEqual },
    })),
    starts: formatTime(starts.ms, starts.ns),
    ends: formatTime(ends.ms, ends.ns),
    author,
    comment,
  };
}
