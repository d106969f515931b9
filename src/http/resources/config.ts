/**
 * `/config`: sections that can be changed while the daemon runs. Source: http-api §8.
 *
 * A path names a section, and behind a slash one of its elements; sections that are one table have the element "".
 * Bodies are one line of JSON with a line feed, unlike those of other resources.
 */

import { Type } from "@sinclair/typebox";
import { readAction, type Target } from "#config/override-action.ts";
import type { ConfigService } from "#config/overrides.ts";
import type { ElementView } from "#config/redact.ts";
import { encodeJson } from "#lib/json.ts";
import { answerNothing, link } from "../answer.ts";
import { readJson } from "../body.ts";
import { ApiError, badRequest, failure, notBuilt, unknown } from "../errors.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

/** What this resource needs beside the services all share. */
export interface ConfigServices {
  /** Absent where nothing can be changed; the routes then answer 501. */
  readonly config?: ConfigService | undefined;
}

const ActionBody = Type.Object({
  set: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  delete: Type.Optional(Type.Array(Type.String())),
  add: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  remove: Type.Optional(Type.Array(Type.String())),
});

export const config = defineResource({
  name: "config",
  doc: "Configuration sections and the changes laid over the file.",
  routes: [
    {
      method: "GET",
      path: "/config",
      summary: "Shows every section that can be changed.",
      answers: { 200: '{"link", "sections": {…}}', 403: "error" },
      answer: showAll,
    },
    {
      method: "GET",
      path: "/config/*",
      summary: "Shows a section, or with /NAME one of its elements; secrets as true or false.",
      answers: { 200: "the section or element", 400: "error", 403: "error", 404: "error" },
      answer: showOne,
    },
    {
      method: "POST",
      path: "/config/*",
      summary: "Sets and deletes options of an element, or adds and removes elements of a section.",
      body: ActionBody,
      answers: { 204: "changed", 400: "error", 403: "error", 500: "a service refused" },
      answer: change,
    },
  ],
});

type Services = HttpServices & ConfigServices;

function configOf(services: Services): ConfigService {
  if (services.config === undefined)
    throw notBuilt("changing the configuration through the API is");
  if (!services.config.isEnabled) throw new ApiError(403, "config override service is not enabled");
  return services.config;
}

function showAll(_call: Call, services: Services): Response {
  const sections = [...configOf(services).views()].map(
    ([name, elements]) => [name, sectionJson(name, elements)] as const,
  );
  return answerLine({ link: link("/config"), sections: Object.fromEntries(sections) });
}

function showOne(call: Call, services: Services): Response {
  const service = configOf(services);
  const { section, element } = targetOf(call);
  const elements = service.view(section);
  if (elements === undefined) throw unknown(`unknown section: ${section}`);
  if (element === undefined) return answerLine(sectionJson(section, elements));
  const found = elements.find((each) => each.element === element);
  if (found === undefined) throw unknown(`unknown section/element: ${section}/${element}`);
  return answerLine(elementJson(section, found));
}

async function change(call: Call, services: Services): Promise<Response> {
  const service = configOf(services);
  const target = targetOf(call);
  const body = await readJson(call.request);
  const action = body.ok ? readAction(body.value) : body.error;
  if (typeof action === "string") throw badRequest(`failed to decode JSON:${action}`);
  const outcome = await service.update(target, action);
  switch (outcome.kind) {
    case "done":
      return answerNothing();
    case "refused":
      throw badRequest(outcome.error);
    case "failed":
      throw failure(outcome.error);
  }
}

/** `smtp` → the section; `smtp/` → its element ""; `influxdb/x` → the element x. */
function targetOf(call: Call): Target {
  const path = call.params["*"] ?? "";
  if (path === "") throw badRequest("section not specified, do you have an extra trailing '/'?");
  const slash = path.indexOf("/");
  if (slash < 0) return { section: path, element: undefined };
  return { section: path.slice(0, slash), element: path.slice(slash + 1) };
}

function sectionJson(section: string, elements: readonly ElementView[]): unknown {
  return {
    link: link(`/config/${section}`),
    elements: elements.map((element) => elementJson(section, element)),
  };
}

function elementJson(section: string, { element, options, redacted }: ElementView): unknown {
  return { link: link(`/config/${section}/${element}`), options, redacted };
}

function answerLine(value: unknown): Response {
  return new Response(`${encodeJson(value)}\n`);
}
