/** Scripts over recordings: files of every form, several queries, shifted times, and what is wrong with them. */

import { describe, expect, test } from "bun:test";
import { deflateRawSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { offlineSurroundings } from "#daemon/offline-cases.ts";
import { type RecordedRun, runRecording } from "#tasks/case/run-recording.ts";
import { RecordingError, readBatchRecording, readStreamRecording } from "#tasks/recording-file.ts";
import { unzip, ZipError } from "#tasks/zip-file.ts";

const surroundings = offlineSurroundings();
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function run(script: string, files: readonly Uint8Array[], more: Partial<RecordedRun> = {}) {
  const given = {
    script,
    files,
    vars: {},
    type: undefined,
    from: undefined,
    precision: "ns" as const,
  };
  return runRecording({ ...given, ...more }, surroundings);
}

const line = (text: string): string => `telegraf\nautogen\n${text}\n`;
const CPU = bytes(
  line("cpu,host=a v=1 1500000001000000000") +
    line("cpu,host=a v=3 1500000003000000000") +
    line("cpu,host=a v=8 1500000012000000000"),
);
const WINDOW = `stream|from().measurement('cpu').groupBy('host')|window().period(10s).every(10s)|mean('v')|httpOut('m')`;
const series = (time: string, mean: number) => ({
  series: [{ name: "cpu", tags: { host: "a" }, columns: ["time", "mean"], values: [[time, mean]] }],
});

describe("a stream recording", () => {
  test.each([
    ["packed", gzipSync(CPU)],
    ["as text", CPU],
    ["in two members", Buffer.concat([gzipSync(CPU.subarray(0, 54)), gzipSync(CPU.subarray(54))])],
  ])("is read %s", async (_name, file) => {
    const report = await run(WINDOW, [file]);
    expect(report.outputs).toEqual({ m: series("2017-07-14T02:40:11Z", 2) });
    expect(report.stats["window2"]).toMatchObject({ collected: 3, emitted: 1 });
    expect(report.errors).toEqual([]);
  });

  test("is moved so that its first point falls where it is told", async () => {
    const { outputs } = await run(WINDOW, [CPU], { from: "1971-01-01T00:00:00Z" });
    expect(outputs).toEqual({ m: series("1971-01-01T00:00:10Z", 2) });
  });

  test("may have times of another unit", async () => {
    const file = bytes(line("cpu,host=a v=1 0000000001") + line("cpu,host=a v=2 0000000011"));
    const { outputs } = await run(WINDOW, [file], { precision: "s" });
    expect(outputs).toEqual({ m: series("1970-01-01T00:00:11Z", 1) });
  });

  test("moves the clock along, so that a deadman sees the silence in it", async () => {
    const silent = bytes(line("m v=1 0") + line("m v=1 1000000000") + line("n v=1 60000000000"));
    const script =
      "stream|from().measurement('m')|deadman(0.0, 10s).message('{{ .Level }}').topic('x')";
    const { events } = await run(script, [silent]);
    const messages = events.map(({ data }) => (data as { readonly message: string }).message);
    expect(messages).toEqual(["CRITICAL", "CRITICAL", "CRITICAL", "CRITICAL", "CRITICAL"]);
  });

  test("gives every event to every handler that the script names, in the handlers' form", async () => {
    const script = `stream|from()|alert().crit(lambda: "v" > 2).id('{{ .Name }}').details('').log('/x').post('http://x').topic('t')`;
    const report = await run(script, [CPU]);
    expect(report.events.slice(0, 3).map(({ topic, handler }) => [topic, handler])).toEqual([
      ["main:t:alert2", "log"],
      ["main:t:alert2", "post"],
      ["t", ""],
    ]);
    expect(report.events[0]?.data).toEqual({
      id: "cpu",
      message: "cpu is CRITICAL",
      details: "",
      time: "2017-07-14T02:40:03Z",
      duration: 0,
      level: "CRITICAL",
      data: {
        series: [
          {
            name: "cpu",
            tags: { host: "a" },
            columns: ["time", "v"],
            values: [["2017-07-14T02:40:03Z", 3]],
          },
        ],
      },
      previousLevel: "OK",
      recoverable: true,
    });
  });

  test("drains the task at its end", async () => {
    const script = `var a = stream|from().measurement('cpu') var b = stream|from().measurement('cpu') a|window().period(1h).every(1s)|join(b|window().period(1h).every(1s)).as('a','b').fill(0)|httpOut('j')`;
    const { outputs } = await run(script, [CPU]);
    expect((outputs["j"] as { series: unknown }).series).not.toBeNull();
  });

  test("names values that JSON has no form for, and tells the rest", async () => {
    const script = `stream|from()|httpOut('good')|eval(lambda: "v" / 0.0).as('x')|httpOut('bad')`;
    const { outputs } = await run(script, [CPU]);
    expect(outputs["bad"]).toEqual({ error: "json: unsupported value: +Inf" });
    expect(outputs["good"]).toMatchObject({ series: [{ name: "cpu" }] });
  });

  test("tells what went wrong in which node", async () => {
    const script = `stream|from()|eval(lambda: "w" + 1.0).as('x')|combine(lambda: TRUE, lambda: TRUE).as('a','b').max(0)`;
    const { errors } = await run(script, [CPU]);
    expect(errors.map(({ node }) => node)).toEqual(["eval2", "eval2", "eval2"]);
    expect(errors[0]?.error).toStartWith("error evaluating expression: ");
  });

  test("tells why a task died, and what came out until then", async () => {
    const script = `stream|from()|httpOut('x')|combine(lambda: TRUE, lambda: TRUE).as('a','b').tolerance(10s).max(0)`;
    const { errors } = await run(script, [CPU]);
    expect(errors).toEqual([
      {
        node: "combine3",
        error:
          "node failed: refusing to perform combination as total combinations 1 exceeds max combinations 0",
      },
    ]);
  });

  test.each([
    ["telegraf\nautogen\n", "invalid replay file format, expected another line"],
    ["telegraf\n", "invalid replay file format, expected another line"],
    [line("cpu v= 1"), "cpu v= 1"],
    [line(`cpu v="${"x".repeat(65_536)}" 1`), "line 3 of the recording is longer than 65536 bytes"],
  ])("that is broken (%#) is refused", async (text, error) => {
    await expect(run(WINDOW, [bytes(text)])).rejects.toThrow(error);
  });

  test("whose line is as long as allowed is read", () => {
    const long = `cpu v="${"x".repeat(65_536 - 10)}" 1`;
    expect(long.length).toBe(65_536);
    expect([...readStreamRecording(bytes(line(long)))].length).toBe(1);
  });

  test.each([
    [[], "a stream task takes one recording, got 0"],
    [[CPU, CPU], "a stream task takes one recording, got 2"],
  ])("must be one", async (files, error) => {
    await expect(run(WINDOW, files)).rejects.toThrow(error);
  });
});

const batch = (
  host: string,
  points: readonly (readonly [number, number])[],
  tmax?: number,
): string =>
  JSON.stringify({
    name: "cpu",
    tags: { host },
    ...(tmax === undefined ? {} : { tmax: at(tmax) }),
    points: points.map(([second, v]) => ({ fields: { v }, time: at(second) })),
  });
const at = (second: number): string => `2015-10-18T00:00:${String(second).padStart(2, "0")}Z`;

describe("a batch recording", () => {
  const FIRST = `${batch("a", [
    [0, 1],
    [2, 2],
  ])}\n${batch("a", [[10, 4]], 12)}\n`;
  const SECOND = `${batch("a", [
    [0, 10],
    [2, 20],
  ])}\n${batch("a", [[10, 40]], 12)}\n`;
  const ONE = `batch|query('SELECT v FROM "db"."rp".cpu').period(10s).every(10s)|httpOut('x')`;
  const TWO = `var a = batch|query('SELECT v FROM "db"."rp".cpu').period(10s).every(10s)
    var b = batch|query('SELECT v FROM "db"."rp".cpu').period(10s).every(10s)
    a|join(b).as('a','b')|httpOut('j')`;

  test("gives batches whose numbers are floats, with the end of their last point at least", () => {
    const [batches] = readBatchRecording(bytes(FIRST));
    expect(batches?.map(({ tmax }) => tmax.ms - Date.parse(at(0)))).toEqual([2_000, 12_000]);
    expect(batches?.[0]?.points[0]?.shape.types).toEqual(["float"]);
    expect(batches?.[0]?.points[0]?.series.tags()).toEqual({ host: "a" });
  });

  test("leaves out batches without points", () => {
    expect(readBatchRecording(bytes('{"name":"cpu"}\n{"points":[]}\n'))).toEqual([[]]);
  });

  test.each([
    ["as one archive", [zipOf([FIRST, SECOND])]],
    ["as files in order", [bytes(FIRST), bytes(SECOND)]],
  ])("of several queries is read %s", async (_name, files) => {
    const { outputs, stats } = await run(TWO, files);
    expect(outputs["j"]).toEqual({
      series: [
        {
          name: "cpu",
          tags: { host: "a" },
          columns: ["time", "a.v", "b.v"],
          values: [[at(10), 4, 40]],
        },
      ],
    });
    expect(stats["join4"]).toMatchObject({ collected: 4, emitted: 2 });
  });

  test("keeps the distance between queries when it is moved", async () => {
    const later = bytes(
      batch("a", [
        [2, 20],
        [4, 30],
      ]),
    );
    const files = [bytes(FIRST), later];
    const { outputs } = await run(TWO.replace(".as(", ".fill(0).as("), files, {
      from: "1971-01-01T00:00:00Z",
    });
    expect(JSON.stringify(outputs)).toContain("1971-01-01T00:00:10Z");
  });

  test("must have as many parts as the task has queries", async () => {
    await expect(run(TWO, [bytes(FIRST)])).rejects.toThrow(
      "the task has 2 queries, the recordings 1",
    );
    await expect(run(ONE, [zipOf([FIRST, SECOND])])).rejects.toThrow(
      "the task has 1 queries, the recordings 2",
    );
  });

  test.each([
    ["[]", "line 1 of recording: a batch must be an object"],
    ["{", "line 1 of recording: "],
    ['{"points":{}}', '"points" must be a list'],
    ['{"points":[1]}', "a point must be an object"],
    ['{"points":[{"time":"yesterday"}]}', '"time" must be a time in RFC 3339'],
    ['{"points":[{"time":"2015-10-18T00:00:00Z","fields":{"v":[]}}]}', 'field "v" must be'],
    ['{"tags":{"a":1}}', 'tag "a" must be a string'],
    ['{"name":1}', '"name" must be a string'],
  ])("with %s is refused", (text, error) => {
    expect(() => readBatchRecording(bytes(text))).toThrow(error);
  });
});

/** A ZIP as a recording has it: entries `0`, `1`, …, deflated. */
function zipOf(entries: readonly string[]): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  entries.forEach((text, i) => {
    const name = Buffer.from(String(i));
    const packed = deflateRawSync(text);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(8, 8);
    local.writeUInt16LE(name.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(8, 10);
    central.writeUInt32LE(packed.length, 20);
    central.writeUInt32LE(Buffer.byteLength(text), 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(offset, 42);
    directory.push(central, name);
    parts.push(local, name, packed);
    offset += local.length + name.length + packed.length;
  });
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

describe("an archive", () => {
  const GOOD = zipOf(["one", "two"]);

  test("is refused when it holds more than allowed", () => {
    expect([...unzip(GOOD, 6).keys()]).toEqual(["0", "1"]);
    expect(() => unzip(GOOD, 5)).toThrow("the archive holds too many bytes");
  });

  test("of any bytes is read or refused, never more", () => {
    const flips = fc.array(fc.tuple(fc.nat(GOOD.length - 1), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(flips, fc.nat(GOOD.length), (changes, length) => {
        const bad = Uint8Array.from(GOOD);
        for (const [at, byte] of changes) bad[at] = byte;
        try {
          for (const [, entry] of unzip(bad.subarray(0, length || GOOD.length), 1_000)) {
            expect(entry.length).toBeLessThanOrEqual(1_000);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(ZipError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test("any bytes are a recording or a clear error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (file, packed) => {
      const given = packed ? Uint8Array.of(0x1f, 0x8b, ...file) : file;
      for (const read of [() => [...readStreamRecording(given)], () => readBatchRecording(given)]) {
        try {
          read();
        } catch (error) {
          expect(error instanceof RecordingError || error instanceof ZipError).toBe(true);
        }
      }
    }),
    { numRuns: 500 },
  );
});
