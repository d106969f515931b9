/**
 * Line protocol in and out. The vectors are what InfluxDB 1.6.7 answered and stored; every one is read
 * twice, because the second time the reader knows the series and takes its fast way.
 */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { timeFromNanos, timeToNanos } from "#lib/time.ts";
import { LINE_ERRORS_MAX, LineProtocolReader, type ReadOptions } from "#model/line-protocol.ts";
import { formatPoint, type LinePrecision } from "#model/line-protocol-format.ts";
import { Point } from "#model/point.ts";
import { makeSeries } from "#model/series.ts";
import { SeriesTable } from "#model/series-table.ts";
import { type FieldType, type FieldValue, internShape } from "#model/shape.ts";
import vectors from "./line-protocol.vectors.json";

interface Vector {
  line?: string;
  repeat?: [before: string, what: string, times: number, after: string];
  precision?: string;
  error?: string;
  reason?: string;
  points?: {
    name: string;
    tags: Record<string, string>;
    fields: Record<string, string | number | boolean>;
    time: string;
  }[];
}

const NOW = { ms: 1_700_000_123_456, ns: 789_012 };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function options(more: Partial<ReadOptions> = {}): ReadOptions {
  return { db: "d", rp: "r", precision: "ns", now: NOW, ...more };
}

function plain(point: Point): unknown {
  const entries = Object.entries(point.fields()).map(([k, v]) => [
    k,
    typeof v === "bigint" ? String(v) : v,
  ]);
  return {
    name: point.series.name,
    tags: point.series.tags(),
    fields: Object.fromEntries(entries),
    time:
      point.timeMs === NOW.ms && point.timeNs === NOW.ns
        ? "now"
        : String(timeToNanos(point.timeMs, point.timeNs)),
  };
}

describe("as InfluxDB answered", () => {
  for (const vector of vectors as Vector[]) {
    const [before = "", what = "", times = 0, after = ""] = vector.repeat ?? [];
    const line = vector.line ?? before + what.repeat(times) + after;
    test(JSON.stringify(line.slice(0, 60)), () => {
      const reader = new LineProtocolReader(new SeriesTable());
      const read = options({ precision: (vector.precision ?? "ns") as LinePrecision });
      const ended = line.endsWith("\n") ? line : `${line}\n`;
      for (const text of [line, line, ended, ended]) {
        const { points, errors } = reader.readAll(bytes(text), read);
        if (vector.reason !== undefined) {
          expect(errors.join("\n")).toEndWith(`': ${vector.reason}`);
        } else if (vector.error !== undefined) {
          expect(errors.join("\n")).toBe(vector.error);
        } else if (text === line) {
          expect(errors).toEqual([]);
          expect(points.map(plain)).toEqual(vector.points ?? []);
        }
      }
    });
  }
});

describe("beyond InfluxDB 1.6", () => {
  const reader = new LineProtocolReader(new SeriesTable());
  const one = (line: string): Point => {
    const { points, errors } = reader.readAll(bytes(line), options());
    expect(errors).toEqual([]);
    return points[0] as Point;
  };

  test.each([
    ["u v=0u", 0],
    ["u v=9007199254740993u", 9007199254740993n],
    ["u v=18446744073709551615u", 18446744073709551615n],
  ])("unsigned integers: %s", (line, value) => {
    for (let i = 0; i < 2; i++) {
      expect(one(line).field("v")).toBe(value);
      expect(one(line).fieldType("v")).toBe("uint");
    }
  });

  test.each([
    ["u v=-1u", "invalid number"],
    ["u v=1.5u", "invalid number"],
    [
      "u v=18446744073709551616u",
      "unable to parse unsigned 18446744073709551616: " +
        'strconv.ParseUint: parsing "18446744073709551616": value out of range',
    ],
  ])("bad unsigned integers: %s", (line, reason) => {
    const { errors } = reader.readAll(bytes(line), options());
    expect(errors).toEqual([`unable to parse '${line}': ${reason}`]);
  });

  test.each<[LinePrecision, number, number]>([
    ["ns", NOW.ms, NOW.ns],
    ["u", NOW.ms, 789_000],
    ["ms", NOW.ms, 0],
    ["s", 1_700_000_123_000, 0],
    ["m", 1_700_000_100_000, 0],
    ["h", 1_699_999_200_000, 0],
  ])("a line without time gets server time cut to %s", (precision, ms, ns) => {
    const { points } = reader.readAll(bytes("t v=1"), options({ precision }));
    expect([points[0]?.timeMs, points[0]?.timeNs]).toEqual([ms, ns]);
  });

  test("bytes that are not UTF-8 become the replacement character", () => {
    const body = new Uint8Array([...bytes("m,h=a"), 0xff, ...bytes(' v="'), 0xfe, ...bytes('"')]);
    const { points } = reader.readAll(body, options());
    expect(points[0]?.series.tag("h")).toBe("a\ufffd");
    expect(points[0]?.field("v")).toBe("\ufffd");
  });

  test("a byte order mark is part of the text", () => {
    expect(one('\ufeffm,h=\ufeffa v="\ufeff"').series.tag("h")).toBe("\ufeffa");
  });
});

describe("bodies", () => {
  test("one bad line: nothing is emitted and every bad line has its message", () => {
    const reader = new LineProtocolReader(new SeriesTable());
    const emitted: Point[] = [];
    const body = bytes("a v=1\nb\nc v=2\nd v=x\n");
    const result = reader.read(body, options(), (point) => emitted.push(point));
    expect(emitted).toEqual([]);
    expect(result).toEqual({
      points: 2,
      errors: ["unable to parse 'b': missing fields", "unable to parse 'd v=x': invalid boolean"],
    });
  });

  test.each([
    [LINE_ERRORS_MAX, LINE_ERRORS_MAX, "unable to parse 'b': missing fields"],
    [LINE_ERRORS_MAX + 1, LINE_ERRORS_MAX + 1, "1 more lines could not be parsed"],
    [LINE_ERRORS_MAX + 5, LINE_ERRORS_MAX + 1, "5 more lines could not be parsed"],
  ])("%d bad lines give %d messages", (lines, messages, last) => {
    const reader = new LineProtocolReader(new SeriesTable());
    const { errors } = reader.readAll(bytes("b\n".repeat(lines)), options());
    expect(errors.length).toBe(messages);
    expect(errors.at(-1)).toBe(last);
  });

  test("a cursor reads in slices and gives the same as one reading", () => {
    const body = bytes(Array.from({ length: 25 }, (_, i) => `m,h=${i % 3} v=${i} ${i}`).join("\n"));
    const whole = new LineProtocolReader(new SeriesTable()).readAll(body, options());
    const cursor = new LineProtocolReader(new SeriesTable()).open(body, options());
    let slices = 1;
    while (!cursor.next(4)) slices += 1;
    expect(slices).toBe(7);
    expect(cursor.points.map(plain)).toEqual(whole.points.map(plain));
  });

  test("points are counted per measurement, wanted or not, and not for refused bodies", () => {
    const table = new SeriesTable();
    const reader = new LineProtocolReader(table);
    const read = options({ wants: (series) => series.name === "a" });
    for (let i = 0; i < 2; i++) {
      const { points, lines } = reader.readAll(bytes("a v=1\nb v=1\nb v=2\na v=2\n"), read);
      expect([points.length, lines]).toEqual([2, 4]);
      reader.readAll(bytes("a v=1\nb\n"), read);
    }
    expect(table.counts()).toEqual([
      { db: "d", rp: "r", measurement: "a", points: 4 },
      { db: "d", rp: "r", measurement: "b", points: 4 },
    ]);
  });

  test("only wanted fields are converted, in line order, and the rest is still checked", () => {
    const reader = new LineProtocolReader(new SeriesTable());
    const wanted = ["z", "s", "i"];
    const read = options({ wants: () => wanted });
    const line = 'm a=1,i=2i,b=t,s="x",z=3e1,u=1u 1';
    for (let i = 0; i < 3; i++) {
      const { points } = reader.readAll(bytes(line), read);
      expect(points.map((p) => p.fields())).toEqual([{ i: 2, s: "x", z: 30 }]);
      const none = reader.readAll(bytes("m other=1 1"), read);
      expect(none.points.map((p) => p.fields())).toEqual([{}]);
    }
    for (const bad of ["a=1", "b=t", "u=1u"]) {
      const { errors } = reader.readAll(bytes(line.replace(bad, `${bad}x`)), read);
      expect(errors.length).toBe(1);
    }
  });

  test("a repeated field keeps the last value and its type", () => {
    const reader = new LineProtocolReader(new SeriesTable());
    for (let i = 0; i < 2; i++) {
      const { points } = reader.readAll(bytes("m v=1,w=2,v=3i 1"), options());
      expect(points[0]?.fields()).toEqual({ v: 3, w: 2 });
      expect(points[0]?.fieldType("v")).toBe("int");
    }
  });

  test("a changed field list or type is followed, also back and forth", () => {
    const reader = new LineProtocolReader(new SeriesTable());
    const lines = ["m,h=a v=1 1", "m,h=a v=1i 2", "m,h=a v=1i,w=t 3", "m,h=b v=2 4"];
    for (let i = 0; i < 3; i++) {
      const { points } = reader.readAll(bytes(lines.join("\n")), options());
      expect(points.map((p) => p.shape.types.join())).toEqual([
        "float",
        "int",
        "int,boolean",
        "float",
      ]);
    }
  });
});

test.each([
  "m v=0.1",
  "m v=-0",
  "m v=9007199254740992",
  "m v=9007199254740993",
  "m v=90071992547409915",
  "m v=17.299999999999999982236431605997495353221893310546875",
  "m v=0.000000000000000000000001234567890123456",
  "m v=123456789012345678901234567890",
  "m v=5e-324",
  "m v=1.7976931348623157e308",
])("floats are rounded correctly: %s", (line) => {
  const reader = new LineProtocolReader(new SeriesTable());
  for (let i = 0; i < 2; i++) {
    const { points } = reader.readAll(bytes(line), options());
    expect(points[0]?.field("v")).toBe(Number(line.slice(4)));
  }
});

test("any decimal text is read as JavaScript reads it, on both ways", () => {
  const reader = new LineProtocolReader(new SeriesTable());
  const decimal = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc
      .tuple(fc.stringMatching(/^[0-9]{1,20}$/), fc.stringMatching(/^[0-9]{0,25}$/), fc.boolean())
      .map(([a, b, minus]) => `${minus ? "-" : ""}${a}.${b}`),
    fc.double({ min: 0, max: 1000, noNaN: true }).map((x) => x.toFixed(17)),
  );
  reader.readAll(bytes("m v=1\n"), options());
  const check = (text: string): boolean =>
    Object.is(
      reader.readAll(bytes(`m v=${text}\n`), options()).points[0]?.field("v"),
      Number(text),
    );
  fc.assert(fc.property(decimal, check), { numRuns: 20_000 });
});

const NAME = /^([a-zA-Z0-9_é😀"'./:;<>|{}-]|\\[a-z"]|[,= ]){1,8}$/u;
const name = fc.stringMatching(NAME).filter((text) => text.isWellFormed());
const field = fc.tuple(
  name,
  fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((v) => ["float", v] as const),
    fc.maxSafeInteger().map((v) => ["int", v === 0 ? 0 : v] as const),
    fc
      .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
      .filter((v) => v > 2n ** 53n || v < -(2n ** 53n))
      .map((v) => ["int", v] as const),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }).map((v) => ["uint", v] as const),
    fc.boolean().map((v) => ["boolean", v] as const),
    fc.string({ unit: "grapheme" }).map((v) => ["string", v] as const),
    fc.stringMatching(/^[\\"\n a,=]*$/).map((v) => ["string", v] as const),
  ),
);
const anyPoint = fc
  .record({
    name: name.filter((text) => !text.startsWith("#")),
    tags: fc.dictionary(name, name, { maxKeys: 4 }),
    fields: fc.uniqueArray(field, { minLength: 1, maxLength: 5, selector: ([key]) => key }),
    nanos: fc.bigInt({ min: -9223372036854775806n, max: 9223372036854775806n }),
  })
  .map(({ name, tags, fields, nanos }) => {
    const types = fields.map(([, [type]]) => type as FieldType);
    const shape = internShape(
      fields.map(([key]) => key),
      types,
    );
    const values = fields.map(([, [, value]]) => value as FieldValue);
    const { ms, ns } = timeFromNanos(nanos);
    return new Point(makeSeries("d", "r", name, tags), shape, values, ms, ns);
  });

function comparable(point: Point): unknown {
  const { series, timeMs, timeNs } = point;
  const fields = [...point.shape.names]
    .sort()
    .map((key) => [key, point.fieldType(key), point.field(key)]);
  return [series.name, Object.entries(series.tags()).sort(), fields, timeMs, timeNs];
}

test("print → parse is the identity", () => {
  const reader = new LineProtocolReader(new SeriesTable());
  fc.assert(
    fc.property(fc.array(anyPoint, { minLength: 1, maxLength: 4 }), (points) => {
      const body = bytes(points.map((point) => formatPoint(point)).join("\n"));
      for (let i = 0; i < 2; i++) {
        const read = reader.readAll(body, options());
        expect(read.errors).toEqual([]);
        expect(read.points.map(comparable)).toEqual(points.map(comparable));
      }
    }),
    { numRuns: 1_500 },
  );
});

test.each<[LinePrecision, string]>([
  ["ns", "1600000000123456789"],
  ["u", "1600000000123456"],
  ["ms", "1600000000123"],
  ["s", "1600000000"],
  ["m", "26666666"],
  ["h", "444444"],
])("times are divided down to %s", (precision, stamp) => {
  const { ms, ns } = timeFromNanos(1600000000123456789n);
  const point = new Point(makeSeries("", "", "m", {}), internShape(["v"], ["float"]), [1], ms, ns);
  expect(formatPoint(point, precision)).toBe(`m v=1 ${stamp}`);
  const reader = new LineProtocolReader(new SeriesTable());
  const { points } = reader.readAll(bytes(`m v=1 ${stamp}`), options({ precision }));
  expect(formatPoint(points[0] as Point, precision)).toBe(`m v=1 ${stamp}`);
});

test("tags and fields are printed in byte order, and what has no form is left out", () => {
  const shape = internShape(["z", "a", "n", "d"], ["float", "float", "null", "duration"]);
  const point = new Point(
    makeSeries("", "", "m", { z: "1", b: "2" }),
    shape,
    [1, NaN, null, 5],
    0,
    1,
  );
  expect(formatPoint(point)).toBe("m,b=2,z=1 d=5i,z=1 1");
  const empty = new Point(makeSeries("", "", "m", {}), internShape(["v"], ["float"]), [NaN], 0, 0);
  expect(formatPoint(empty)).toBeUndefined();
});

test("no text can begin a line of its own", () => {
  const shape = internShape(["f\ng"], ["float"]);
  const point = new Point(makeSeries("", "", "a\nb", { "k\n": "v\nw" }), shape, [1], 0, 1);
  const reader = new LineProtocolReader(new SeriesTable());
  const read = reader.readAll(bytes(`${formatPoint(point)}\n${formatPoint(point)}`), options());
  expect(read.errors).toEqual([]);
  expect(read.points.length).toBe(2);
});

test("any bytes give points or messages, the same in one piece, in slices and the second time", () => {
  const reader = new LineProtocolReader(new SeriesTable());
  const piece = fc.constantFrom(
    ...'m,v= \\"\n\r\t#-.eiuft01\0é😀'.split(""),
    "m,a=b v=1 1\n",
    'm v="x",w=2i\n',
    "\\\n",
  );
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.array(piece, { maxLength: 40 }).map((parts) => bytes(parts.join(""))),
  );
  fc.assert(
    fc.property(body, (input) => {
      const fresh = new LineProtocolReader(new SeriesTable()).readAll(input, options());
      const seen = reader.readAll(input, options());
      const again = reader.readAll(input, options());
      const cursor = reader.open(input, options());
      while (!cursor.next(1));
      for (const other of [seen, again, cursor]) {
        expect([...other.errors]).toEqual([...fresh.errors]);
        expect(other.lines).toBe(fresh.lines);
        expect(other.points.map(comparable)).toEqual(fresh.points.map(comparable));
      }
    }),
    { numRuns: 4_000 },
  );
});
