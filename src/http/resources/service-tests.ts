/** `/service-tests`: tries the connection to another service. Source: http-api §9. */

import { errorMessage } from "#lib/errors.ts";
import { compileGlob, type Glob } from "#lib/glob.ts";
import { compareBytes, encodeJson } from "#lib/json.ts";
import { link } from "../answer.ts";
import { readJson } from "../body.ts";
import { badRequest, notBuilt, unknown } from "../errors.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices, ServiceTest } from "../services.ts";

export const serviceTests = defineResource({
  name: "service-tests",
  doc: "Self-tests of the services this daemon can talk to, also of those that are not enabled.",
  routes: [
    {
      method: "GET",
      path: "/service-tests",
      summary: "Lists services with the options of their tests, by name.",
      query: { pattern: "Glob over names; empty takes all." },
      answers: { 200: '{"link", "services": […]}', 400: "error" },
      answer: listTests,
    },
    {
      method: "GET",
      path: "/service-tests/*",
      summary: "Shows one service.",
      answers: { 200: "the service", 400: "error", 404: "error" },
      answer: getTest,
    },
    {
      method: "POST",
      path: "/service-tests/*",
      summary: "Runs a test; options that are not given keep their defaults.",
      answers: { 200: '{"success", "message"}', 400: "error", 404: "error" },
      answer: runTest,
    },
  ],
});

/** Compact with a final line feed, unlike other resources. */
function answerLine(value: unknown): Response {
  return new Response(`${encodeJson(value)}\n`);
}

function testsOf(services: HttpServices): readonly ServiceTest[] {
  if (services.serviceTests === undefined) throw notBuilt("service tests are");
  return services.serviceTests.toSorted((a, b) => compareBytes(a.name, b.name));
}

function listTests(call: Call, services: HttpServices): Response {
  const tests = testsOf(services);
  const glob = readGlob(call.query.get("pattern") ?? "");
  return answerLine({
    link: { rel: "self", href: call.uri },
    services: tests.filter(({ name }) => glob(name)).map(testJson),
  });
}

function readGlob(pattern: string): Glob {
  try {
    return compileGlob(pattern);
  } catch (error) {
    throw badRequest(`bad pattern: ${errorMessage(error)}`);
  }
}

function getTest(call: Call, services: HttpServices): Response {
  return answerLine(testJson(testOf(call, services)));
}

async function runTest(call: Call, services: HttpServices): Promise<Response> {
  const test = testOf(call, services);
  const body = await readJson(call.request);
  if (!body.ok) throw badRequest(`failed to decode JSON body:${body.error}`);
  const error = await test.run(merged(test.options, body.value ?? {}));
  return answerLine({ success: error === undefined, message: error ?? "" });
}

/** Defaults with what was given over them; null gives nothing, unknown members are ignored. */
function merged(options: ServiceTest["options"], given: unknown): ServiceTest["options"] {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw badRequest(`failed to decode JSON body:json: cannot unmarshal ${kindOf(given)}`);
  }
  const sent = new Map(Object.entries(given));
  const entries = Object.entries(options).map(([key, initial]) => {
    const value: unknown = sent.get(key) ?? initial;
    // Only lists are null by default.
    const wanted = initial === null ? "array" : kindOf(initial);
    if (value !== null && kindOf(value) !== wanted) {
      const what = `json: cannot unmarshal ${kindOf(value)} into Go struct field .${key}`;
      throw badRequest(`failed to decode JSON body:${what}`);
    }
    return [key, value] as const;
  });
  return Object.fromEntries(entries);
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : typeof value;
}

function testOf(call: Call, services: HttpServices): ServiceTest {
  const name = call.params["*"] ?? "";
  if (name === "") throw badRequest("must provide service name");
  const test = testsOf(services).find((known) => known.name === name);
  if (test === undefined) throw unknown(`service "${name}" not found`);
  return test;
}

function testJson(test: ServiceTest): unknown {
  return {
    link: link(`/service-tests/${test.name}`),
    name: test.name,
    options: test.options,
  };
}
