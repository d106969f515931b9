/**
 * `/alerts/topics/T/handlers`: who is told of a topic's events. Source: http-api §7.3, cluster-behaviour U21.
 *
 * Edits are replicated to all members and refused while an owner of the topic cannot be reached, unless
 * `force=true`. Any POST below a topic creates a handler, as clients of the original may rely on.
 */

import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { HandlerSpec } from "#alert/handler.ts";
import type { HandlerEdit } from "#alert/ports.ts";
import { errorMessage } from "#lib/errors.ts";
import { compileGlob } from "#lib/glob.ts";
import { isAllowedId } from "#tasks/ids.ts";
import { answerJson, answerNothing, link, sortedDeep } from "../answer.ts";
import { readJson } from "../body.ts";
import { badRequest, failure, unknown } from "../errors.ts";
import { applyPatch } from "../json-patch.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

const text = Type.Optional(Type.Union([Type.String(), Type.Null()]));

/** Options are checked by the handler's kind, not here. */
export const HandlerBody = Type.Object({
  id: text,
  topic: text,
  kind: text,
  match: text,
  options: Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])),
});

const FORCE = { force: "true: edit although an owner of the topic cannot be reached." } as const;
const edits = { 400: "error", 500: "error" } as const;

export const handlers = defineResource({
  name: "handlers",
  doc: "Topic handlers.",
  routes: [
    {
      method: "GET",
      path: "/alerts/topics/:topic/handlers",
      summary: "Lists a topic's handlers by ID.",
      query: { pattern: "Glob over IDs; empty takes all." },
      answers: { 200: '{"link", "topic", "handlers": […]}', 400: "error" },
      answer: listHandlers,
    },
    {
      method: "GET",
      path: "/alerts/topics/:topic/handlers/*",
      summary: "Shows a handler.",
      answers: { 200: "the handler", 404: "error" },
      answer: getHandler,
    },
    {
      method: "POST",
      path: "/alerts/topics/*",
      summary: "Creates a handler of the topic, whatever follows the topic's ID.",
      query: FORCE,
      body: HandlerBody,
      answers: { 200: "the handler", ...edits },
      answer: createHandler,
    },
    {
      method: "PUT",
      path: "/alerts/topics/:topic/handlers/*",
      summary: "Replaces a handler; its ID may change.",
      query: FORCE,
      body: HandlerBody,
      answers: { 200: "the handler", 404: "error", ...edits },
      answer: replaceHandler,
    },
    {
      method: "PATCH",
      path: "/alerts/topics/:topic/handlers/*",
      summary: "Changes a handler by a JSON Patch (RFC 6902).",
      query: FORCE,
      answers: { 200: "the handler", 404: "error", ...edits },
      answer: patchHandler,
    },
    {
      method: "DELETE",
      path: "/alerts/topics/:topic/handlers/*",
      summary: "Deletes a handler.",
      query: FORCE,
      answers: { 204: "gone, or was never there", 500: "error" },
      answer: deleteHandler,
    },
  ],
});

function listHandlers(call: Call, services: HttpServices): Response {
  const topic = topicOf(call);
  const glob = readGlob(call.query.get("pattern") ?? "");
  const found = services.handlers.list(topic).filter((spec) => glob(spec.id));
  return answerJson({
    link: { rel: "self", href: call.uri },
    topic,
    handlers: found.map(handlerJson),
  });
}

function readGlob(pattern: string) {
  try {
    return compileGlob(pattern);
  } catch (error) {
    throw badRequest(`invalid pattern: ${errorMessage(error)}`);
  }
}

function getHandler(call: Call, services: HttpServices): Response {
  return answerJson(handlerJson(known(call, services)));
}

async function createHandler(call: Call, services: HttpServices): Promise<Response> {
  const [topic = ""] = (call.params["*"] ?? "").split("/");
  if (topic === "") throw badRequest("must specify topic id on path");
  const spec = await readSpec(call, topic);
  check("create", await services.handlers.create(spec, isForced(call)));
  return answerJson(handlerJson(spec));
}

async function replaceHandler(call: Call, services: HttpServices): Promise<Response> {
  const old = known(call, services);
  const spec = await readSpec(call, old.topic);
  check("update", await services.handlers.replace(old.topic, old.id, spec, isForced(call)));
  return answerJson(handlerJson(spec));
}

async function patchHandler(call: Call, services: HttpServices): Promise<Response> {
  const old = known(call, services);
  const patch = await readJson(call.request);
  if (!patch.ok) throw badRequest(`invalid patch json: ${patch.error}`);
  const patched = applyPatch(documentOf(old), patch.value);
  if (patched.kind === "malformed") throw badRequest(`invalid patch json: ${patched.error}`);
  if (patched.kind === "failed") throw badRequest(`failed to apply patch: ${patched.error}`);
  const spec = checkedSpec(patched.document, old.topic);
  check("update", await services.handlers.replace(old.topic, old.id, spec, isForced(call)));
  return answerJson(handlerJson(spec));
}

async function deleteHandler(call: Call, services: HttpServices): Promise<Response> {
  const id = call.params["*"] ?? "";
  const topic = topicOf(call);
  if (services.handlers.get(topic, id) === undefined) return answerNothing();
  check("delete", await services.handlers.delete(topic, id, isForced(call)));
  return answerNothing();
}

function topicOf(call: Call): string {
  return call.params["topic"] ?? "";
}

function isForced(call: Call): boolean {
  return call.query.get("force") === "true";
}

function known(call: Call, services: HttpServices): HandlerSpec {
  const id = call.params["*"] ?? "";
  const spec = services.handlers.get(topicOf(call), id);
  if (spec === undefined) throw unknown(`unknown handler: "${id}"`);
  return spec;
}

function check(verb: "create" | "update" | "delete", edit: HandlerEdit): void {
  if (edit.kind === "refused") throw failure(`failed to ${verb} handler: ${edit.error}`);
}

async function readSpec(call: Call, topic: string): Promise<HandlerSpec> {
  const body = await readJson(call.request);
  if (!body.ok) throw badRequest(`invalid handler json: ${body.error}`);
  return checkedSpec(body.value, topic);
}

function checkedSpec(value: unknown, topic: string): HandlerSpec {
  if (!Value.Check(HandlerBody, value)) {
    const first = Value.Errors(HandlerBody, value).First();
    const where = first?.path === "" ? "body" : (first?.path ?? "body").slice(1);
    throw badRequest(`invalid handler json: ${where} has the wrong type`);
  }
  const spec = specOf(value, topic);
  const wrong = wrongId("topic", spec.topic) ?? wrongId("handler", spec.id);
  if (wrong !== undefined) throw badRequest(`invalid handler spec: ${wrong}`);
  if (spec.kind === "") throw badRequest("invalid handler spec: handler Kind must not be empty");
  return spec;
}

function wrongId(noun: "topic" | "handler", id: string): string | undefined {
  if (isAllowedId(id)) return undefined;
  return `${noun} ID must contain only letters, numbers, '-', '.' and '_'. "${id}"`;
}

function specOf(body: Static<typeof HandlerBody>, topic: string): HandlerSpec {
  return {
    id: body.id ?? "",
    topic,
    kind: body.kind ?? "",
    match: body.match ?? "",
    options: body.options ?? null,
  };
}

/** What a patch sees. */
function documentOf(spec: HandlerSpec): Record<string, unknown> {
  const { id, topic, kind, options, match } = spec;
  return { id, topic, kind, options: structuredClone(options), match };
}

function handlerJson(spec: HandlerSpec): unknown {
  return {
    link: link(`/alerts/topics/${spec.topic}/handlers/${spec.id}`),
    id: spec.id,
    kind: spec.kind,
    options: sortedDeep(spec.options),
    match: spec.match,
  };
}
