/** The engine's outside made of a configuration: which InfluxDB, posts and their endpoints, Flux, databases to make. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readBearer } from "#auth/bearer.ts";
import { InfluxError } from "#clients/influx/client.ts";
import type { ColumnSeries } from "#clients/influx/column-series.ts";
import { InfluxSink } from "#clients/influx/point-sink.ts";
import type { DaemonConfig } from "#config/daemon-config.ts";
import { loadConfig } from "#config/load.ts";
import { parseCidrs } from "#daemon/cidrs.ts";
import { Outside } from "#daemon/outside.ts";
import { systemClock } from "#daemon/system.ts";
import { VirtualClock } from "#lib/clock.ts";
import { type LogEntry, logTo, silentLog } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { allPoints } from "#test/support/fake-outside.ts";

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

const asked: Asked[] = [];
let answer = (): Response | Promise<Response> => new Response("fine", { status: 202 });
let server: ReturnType<typeof Bun.serve>;
let base = "";
beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      asked.push({
        method: request.method,
        path: pathname + search,
        headers: Object.fromEntries(request.headers),
        body: await request.text(),
      });
      return answer();
    },
  });
  base = `http://127.0.0.1:${server.port}`;
});
afterAll(() => server.stop(true));
afterEach(() => {
  asked.length = 0;
  answer = () => new Response("fine", { status: 202 });
});

function configOf(text: string): DaemonConfig {
  const file = { path: "test.toml", text: `data_dir = "/nowhere"\n${text}` };
  return loadConfig({ file }).config;
}

function open(text: string, blocked = "") {
  let config = configOf(text);
  const outside = new Outside({
    ...{ clock: systemClock, random: new SeededRandom(1), log: silentLog },
    config: () => config,
    blocked: blocked === "" ? undefined : parseCidrs(blocked),
  });
  return {
    outside,
    change: (changed: string) => {
      config = configOf(changed);
    },
  };
}

const { signal } = new AbortController();
const QUERY = { text: "SELECT v FROM d.r.m", dimensions: [], fill: undefined };
const RANGE = {
  start: { ms: 0, ns: 0 },
  stop: { ms: 1_000, ns: 0 },
  groupOffset: undefined,
};

describe("which InfluxDB", () => {
  const two = `[[influxdb]]\nenabled = true\ndefault = true\nname = "a"\nurls = ["http://a"]
[[influxdb]]\nname = "b"\nurls = ["http://b"]\nenabled = false`;
  test.each([
    ["the default one", two, "", undefined],
    ["by name", two, "a", undefined],
    ["a disabled one", two, "b", 'no InfluxDB "b" is configured and enabled'],
    ["an unknown one", two, "c", 'no InfluxDB "c" is configured and enabled'],
    ["none", "[[influxdb]]\nenabled = false", "", "no InfluxDB is configured and enabled"],
  ])("%s", (_name, text, cluster, error) => {
    const { outside } = open(text);
    const sink = { buffer: 1, flushIntervalMs: 1_000, create: undefined, task: "t", node: "n" };
    for (const use of [
      () => outside.queries.query({ ...QUERY, cluster }),
      () => outside.queries.flux({ text: "x", cluster, org: "", orgId: "" }),
      () => outside.points.open({ ...sink, cluster }).close(),
    ]) {
      if (error === undefined) expect(use).not.toThrow();
      else expect(use).toThrow(error);
    }
  });

  test("is looked up for each query, so a changed configuration counts at once", async () => {
    const { outside, change } = open('[[influxdb]]\nurls = ["http://127.0.0.1:1"]');
    const query = outside.queries.query({ ...QUERY, cluster: "" });
    answer = () => Response.json({ results: [{ error: "asked the new one" }] });
    change(`[[influxdb]]\nurls = ["${base}"]`);
    expect(query.run(RANGE, async () => {}, signal)).rejects.toThrow("asked the new one");
    await query.run(RANGE, async () => {}, signal).catch(() => {});
    expect(decodeURIComponent(asked[0]?.path ?? "")).toContain("chunked=true");
  });

  test("with a shared secret gets a token of its user", async () => {
    const { outside } = open(
      `[http]\nshared-secret = "s3cret"\n[[influxdb]]\nurls = ["${base}"]\nusername = "kap"\nhttp-shared-secret = true`,
    );
    answer = () => Response.json({ results: [{}] });
    await outside.queries.query({ ...QUERY, cluster: "" }).run(RANGE, async () => {}, signal);
    const [scheme, token = ""] = (asked[0]?.headers["authorization"] ?? "").split(" ");
    expect(scheme).toBe("Bearer");
    expect(await readBearer(token, "s3cret", systemClock.now().ms)).toEqual({
      ok: true,
      username: "kap",
    });
  });
});

test("at most so many queries are under way", async () => {
  const { outside } = open(
    `[task]\nbatch-query-concurrency = 2\nbatch-query-jitter = "3s"\n[[influxdb]]\nurls = ["${base}"]`,
  );
  expect(outside.queries.jitterMs).toBe(3_000);
  const gate = Promise.withResolvers<void>();
  answer = async () => {
    await gate.promise;
    return Response.json({ results: [{}] });
  };
  const query = outside.queries.query({ ...QUERY, cluster: "" });
  const all = [1, 2, 3].map(() => query.run(RANGE, async () => {}, signal));
  while (asked.length < 2) await Bun.sleep(1);
  gate.resolve();
  await Promise.all(all);
  expect(asked.length).toBe(3);
});

test("a Flux answer comes as series", async () => {
  const { outside } = open(`[[influxdb]]\nurls = ["${base}"]\ntoken = "T"`);
  const text = [
    "#datatype,string,long,dateTime:RFC3339,long,string,string,string",
    "#group,false,false,false,false,true,true,true",
    "#default,_result,,,,,,",
    ",result,table,_time,_value,_field,_measurement,host",
    ",,0,1970-01-01T00:00:01Z,5,v,m,a",
    ",,1,1970-01-01T00:00:02Z,6,v,m,b",
    "",
  ].join("\r\n");
  answer = () => new Response(text);
  const seen: string[] = [];
  const flux = outside.queries.flux({ text: "x", cluster: "", org: "", orgId: "7" });
  const take = async (series: unknown): Promise<void> => {
    const [point] = allPoints(series as ColumnSeries);
    seen.push(`${JSON.stringify((series as ColumnSeries).tags)} ${point?.field("v")}`);
  };
  await flux.run({ ms: 5_000, ns: 0 }, take, signal);
  expect(seen).toEqual(['{"host":"a"} 5', '{"host":"b"} 6']);
  expect(asked[0]?.path).toBe("/api/v2/query?orgID=7");
  expect(JSON.parse(asked[0]?.body ?? "")).toMatchObject({
    ...{ query: "x", now: "1970-01-01T00:00:05Z" },
  });
});

describe("posts", () => {
  const request = (more: object = {}) => ({
    ...{ url: `${base}/hook/token123456?key=abc1234`, headers: {}, body: "b", timeoutMs: 0 },
    ...more,
  });

  test("are sent as they are; any status is an answer", async () => {
    const { outside } = open("");
    answer = () => new Response("no", { status: 503 });
    const said = await outside.posts.post(request({ headers: { "X-A": "1" } }), signal);
    expect(said).toEqual({ status: 503, body: "no" });
    expect(asked[0]).toMatchObject({
      ...{ method: "POST", path: "/hook/token123456?key=abc1234", body: "b" },
      headers: { "x-a": "1" },
    });
  });

  test("end after their time limit", async () => {
    const { outside } = open("");
    answer = () => new Promise(() => {});
    const error = await outside.posts.post(request({ timeoutMs: 20 }), signal).catch((e) => e);
    expect(error.message).toBe("no answer within 0.02s");
  });

  test("tell no secrets, and do not reach what is blocked", async () => {
    const { outside } = open("");
    const url = "http://user:geheim99@127.0.0.1:1/hook/token123456";
    const refused = await outside.posts.post(request({ url }), signal).catch((e) => e);
    expect(refused.message).toContain("connection refused");
    const bad = await outside.posts.post(request({ url: "ftp://h/x" }), signal).catch((e) => e);
    expect(bad.message).toContain("invalid url");
    const guarded = open("", "127.0.0.0/8").outside;
    const blocked = await guarded.posts.post(request(), signal).catch((e) => e);
    expect(blocked.message).toBe("address 127.0.0.1 is blocked");
    expect(asked).toEqual([]);
  });

  test("endpoints are those of the configuration in force", () => {
    const dir = mkdtempSync(join(tmpdir(), "rows-"));
    writeFileSync(join(dir, "row.tmpl"), "{{ .Name }}");
    const element = (more: string): string =>
      `[[httppost]]\nendpoint = "e"\nurl = "http://h/"\n${more}`;
    const { outside, change } = open(
      element(
        'row-template = "x"\nheaders = {a = "1"}\nbasic-auth = {username = "u", password = "p"}',
      ),
    );
    expect(outside.posts.endpoint("other")).toBeUndefined();
    expect(outside.posts.endpoint("e")).toEqual({
      ...{ url: "http://h/", rowTemplate: "x" },
      headers: { a: "1", Authorization: "Basic dTpw" },
    });
    change(element(`row-template-file = "${dir}/row.tmpl"`));
    expect(outside.posts.endpoint("e")?.rowTemplate).toBe("{{ .Name }}");
    change(element(`row-template-file = "${dir}/missing"`));
    expect(() => outside.posts.endpoint("e")).toThrow("no such file");
    rmSync(dir, { recursive: true });
  });
});

describe("a database to make", () => {
  function sink(answers: (InfluxError | undefined)[]) {
    const clock = new VirtualClock();
    const log: LogEntry[] = [];
    const asked: string[] = [];
    const client = {
      query: async (text: string) => {
        asked.push(text);
        const error = answers.shift();
        if (error !== undefined) throw error;
        return [];
      },
      write: async () => void asked.push("write"),
    };
    const made = new InfluxSink(
      {
        ...{ cluster: "", buffer: 1, flushIntervalMs: 1_000, task: "t", node: "n" },
        create: { db: "out", rp: "r" },
      },
      {
        ...{ client: () => client, clock, random: new SeededRandom(1) },
        log: logTo((entry) => log.push(entry)),
      },
    );
    return { clock, log, asked, made };
  }
  const target = { db: "out", rp: "r", precision: "ns", consistency: "" } as const;
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await Promise.resolve();
  };
  const CREATE = "CREATE DATABASE out WITH NAME r";

  test("is made before the first write", async () => {
    const { asked, made } = sink([]);
    made.add(target, "m v=1");
    await turns();
    expect(asked).toEqual([CREATE, "write"]);
    await made.close();
  });

  test("is tried again with the write while nobody answers", async () => {
    const gone = new InfluxError("gone", undefined);
    const { asked, made, clock, log } = sink([gone, gone]);
    await turns();
    made.add(target, "m v=1");
    await turns();
    expect([asked.length, made.counters.write_errors]).toEqual([2, 1]);
    clock.advance(2_000);
    await turns();
    expect(asked).toEqual([CREATE, CREATE, CREATE, "write"]);
    expect(made.counters.points_written).toBe(1);
    expect(log[0]?.message).toBe("failed to create database");
    await made.close();
  });

  test("that is refused is logged once, and the writes go on", async () => {
    const { asked, made, log } = sink([new InfluxError("not allowed", 403)]);
    made.add(target, "m v=1");
    made.add(target, "m v=2");
    await turns();
    expect(asked).toEqual([CREATE, "write", "write"]);
    expect(log.map(({ fields }) => fields["err"])).toEqual(["not allowed"]);
    await made.close();
  });
});
