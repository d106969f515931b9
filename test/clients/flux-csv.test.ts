/** Flux: annotated CSV into series, whatever the pieces; the request, against a server with recorded answers. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { InfluxClient } from "#clients/influx/client.ts";
import type { ColumnSeries } from "#clients/influx/column-series.ts";
import { FluxCsvReader } from "#clients/influx/flux-csv.ts";
import { systemClock } from "#daemon/system.ts";
import { VirtualClock } from "#lib/clock.ts";
import { allPoints } from "#test/support/fake-outside.ts";

const NOW = { ms: 99_000, ns: 0 };

/** `name{tags} field=value(type),… @time` of every point; tables apart. */
function shown(tables: readonly ColumnSeries[]): string[][] {
  return tables.map((table) =>
    allPoints(table).map((point) => {
      const { names, types } = point.shape;
      const fields = names.map((name, i) => `${name}=${point.values[i]}(${types[i]})`).join(",");
      return `${table.name}${JSON.stringify(table.tags)} ${fields} @${point.timeMs}.${point.timeNs}`;
    }),
  );
}

function read(...pieces: readonly string[]): string[][] {
  const reader = new FluxCsvReader(NOW);
  const tables = pieces.flatMap((piece) => reader.push(piece));
  return shown([...tables, ...reader.end()]);
}

const lines = (...all: readonly string[]): string => `${all.join("\r\n")}\r\n`;

/** What an InfluxDB 2 answers for two series of one field, with a second yield of another shape. */
const RECORDED = lines(
  "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string",
  "#group,false,false,true,true,false,false,true,true,true",
  "#default,_result,,,,,,,,",
  ",result,table,_start,_stop,_time,_value,_field,_measurement,host",
  ",,0,2026-11-22T05:00:00Z,2026-11-22T06:00:00Z,2026-11-22T05:00:10.000000001Z,1.5,usage,cpu,a",
  ",,0,2026-11-22T05:00:00Z,2026-11-22T06:00:00Z,2026-11-22T05:00:20Z,2,usage,cpu,a",
  ',,1,2026-11-22T05:00:00Z,2026-11-22T06:00:00Z,2026-11-22T05:00:10Z,7,usage,cpu,"b, ""c"""',
  "",
  "#datatype,string,long,dateTime:RFC3339,long,boolean,string,unsignedLong",
  "#group,false,false,true,false,false,false,false",
  "#default,second,,,,,,",
  ",result,table,_stop,n,ok,text,u",
  ",,0,2026-11-22T06:00:00Z,9223372036854775807,true,x,18446744073709551615",
  ",,0,2026-11-22T06:00:00Z,,false,,1",
  "",
);
const START = Date.UTC(2026, 10, 22, 5);
const EXPECTED = [
  [
    `cpu{"host":"a"} usage=1.5(float) @${START + 10_000}.1`,
    `cpu{"host":"a"} usage=2(float) @${START + 20_000}.0`,
  ],
  [`cpu{"host":"b, \\"c\\""} usage=7(float) @${START + 10_000}.0`],
  [
    `{} n=9223372036854775807(int),ok=true(boolean),text=x(string),u=18446744073709551615(uint) @${START + 3_600_000}.0`,
    `{} ok=false(boolean),u=1(uint) @${START + 3_600_000}.0`,
  ],
];

describe("annotated CSV", () => {
  test("becomes one series per table", () => expect(read(RECORDED)).toEqual(EXPECTED));

  test("is read the same in any pieces", () => {
    const cut = fc.array(fc.nat(RECORDED.length), { maxLength: 20 });
    fc.assert(
      fc.property(cut, (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), RECORDED.length];
        const pieces = at.slice(1).map((end, i) => RECORDED.slice(at[i], end));
        expect(read(...pieces)).toEqual(EXPECTED);
      }),
    );
  });

  const HEAD = ["#datatype,string,long,double,string", "#group,false,false,false,true"];

  test.each([
    [
      "without a time column: the query's time",
      [",result,table,v,h", ",r,0,1,a"],
      '{"h":"a"} v=1(float) @99000.0',
    ],
    [
      "a line feed in quotes",
      [",result,table,v,h", ',r,0,1,"x\ny"'],
      '{"h":"x\\ny"} v=1(float) @99000.0',
    ],
    ["infinity", [",result,table,v,h", ",r,0,-Inf,a"], '{"h":"a"} v=-Infinity(float) @99000.0'],
    ["a field name that varies is a field", [",result,table,_value,_field", ",r,0,1,a"], undefined],
  ])("%s", (_name, rows, expected) => {
    const [[point] = []] = read(lines(...HEAD, "#default,_result,,,", ...rows));
    expect(point).toBe(expected ?? "{} a=1(float) @99000.0");
  });

  test("without a key the field's name is a field itself", () => {
    const text = lines(
      "#datatype,string,long,double,string",
      "#group,false,false,false,false",
      "#default,_result,,,",
      ",result,table,_value,_field",
      ",,0,1,a",
    );
    expect(read(text)).toEqual([["{} _value=1(float),_field=a(string) @99000.0"]]);
  });

  test("no rows are no tables", () => {
    expect(read("")).toEqual([]);
    expect(read(lines(...HEAD, "#default,_result,,,", ",result,table,v,h", ""))).toEqual([]);
  });

  test.each([
    ["an error found on the way", lines("", "error,reference", "it broke,897"), "it broke"],
    [
      "an annotated one",
      lines(
        "#datatype,string,string",
        "#group,true,true",
        "#default,,",
        ",error,reference",
        ",bad,1",
      ),
      "bad",
    ],
    [
      "no annotations",
      lines(",result,table,v", ",,0,1"),
      "annotations #datatype and #group are missing",
    ],
    [
      "an open quote",
      `${HEAD[0]}\n${HEAD[1]}\n,result,table,v,h\n,r,0,1,"x`,
      "a quote is not closed",
    ],
    [
      "text behind a quote",
      lines(...HEAD, ",result,table,v,h", ',r,0,1,"x"y'),
      "text behind a closing quote",
    ],
  ])("%s is an error", (_name, text, error) => expect(() => read(text)).toThrow(error));

  test("any bytes are an error or tables, never a crash", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(",", "\n", '"', "#", "a", "table", "1") }),
        (text) => {
          try {
            read(text);
          } catch (error) {
            expect((error as Error).name).toBe("FluxCsvError");
          }
        },
      ),
    );
  });
});

describe("the request", () => {
  let answer = (): Response => new Response(RECORDED);
  const asked: { url: string; body: unknown; authorization: string | null }[] = [];
  let server: ReturnType<typeof Bun.serve>;
  beforeAll(() => {
    server = Bun.serve({
      port: 0,
      async fetch(request) {
        asked.push({
          url: new URL(request.url).pathname + new URL(request.url).search,
          body: await request.json(),
          authorization: request.headers.get("Authorization"),
        });
        return answer();
      },
    });
  });
  afterAll(() => server.stop(true));

  async function run(): Promise<string[][]> {
    const url = `http://localhost:${server.port}`;
    const client = new InfluxClient({ urls: [url], token: "t" }, systemClock);
    const reader = new FluxCsvReader(NOW);
    const tables: ColumnSeries[] = [];
    await client.fluxStream(
      { script: "buckets()", org: "o 1", orgId: "", now: "2026-11-22T06:00:00Z" },
      (text) => void tables.push(...reader.push(text)),
    );
    return shown([...tables, ...reader.end()]);
  }

  test("names script, time and organization; the answer is read as it arrives", async () => {
    expect(await run()).toEqual(EXPECTED);
    expect(asked[0]).toEqual({
      url: "/api/v2/query?org=o+1",
      authorization: "Token t",
      body: {
        query: "buckets()",
        type: "flux",
        now: "2026-11-22T06:00:00Z",
        dialect: { header: true, delimiter: ",", annotations: ["datatype", "group", "default"] },
      },
    });
  });

  test("an error is the server's message", async () => {
    answer = () =>
      Response.json({ code: "invalid", message: "compilation failed" }, { status: 400 });
    const error = await run().catch((e) => e);
    expect([error.message, error.status, error.retryable]).toEqual([
      "compilation failed",
      400,
      false,
    ]);
  });

  test("nobody there is worth another try", async () => {
    const client = new InfluxClient({ urls: ["http://127.0.0.1:1"] }, new VirtualClock());
    const request = { script: "x", org: "", orgId: "1", now: "" };
    const error = await client.fluxStream(request, () => {}).catch((e) => e);
    expect(error.retryable).toBe(true);
  });
});
