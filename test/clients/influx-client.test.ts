/** The InfluxDB client against a real influxd, and against servers that misbehave. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { InfluxClient, InfluxError } from "#clients/influx/client.ts";
import {
  createDatabase,
  createSubscription,
  dropSubscription,
  showRetentionPolicies,
} from "#clients/influx/ddl.ts";
import { quoteIdent, quoteString } from "#clients/influx/ident.ts";
import type { InfluxSeries } from "#clients/influx/result.ts";
import { columnTexts, parseAnswer, parseCellTime } from "#clients/influx/result.ts";
import { systemClock } from "#daemon/system.ts";
import type { Clock } from "#lib/clock.ts";
import { VirtualClock } from "#lib/clock.ts";
import { pointsOf } from "#test/support/fake-outside.ts";
import { type Influxd, influxdMissing, startInfluxd } from "#test/support/influxd.ts";
import { freePort } from "../../scripts/lab.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const target = { db: "d", rp: "", precision: "ns", consistency: "" } as const;

describe("statements", () => {
  const which = { db: "telegraf", rp: "autogen", name: "kapacitor-0d2e" };
  test.each([
    [showRetentionPolicies("telegraf"), "SHOW RETENTION POLICIES ON telegraf"],
    [showRetentionPolicies("two words"), 'SHOW RETENTION POLICIES ON "two words"'],
    [createDatabase("out", ""), "CREATE DATABASE out"],
    [createDatabase("out", "1w"), 'CREATE DATABASE out WITH NAME "1w"'],
    [dropSubscription(which), 'DROP SUBSCRIPTION "kapacitor-0d2e" ON telegraf.autogen'],
    [
      createSubscription(which, "ANY", ["http://h:9092"]),
      `CREATE SUBSCRIPTION "kapacitor-0d2e" ON telegraf.autogen DESTINATIONS ANY 'http://h:9092'`,
    ],
    [
      createSubscription({ db: "a", rp: "b", name: "c" }, "ALL", ["x", "y'z"]),
      "CREATE SUBSCRIPTION c ON a.b DESTINATIONS ALL 'x', 'y\\'z'",
    ],
  ])("%s", (text, expected) => expect(text).toBe(expected));

  test.each([
    ["cpu", "cpu"],
    ["_internal", "_internal"],
    ["monitor", "monitor"],
    ["1d", '"1d"'],
    ["", '""'],
    ["a-b", '"a-b"'],
    ["Measurement", '"Measurement"'],
    ["time", "time"],
    ['a"b', '"a\\"b"'],
    ["a\\b\nc", '"a\\\\b\\nc"'],
    ["é", '"é"'],
  ])("%p as an identifier", (name, text) => expect(quoteIdent(name)).toBe(text));

  test("strings", () => expect(quoteString("a'b\\\n")).toBe("'a\\'b\\\\\\n'"));
});

describe("answers", () => {
  test.each([
    ['{"error":"bad"}', "bad"],
    ['{"results":[{"statement_id":0},{"error":"second"}]}', "second"],
    ["[]", "invalid answer: not an object"],
    ['{"results":[1]}', "invalid answer: a result is not an object"],
  ])("%s is an error", (text, error) => expect(parseAnswer(text)).toEqual({ ok: false, error }));

  test("text that is not JSON is an error", () => {
    const answer = parseAnswer("<html>");
    expect(answer.ok).toBe(false);
  });

  test("integers become floats, nulls are left out, rows of nulls are no points", () => {
    const rows = [
      ["2026-11-22T06:12:00Z", 1, null, "x"],
      ["2026-11-22T06:12:00.000000001Z", null, null, null],
      ["not a time", 1, 1, 1],
      ["2026-11-22T06:12:00.5Z", null, true, null],
    ];
    const points = pointsOf(["time", "a", "b", "c"], rows);
    expect(points.map((p) => p.fields())).toEqual([{ a: 1, c: "x" }, { b: true }]);
    expect(points[0]?.shape.types).toEqual(["float", "string"]);
    expect(points[1]?.timeMs).toBe(Date.UTC(2026, 10, 22, 6, 12) + 500);
  });

  test.each([
    ["2026-11-22T06:12:13Z", Date.UTC(2026, 10, 22, 6, 12, 13), 0],
    ["2026-11-22T06:12:13.123456789Z", Date.UTC(2026, 10, 22, 6, 12, 13, 123), 456_789],
    ["1969-12-31T23:59:59.999999999Z", -1, 999_999],
    ["2026-11-22T06:12:13+01:00", Date.UTC(2026, 10, 22, 5, 12, 13), 0],
    [1_600_000_000_000, 1_600_000, 0],
  ])("time cell %p", (cell, ms, ns) => expect(parseCellTime(cell)).toEqual({ ms, ns }));

  test.each([
    "",
    "x",
    "2026-13-22T06:12:13Z",
    "2026-11-22T06-12-13Z",
    "2026-11-22T06:12:1xZ",
    null,
    true,
  ])("%p is no time", (cell) => expect(parseCellTime(cell)).toBeUndefined());
});

describe("misbehaving servers", () => {
  async function serving<T>(
    answer: (request: Request) => Response | Promise<Response>,
    run: (url: string, requests: { url: string; headers: Headers }[]) => Promise<T>,
  ): Promise<T> {
    const requests: { url: string; headers: Headers }[] = [];
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => {
        requests.push({ url: request.url, headers: new Headers(request.headers) });
        return answer(request);
      },
    });
    return await run(`http://127.0.0.1:${server.port}`, requests);
  }
  const client = (urls: string[], more = {}, clock: Clock = systemClock) =>
    new InfluxClient({ urls, ...more }, clock);
  const failure = async (promise: Promise<unknown>): Promise<InfluxError> => {
    const error = await promise.then(
      () => undefined,
      (e) => e,
    );
    expect(error).toBeInstanceOf(InfluxError);
    return error as InfluxError;
  };

  test.each([
    [500, '{"error":"engine"}', "engine", true],
    [400, '{"error":"partial write"}', "partial write", false],
    [503, "busy", "invalid response: code 503: body: busy", true],
    [200, '{"results":[{"error":"shard"}]}', "shard", false],
  ])("status %d with %s", async (status, body, message, retryable) => {
    await serving(
      () => new Response(body, { status }),
      async (url, requests) => {
        const error = await failure(client([url, url]).query("SHOW DATABASES"));
        expect([error.message, error.status, error.retryable]).toEqual([
          message,
          status,
          retryable,
        ]);
        expect(requests.length).toBe(1);
      },
    );
  });

  test("requests look as the original's", async () => {
    await serving(
      () => new Response(null, { status: 204 }),
      async (url, requests) => {
        const influx = client([`${url}/base/path`], { username: "u", password: "p" });
        await influx.write(
          { db: "d b", rp: "r", precision: "s", consistency: "one" },
          bytes("m v=1 1"),
        );
        const [request] = requests;
        const { pathname, search } = new URL(request?.url ?? "");
        expect(pathname + search).toBe("/write?consistency=one&db=d+b&precision=s&rp=r");
        expect(request?.headers.get("user-agent")).toBe("KapacitorInfluxDBClient");
        expect(request?.headers.get("authorization")).toBe(`Basic ${btoa("u:p")}`);
        expect(request?.headers.get("content-type")).toBe("application/octet-stream");
      },
    );
  });

  test.each([
    [{ token: "T", username: "u" }, "Token T"],
    [{ bearer: () => "j", token: "T" }, "Bearer j"],
    [{}, null],
  ])("authorization of %p", async (options, header) => {
    await serving(
      () => new Response(null, { status: 204 }),
      async (url, requests) => {
        await client([url], options).ping();
        expect(requests[0]?.headers.get("authorization")).toBe(header);
      },
    );
  });

  test("urls take turns, starting with the second, and a dead one is passed over and counted", async () => {
    const dead = `http://127.0.0.1:${await freePort("127.0.0.1")}`;
    await serving(
      () => new Response(null, { status: 204 }),
      async (url, requests) => {
        const influx = client([dead, url]);
        for (let i = 0; i < 4; i++) await influx.ping();
        expect(requests.length).toBe(4);
        expect(influx.counters).toEqual({ requests: 4, errors: 0, failovers: 2 });
      },
    );
    const error = await failure(client([dead, dead]).ping());
    expect([error.status, error.retryable]).toEqual([undefined, true]);
  });

  test("a request that takes too long fails", async () => {
    const clock = new VirtualClock();
    const { promise, resolve } = Promise.withResolvers<Response>();
    await serving(
      () => {
        clock.advance(1_000);
        return promise;
      },
      async (url) => {
        const error = await failure(client([url], { timeoutMs: 1_000 }, clock).ping());
        expect(error.message).toContain("timed out after 1000 ms");
        resolve(new Response());
      },
    );
  });

  test("a stream that breaks off after its first piece is not asked elsewhere", async () => {
    const piece =
      '{"results":[{"series":[{"name":"m","columns":["time","v"],"values":[[1,1]]}]}]}\n';
    let asked = 0;
    let hangUp = (): void => {};
    const chunk = `${piece.length.toString(16)}\r\n${piece}\r\n`;
    using server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(socket) {
          asked += 1;
          socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`);
          hangUp = () => void socket.end("5\r\nab");
        },
      },
    });
    const url = `http://127.0.0.1:${server.port}`;
    const names: string[] = [];
    const influx = client([url, url]);
    const take = (series: InfluxSeries): void => {
      names.push(series.name);
      hangUp();
    };
    const error = await failure(influx.queryStream("SELECT v FROM m", take));
    expect(error.message).toStartWith("answer broke off");
    expect([names, asked, influx.counters.failovers]).toEqual([["m"], 1, 0]);
  });
});

const missing = influxdMissing();

describe.skipIf(missing !== undefined)(
  `a real influxd${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    let influxd: Influxd;
    let client: InfluxClient;
    beforeAll(async () => {
      influxd = await startInfluxd({ admin: { user: "root", password: "s3cret" } });
      const options = { urls: [influxd.url], username: "root", password: "s3cret" };
      client = new InfluxClient(options, systemClock);
      await client.query(createDatabase("d", ""));
    });
    afterAll(async () => await influxd?.close());

    test("ping tells the version", async () => expect(await client.ping()).toStartWith("1.6"));

    test("a wrong password is InfluxDB's own error", async () => {
      const stranger = new InfluxClient(
        { urls: [influxd.url], username: "x", password: "y" },
        systemClock,
      );
      expect(stranger.query("SHOW DATABASES")).rejects.toThrow("authorization failed");
    });

    test("databases are listed", async () => {
      const [result] = await client.query("SHOW DATABASES");
      expect(columnTexts(result, "name")).toEqual(["d"]);
    });

    test("writes, plain and compressed, are read back as floats, in pieces when there are many", async () => {
      const count = 25_000;
      const lines = Array.from({ length: count }, (_, i) => `m,h=${i % 2} v=${i}i,w="x" ${i}`);
      await client.write(target, bytes(lines.join("\n")));
      const plain = new InfluxClient(
        { urls: [influxd.url], username: "root", password: "s3cret", compression: "none" },
        systemClock,
      );
      await plain.write(target, bytes("m,h=0 v=7i 25000"));
      const pieces: InfluxSeries[] = [];
      await client.queryStream("SELECT v FROM d..m GROUP BY h", (piece) => void pieces.push(piece));
      expect(pieces.length).toBe(4);
      expect(pieces.map((piece) => piece.tags["h"])).toEqual(["0", "0", "1", "1"]);
      const total = pieces.reduce((sum, piece) => sum + piece.values.length, 0);
      expect(total).toBe(count + 1);
      const [result] = await client.query("SELECT v, w FROM d..m WHERE time >= 24999");
      const [series] = result?.series ?? [];
      const points = pointsOf(series?.columns ?? [], series?.values ?? []);
      expect(points.map((p) => [p.fields(), p.timeMs, p.timeNs])).toEqual([
        [{ v: 24_999, w: "x" }, 0, 24_999],
        [{ v: 7 }, 0, 25_000],
      ]);
    });

    test("a bad line is refused and not to be retried", async () => {
      const error = await client.write(target, bytes("m v=x")).catch((e) => e);
      expect(error.message).toBe("unable to parse 'm v=x': invalid boolean");
      expect(error.retryable).toBe(false);
    });
  },
);
