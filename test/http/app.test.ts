import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import { createApp } from "#http/app.ts";
import { firstJson, readBody, unpack } from "#http/body.ts";
import { URL_LENGTH_MAX, WRITES_IN_FLIGHT_MAX } from "#http/limits.ts";
import { cleanPath } from "#http/request-path.ts";
import { fakeServices } from "./fake-services.ts";

const root = "http://localhost/kapacitor/v1";

async function errorOf(response: Response): Promise<string> {
  return JSON.parse(await response.text()).error;
}

test.each([
  "http://h",
  "https://h",
  "http://localhost:9092",
  "https://localhost:9092",
  "https://[::1]:1",
])("%s finds its routes, bodies included", async (origin) => {
  const services = fakeServices();
  const app = createApp(services);
  const ping = await app.handle(new Request(`${origin}/kapacitor/v1/ping`));
  expect(ping.status).toBe(204);
  const write = { method: "POST", body: "cpu usage=1 5" };
  const written = await app.handle(new Request(`${origin}/write?db=d`, write));
  expect([written.status, services.engine.written.length]).toEqual([204, 1]);
  const none = await app.handle(new Request(`${origin}/kapacitor/v1/tasks/none?dot-view=labels`));
  expect(await errorOf(none)).toBe("no task exists");
});

describe("packing", () => {
  test("an answer is packed when the client can unpack, and says the same", async () => {
    const app = createApp(fakeServices());
    const headers = { "Accept-Encoding": "deflate, gzip;q=1.0" };
    const packed = await app.handle(new Request(`${root}/tasks`, { headers }));
    expect(packed.headers.get("Content-Encoding")).toBe("gzip");
    expect(gunzipSync(await packed.arrayBuffer()).toString()).toBe('{\n    "tasks": []\n}');
  });

  test("a packed write arrives unpacked", async () => {
    const services = fakeServices();
    const response = await createApp(services).handle(
      new Request("http://localhost/write?db=d&precision=ms", {
        method: "POST",
        headers: { "Content-Encoding": "gzip" },
        body: gzipSync("cpu usage=1 5\n"),
      }),
    );
    expect(response.status).toBe(204);
    const [chunk] = services.engine.written;
    expect(new TextDecoder().decode(chunk?.body)).toBe("cpu usage=1 5\n");
    expect([chunk?.db, chunk?.rp, chunk?.precision]).toEqual(["d", "", "ms"]);
  });

  test("a body that unpacks beyond the bound is refused, up to the bound it is taken", () => {
    const bomb = gzipSync(Buffer.alloc(10_001));
    expect(unpack(bomb, 10_001).length).toBe(10_001);
    expect(() => unpack(bomb, 10_000)).toThrow("request body unpacks to more than 10000 bytes");
  });
});

describe("bounds", () => {
  const sized = (body: string): Request =>
    new Request("http://localhost/", { method: "POST", body });
  const streamed = (...chunks: string[]): Request => {
    const body = new ReadableStream({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
        controller.close();
      },
    });
    return new Request("http://localhost/", { method: "POST", body });
  };

  test.each([
    ["a sized body", () => sized("12345")],
    ["a body in pieces", () => streamed("123", "45")],
  ])("%s is taken up to the bound and refused beyond", async (_, make) => {
    expect(new TextDecoder().decode(await readBody(make(), 5))).toBe("12345");
    expect(readBody(make(), 4)).rejects.toThrow("request body is too large, at most 4 bytes");
  });

  test("a URL beyond the bound is refused in the API's shape", async () => {
    const app = createApp(fakeServices());
    const url = `${root}/tasks?pattern=${"a".repeat(URL_LENGTH_MAX)}`;
    const response = await app.handle(new Request(url));
    expect(response.status).toBe(414);
    expect(await errorOf(response)).toContain("URL is too long");
  });

  test("headers beyond the bound are refused in the API's shape", async () => {
    const app = createApp(fakeServices());
    const headers = { "X-Long": "a".repeat(300_000) };
    const response = await app.handle(new Request(`${root}/tasks`, { headers }));
    expect(response.status).toBe(431);
    expect(await errorOf(response)).toContain("headers are too long");
  });

  test("one write too many is refused, and taken again when another has ended", async () => {
    const services = fakeServices();
    const held: (() => void)[] = [];
    const engine = Object.assign(Object.create(services.engine), {
      write: () =>
        new Promise((resolve) => held.push(() => resolve({ kind: "written", points: 1 }))),
    });
    const app = createApp({ ...services, engine });
    const write = () =>
      app.handle(new Request("http://localhost/write?db=d", { method: "POST", body: "c u=1" }));
    const running = Array.from({ length: WRITES_IN_FLIGHT_MAX }, write);
    while (held.length < WRITES_IN_FLIGHT_MAX) await Promise.resolve();
    const refused = await write();
    expect(refused.status).toBe(503);
    expect(refused.headers.get("Retry-After")).toBe("1");
    expect(await refused.text()).toContain(`at most ${WRITES_IN_FLIGHT_MAX}`);
    for (const release of held.splice(0)) release();
    expect((await Promise.all(running)).every(({ status }) => status === 204)).toBe(true);
    const again = write();
    while (held.length === 0) await Promise.resolve();
    held[0]?.();
    expect((await again).status).toBe(204);
  });
});

describe("authentication", () => {
  const secret = "s3cret";
  const app = createApp(fakeServices({ authEnabled: true, sharedSecret: secret }));
  const token = (head: unknown, claims: unknown, key = secret): string => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const text = `${part(head)}.${part(claims)}`;
    return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
  };
  const hs256 = { alg: "HS256", typ: "JWT" };
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

  test.each([
    ["nothing", undefined, "unable to parse authentication credentials"],
    ["another scheme", "Token x", "unable to parse authentication credentials"],
    ["an empty user", basic(":p"), "username required"],
    ["half a token", "Bearer a.b", "invalid token: token contains an invalid number of segments"],
    [
      "a token of another method",
      `Bearer ${token({ alg: "none" }, { username: "a", exp: 9e9 })}`,
      "invalid token: unexpected signing method: none",
    ],
    [
      "a token signed by another",
      `Bearer ${token(hs256, { username: "a", exp: 9e9 }, "other")}`,
      "invalid token: signature is invalid",
    ],
    [
      "an old token",
      `Bearer ${token(hs256, { username: "a", exp: 1000 })}`,
      "invalid token: Token is expired",
    ],
    ["a token for ever", `Bearer ${token(hs256, { username: "a" })}`, "token expiration required"],
    [
      "a token of nobody",
      `Bearer ${token(hs256, { username: "", exp: 9e9 })}`,
      "token must contain a username",
    ],
    [
      "a token of a number",
      `Bearer ${token(hs256, { username: 5, exp: 9e9 })}`,
      "username in token must be a string",
    ],
  ])("%s is refused, compactly", async (_, authorization, error) => {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    const response = await app.handle(new Request(`${root}/tasks`, { headers }));
    expect(response.status).toBe(401);
    expect(await response.text()).toBe(JSON.stringify({ error, message: error }));
  });

  test.each([
    ["a good token", { authorization: `Bearer ${token(hs256, { username: "a", exp: 9e9 })}` }, ""],
    ["a name and password", { authorization: basic("bob:p") }, ""],
    ["a subscription token", { authorization: basic("~subscriber:t") }, ""],
    ["query parameters", {}, "?u=bob&p=secret"],
  ])("%s is let in", async (_, headers, query) => {
    const response = await app.handle(new Request(`${root}/tasks${query}`, { headers }));
    expect(response.status).toBe(200);
  });

  test("HEAD and OPTIONS need no credentials", async () => {
    for (const method of ["HEAD", "OPTIONS"]) {
      const response = await app.handle(new Request(`${root}/ping`, { method }));
      expect(response.status).toBeLessThan(300);
    }
  });

  test("counters are open only when profiling is", async () => {
    const open = createApp(fakeServices({ authEnabled: true, pprofEnabled: true }));
    expect((await open.handle(new Request(`${root}/debug/vars`))).status).toBe(200);
    expect((await app.handle(new Request(`${root}/debug/vars`))).status).toBe(401);
  });
});

test("the access log names the request and hides the password", async () => {
  const services = fakeServices({ logEnabled: true });
  const request = new Request(`${root}/ping?u=bob&p=secret`, { headers: { "User-Agent": "x" } });
  await createApp(services).handle(request, { address: "10.0.0.1", keepOpen: () => {} });
  const entry = services.logged.find(({ message }) => message === "http request");
  expect(entry?.context).toEqual({ service: "http" });
  expect(entry?.fields).toMatchObject({
    host: "10.0.0.1",
    method: "GET",
    uri: "/kapacitor/v1/ping?u=bob&p=[REDACTED]",
    status: 204,
    "user-agent": "x",
    referer: "-",
  });
});

describe("log sessions", () => {
  async function firstLines(query: string, accept: string, entries: number) {
    const services = fakeServices();
    let kept = false;
    const response = await createApp(services).handle(
      new Request(`http://localhost/kapacitor/v1preview/logs${query}`, {
        headers: { Accept: accept, "Accept-Encoding": "gzip" },
      }),
      { address: "-", keepOpen: () => (kept = true) },
    );
    const task = services.log.with({ service: "kapacitor", task: "t1" });
    task.debug("starting next batch query", { query: "SELECT 1" });
    task.error("node failed", { err: new Error("x=1") });
    const reader = response.body?.getReader();
    let text = "";
    for (let i = 0; i < entries; i++)
      text += new TextDecoder().decode((await reader?.read())?.value);
    await reader?.cancel();
    return { response, text, kept, services };
  }

  test("entries come as logfmt, unpacked, for as long as the client listens", async () => {
    const { response, text, kept, services } = await firstLines("?task=t1", "*/*", 2);
    expect(text).toBe(
      'ts=2026-11-22T06:27:41.677Z lvl=debug msg="starting next batch query" service=kapacitor task=t1 query="SELECT 1"\n' +
        'ts=2026-11-22T06:27:41.677Z lvl=error msg="node failed" service=kapacitor task=t1 err="x=1"\n',
    );
    expect(response.headers.get("Content-Type")).toBe("application/logfmt");
    expect(response.headers.get("Content-Encoding")).toBeNull();
    expect(kept).toBe(true);
    const messages = services.logged.map(({ message }) => message);
    expect(messages[0]).toBe("created log session");
    expect(messages.at(-1)).toBe("deleted log session");
  });

  test("entries come as JSON when exactly that is asked for", async () => {
    const { text } = await firstLines("?task=t1&lvl=error", "application/json", 1);
    expect(text).toBe(
      '{"ts":"2026-11-22T06:27:41.677Z","lvl":"error","msg":"node failed","service":"kapacitor","task":"t1","err":"x=1"}\n',
    );
  });

  test("a minimum level takes what is above", async () => {
    const { text } = await firstLines("?task=t1&lvl=info%2B", "*/*", 1);
    expect(text).toContain("node failed");
  });
});

test("the API's description names every route", async () => {
  const response = await createApp(fakeServices()).handle(new Request(`${root}/openapi.json`));
  const document = JSON.parse(await response.text());
  expect(Object.keys(document.paths)).toContain("/kapacitor/v1/tasks/{id}");
  expect(document.paths["/kapacitor/v1/tasks"].post.requestBody.content).toBeDefined();
});

test("the page for people names every built route and asks nothing of the outside", async () => {
  const response = await createApp(fakeServices()).handle(new Request(`${root}/docs`));
  const html = await response.text();
  expect(response.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
  for (const path of [
    "/kapacitor/v1/tasks/…",
    "/kapacitor/v1/write",
    "/kapacitor/v1preview/logs",
  ]) {
    expect(html).toContain(`<code>${path}</code>`);
  }
  expect(html).not.toMatch(/<script|https?:|url\(/);
});

test("a backup has its exact length and is not packed", async () => {
  const services = fakeServices();
  const store = Object.assign(Object.create(services.store), {
    backup: () => new Uint8Array([1, 2, 3]),
  });
  const headers = { "Accept-Encoding": "gzip" };
  const app = createApp({ ...services, store });
  const response = await app.handle(new Request(`${root}/storage/backup`, { headers }));
  expect(response.headers.get("Content-Length")).toBe("3");
  expect(response.headers.get("Content-Type")).toBe("application/octet-stream");
  expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([1, 2, 3]);
});

test.each([
  ["/a/b", "/a/b"],
  ["/a//b", "/a/b"],
  ["//a/b/", "/a/b/"],
  ["/a/./b", "/a/b"],
  ["/a/../b", "/b"],
  ["/../..", "/"],
  ["/a/b/..", "/a/"],
  ["/a/.hidden", "/a/.hidden"],
])("%p cleaned is %p", (path, clean) => {
  expect(cleanPath(path)).toBe(clean);
});

test.each([
  ['{"a":1} {"b":2}', { a: 1 }],
  [' [1,"]"]x', [1, "]"]],
  ['"a\\"b"c', 'a"b'],
  ["5,6", 5],
  ["true\n", true],
  ["null", null],
])("the first value of %p is %p", (text, value) => {
  expect(firstJson(text)).toEqual({ ok: true, value });
});
