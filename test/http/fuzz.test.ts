import { expect, test } from "bun:test";
import fc from "fast-check";
import { createApp } from "#http/app.ts";
import { resources } from "#http/resources/registry.ts";
import type { Route } from "#http/route.ts";
import { fakeServices } from "./fake-services.ts";

/**
 * Any request to any route gets an answer of the API: never a crash, never an unforeseen failure, errors always
 * in the API's shape. Requests are made from the routes themselves, with bodies between valid and absurd.
 */

const routes = resources.flatMap(({ routes: own }) => own);

const word = fc.oneof(
  fc.constantFrom("t1", "app", "system", "slack", "", ".", "..", "%00", "a%2Fb", "__proto__"),
  fc.string({ maxLength: 20 }).map((text) => encodeURIComponent(text.toWellFormed())),
);

function pathOf(route: Route): fc.Arbitrary<string> {
  const root = route.root === "preview" ? "/kapacitor/v1preview" : "/kapacitor/v1";
  const parts = route.path
    .split("/")
    .map((part) => (/^(:|\*)/.test(part) ? word : fc.constant(part)));
  return fc.tuple(...parts).map((filled) => root + filled.join("/"));
}

const known = fc.record(
  {
    id: fc.oneof(fc.constantFrom("t1", "h1", "bad id"), fc.anything()),
    script: fc.oneof(
      fc.constantFrom('dbrp "a"."b" stream|from()', "batch|nothing()"),
      fc.anything(),
    ),
    status: fc.oneof(fc.constantFrom("enabled", "disabled"), fc.anything()),
    "template-id": fc.oneof(fc.constant("tm"), fc.anything()),
    dbrps: fc.oneof(fc.constant([{ db: "a", rp: "b" }]), fc.anything()),
    vars: fc.oneof(fc.constant({ m: { type: "int", value: 1 } }), fc.anything()),
    kind: fc.oneof(fc.constantFrom("log", "bogus"), fc.anything()),
    options: fc.oneof(fc.constant({ path: "/x" }), fc.anything()),
    match: fc.anything(),
    level: fc.oneof(fc.constant("info"), fc.anything()),
    action: fc.anything(),
    "rpc-address": fc.anything(),
  },
  { requiredKeys: [] },
);

const body = fc.oneof(
  known.map(text),
  fc
    .array(fc.record({ op: fc.constantFrom("add", "remove", "move"), path: fc.string() }))
    .map(text),
  fc.anything().map(text),
  fc.string(),
);

function text(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return "{";
  }
}

const query = fc.oneof(
  fc.constantFrom(
    "",
    "?limit=1",
    "?db=d&precision=x",
    "?pattern=%5B",
    "?min-level=x",
    "?force=true",
  ),
  fc.string({ maxLength: 30 }).map((raw) => `?${raw.toWellFormed().replaceAll("#", "")}`),
);

/** Statuses that say "known, refused": 501 not built, 503 too much, 500 with a foreseen text. */
const REFUSED_BY_FAKES = /^failed to|does not start|not allowed|already exists|is on fire/;

test("2,000 requests of any kind are answered in the API's shape", async () => {
  const services = fakeServices();
  const app = createApp(services);
  const request = fc
    .constantFrom(...routes.filter(({ path }) => path !== "/logs"))
    .chain((route) => fc.tuple(fc.constant(route.method), pathOf(route), query, body));
  await fc.assert(
    fc.asyncProperty(request, async ([method, path, search, content]) => {
      const withBody = method !== "GET" && method !== "HEAD";
      const response = await app.handle(
        new Request(`http://localhost${path}${search}`, {
          method,
          ...(withBody ? { body: content } : {}),
        }),
      );
      const answer = await response.text();
      expect(response.headers.get("Request-Id")).not.toBeNull();
      if (response.status < 400) return;
      if (path.endsWith("/write")) return;
      const { error, message } = JSON.parse(answer);
      expect(error).toBe(message);
      if (response.status === 500) expect(error).toMatch(REFUSED_BY_FAKES);
      else expect([400, 404, 501]).toContain(response.status);
    }),
    { numRuns: 2000 },
  );
  const unforeseen = services.logged.filter(({ message }) => message === "request failed");
  expect(unforeseen).toEqual([]);
});
