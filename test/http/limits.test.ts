/** Both sides of every bound of the HTTP face: what just fits is taken, what is beyond is refused in the API's shape. */

import { describe, expect, test } from "bun:test";
import { createApp } from "#http/app.ts";
import { unfinishedBodies } from "#http/body.ts";
import {
  HEADERS_LENGTH_MAX,
  HEAP_SNAPSHOT_BYTES_MAX,
  JSON_BODY_BYTES_MAX,
  JSON_DEPTH_MAX,
  LOG_SESSION_ENTRIES_MAX,
  LOG_SESSIONS_MAX,
  PROFILE_SECONDS_MAX,
  URL_LENGTH_MAX,
  WRITE_BODY_BYTES_MAX,
} from "#http/limits.ts";
import { GLOB_LENGTH_MAX } from "#lib/glob.ts";
import { type FakeServices, fakeServices } from "./fake-services.ts";

const ORIGIN = "http://localhost";
const V1 = "/kapacitor/v1";

async function ask(path: string, init: RequestInit = {}, services = fakeServices()) {
  const response = await createApp(services).handle(new Request(ORIGIN + path, init));
  const text = await response.text();
  return { status: response.status, text, headers: response.headers };
}

const errorOf = ({ text }: { readonly text: string }): string => {
  const { error, message } = JSON.parse(text);
  expect(message).toBe(error);
  return error;
};

const post = (body: string, headers: Record<string, string> = {}): RequestInit => ({
  ...{ method: "POST", body, headers },
});

describe("bodies", () => {
  test("of JSON", async () => {
    const level = '{"level":"debug"}';
    const fits = level.padEnd(JSON_BODY_BYTES_MAX);
    expect((await ask(`${V1}/loglevel`, post(fits))).status).toBe(204);
    const refused = await ask(`${V1}/loglevel`, post(`${fits} `));
    expect([refused.status, errorOf(refused)]).toEqual([
      413,
      `request body is too large, at most ${JSON_BODY_BYTES_MAX} bytes are accepted`,
    ]);
  });

  test("of points, by what they announce", async () => {
    const announced = (bytes: number) =>
      ask("/write?db=d", post("cpu v=1", { "Content-Length": String(bytes) }));
    expect((await announced(WRITE_BODY_BYTES_MAX)).status).toBe(204);
    expect(await announced(WRITE_BODY_BYTES_MAX + 1)).toMatchObject({
      status: 413,
      text: `request body is too large, at most ${WRITE_BODY_BYTES_MAX} bytes are accepted\n`,
    });
  });

  test("by their depth", async () => {
    const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
    const deep = (depth: number) => ask(`${V1}/loglevel`, post(nested(depth)));
    expect(errorOf(await deep(JSON_DEPTH_MAX))).toBe("invalid log level");
    const refused = await deep(JSON_DEPTH_MAX + 1);
    expect([refused.status, errorOf(refused)]).toEqual([
      400,
      `invalid json: exceeded max depth of ${JSON_DEPTH_MAX}`,
    ]);
  });

  test("that are unfinished are counted, with those that were given up", async () => {
    const services = fakeServices();
    const shown = async () => {
      const vars = JSON.parse((await ask(`${V1}/debug/vars`, {}, services)).text);
      const all = Object.values<{ name: string; values: Record<string, number> }>(vars.kapacitor);
      return all.find(({ name }) => name === "http")?.values;
    };
    const before = await shown();
    const body = unfinishedBodies.open(() => {});
    body.take(1234);
    expect((await shown())?.["bodies_unfinished_bytes"]).toBe(
      (before?.["bodies_unfinished_bytes"] ?? 0) + 1234,
    );
    body.close();
    expect(await shown()).toMatchObject({
      bodies_unfinished_bytes: before?.["bodies_unfinished_bytes"],
      bodies_given_up: unfinishedBodies.givenUp,
    });
  });
});

test("refusals are counted by their reason", async () => {
  const services = fakeServices({ authEnabled: true });
  const app = createApp(services);
  const send = async (path: string, init: RequestInit = {}) =>
    (await app.handle(new Request(ORIGIN + path, init))).status;
  const auth = { Authorization: `Basic ${btoa("a:b")}` };
  expect(await send(`${V1}/tasks`)).toBe(401);
  expect(await send("/write?db=full", post("cpu v=1", auth))).toBe(503);
  expect(await send("/write?db=broken", post("cpu v=1", auth))).toBe(500);
  expect(await send(`${V1}/tasks?pattern=${"a".repeat(URL_LENGTH_MAX)}`)).toBe(414);
  const vars = new Request(`${ORIGIN}${V1}/debug/vars`, { headers: auth });
  const { kapacitor } = JSON.parse(await (await app.handle(vars)).text());
  const all = Object.values<{ name: string; values: object }>(kapacitor);
  expect(all.find(({ name }) => name === "http")?.values).toMatchObject({
    requests: 4,
    requests_denied: 1,
    requests_overloaded: 1,
    requests_failed: 1,
    requests_too_large: 1,
  });
});

describe("what comes before a body", () => {
  test("the URL", async () => {
    const path = `${V1}/tasks?pattern=`;
    const fits = path + "a".repeat(URL_LENGTH_MAX - path.length + 1);
    expect((await ask(fits)).status).toBe(200);
    const refused = await ask(`${fits}a`);
    expect([refused.status, errorOf(refused)]).toEqual([
      414,
      `URL is too long, at most ${URL_LENGTH_MAX} characters are accepted`,
    ]);
  });

  test("the headers", async () => {
    const long = (length: number) => ({ headers: { x: "a".repeat(length) } });
    expect((await ask(`${V1}/tasks`, long(HEADERS_LENGTH_MAX - 1))).status).toBe(200);
    const refused = await ask(`${V1}/tasks`, long(HEADERS_LENGTH_MAX));
    expect([refused.status, errorOf(refused)]).toEqual([
      431,
      `headers are too long, at most ${HEADERS_LENGTH_MAX} characters are accepted`,
    ]);
  });

  test("globs", async () => {
    const fits = "*".repeat(GLOB_LENGTH_MAX);
    const topics = (pattern: string) => ask(`${V1}/alerts/topics?pattern=${pattern}`);
    expect((await topics(fits)).status).toBe(200);
    expect(errorOf(await topics(`${fits}*`))).toBe("invalid pattern: syntax error in pattern");
    const tasks = await ask(`${V1}/tasks?pattern=${fits}*`);
    expect([tasks.status, JSON.parse(tasks.text)]).toEqual([200, { tasks: [] }]);
  });

  test.each(["9007199254740991", "-9007199254740991", "+5", "007"])("the offset %s", async (n) => {
    expect((await ask(`${V1}/tasks?offset=${encodeURIComponent(n)}&limit=-1`)).status).toBe(200);
  });

  test.each([
    ["9007199254740992", "value out of range"],
    ["1e3", "invalid syntax"],
    [" 1", "invalid syntax"],
    ["0x10", "invalid syntax"],
    ["NaN", "invalid syntax"],
  ])("the limit %j is refused", async (n, why) => {
    const refused = await ask(`${V1}/tasks?limit=${encodeURIComponent(n)}`);
    expect(refused.status).toBe(400);
    expect(errorOf(refused)).toEndWith(`: ${why}`);
  });
});

describe("log sessions", () => {
  const open = (services: FakeServices, app = createApp(services)) =>
    app.handle(new Request(`${ORIGIN}/kapacitor/v1preview/logs?service=x`));

  test("are bounded, and one that ends makes room", async () => {
    const services = fakeServices();
    const app = createApp(services);
    const sessions: Response[] = [];
    for (let i = 0; i < LOG_SESSIONS_MAX; i++) sessions.push(await open(services, app));
    expect(sessions.every(({ status }) => status === 200)).toBe(true);
    const refused = await open(services, app);
    expect(refused.status).toBe(503);
    expect(errorOf({ text: await refused.text() })).toBe(
      `too many log sessions, at most ${LOG_SESSIONS_MAX} may be open`,
    );
    await sessions[0]?.body?.cancel();
    const again = await open(services, app);
    expect(again.status).toBe(200);
    for (const session of [...sessions.slice(1), again]) await session.body?.cancel();
  });

  test("tell a slow reader how many entries are missing", async () => {
    const services = fakeServices();
    const response = await open(services);
    const log = services.log.with({ service: "x" });
    const extra = 7;
    for (let i = 0; i < LOG_SESSION_ENTRIES_MAX + extra; i++) log.info("entry", { i });
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    for (let i = 0; i < LOG_SESSION_ENTRIES_MAX; i++)
      expect(decoder.decode((await reader?.read())?.value)).toContain(` i=${i}\n`);
    log.info("entry", { i: "last" });
    expect(decoder.decode((await reader?.read())?.value)).toContain(` missed=${extra}\n`);
    expect(decoder.decode((await reader?.read())?.value)).toContain(" i=last\n");
    await reader?.cancel();
  });
});

describe("profiles", () => {
  test("by their time", async () => {
    const profile = (seconds: number) => ask(`${V1}/debug/pprof/profile?seconds=${seconds}`);
    expect((await profile(PROFILE_SECONDS_MAX)).status).toBe(200);
    expect((await profile(PROFILE_SECONDS_MAX + 1)).status).toBe(400);
  });

  test("by the heap's size", async () => {
    const snapshot = (bytes: number) => {
      const fakes = fakeServices();
      const { profiler } = fakes.process;
      if (profiler === undefined) throw new Error("the fakes have a profiler");
      const heap = () => ({ bytes, objects: {} });
      const services = { ...fakes, process: { ...fakes.process, profiler: { ...profiler, heap } } };
      return ask(`${V1}/debug/pprof/heap?format=heapsnapshot`, {}, services);
    };
    expect((await snapshot(HEAP_SNAPSHOT_BYTES_MAX)).status).toBe(200);
    const refused = await snapshot(HEAP_SNAPSHOT_BYTES_MAX + 1);
    expect([refused.status, refused.headers.get("Retry-After")]).toEqual([503, "1"]);
    expect(errorOf(refused)).toContain("too large for a snapshot");
  });
});
