/** InfluxQL in and out: the texts are what InfluxDB 1.6.7 printed, the errors what it answered. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BatchQuery, type BatchQueryOptions } from "#clients/influx/batch-query.ts";
import { DEPTH_MAX, type Expr, parseSingleSelect, type Select } from "#clients/influx/influxql.ts";
import { formatSelect } from "#clients/influx/influxql-print.ts";
import { MINUTE, SECOND } from "#lib/duration.ts";
import { parseTime, type Time } from "#lib/time.ts";

test.each([
  ['select mean("v") from "m"', "SELECT mean(v) FROM m"],
  ["SELECT v FROM m WHERE a > 10 AND b<1.5", "SELECT v FROM m WHERE a > 10 AND b < 1.500"],
  ['SELECT MEAN(v)*2+1 AS "A b" FROM d..m', 'SELECT mean(v) * 2 + 1 AS "A b" FROM d..m'],
  ["SELECT percentile(v, 99.9) FROM m", "SELECT percentile(v, 99.900) FROM m"],
  [
    "SELECT v FROM /a\\/b.*/ WHERE h=~/x\\/y/ AND r !~ /^z$/",
    "SELECT v FROM /a\\/b.*/ WHERE h =~ /x\\/y/ AND r !~ /^z$/",
  ],
  ["SELECT v FROM m, d.rp.n WHERE a <> true", "SELECT v FROM m, d.rp.n WHERE a != true"],
  ['SELECT v FROM "d d"."r p"./x/', 'SELECT v FROM "d d"."r p"./x/'],
  [
    "SELECT v FROM (SELECT max(v) AS v FROM m GROUP BY time(10s), host) WHERE x=1",
    "SELECT v FROM (SELECT max(v) AS v FROM m GROUP BY time(10s), host) WHERE x = 1",
  ],
  [
    "SELECT v FROM m WHERE a = -5 AND b = -1.25 AND -c > 3 AND d = -(e) AND f = +5",
    "SELECT v FROM m WHERE a = -5 AND b = -1.250 AND -1 * c > 3 AND d = -1 * (e) AND f = 5",
  ],
  [
    "SELECT v FROM m LIMIT 5 OFFSET 2 SLIMIT 3 SOFFSET 1",
    "SELECT v FROM m LIMIT 5 OFFSET 2 SLIMIT 3 SOFFSET 1",
  ],
  [
    "SELECT count(distinct(v)), count(DISTINCT v) FROM m ORDER BY time DESC",
    "SELECT count(distinct(v)), count(DISTINCT v) FROM m ORDER BY time DESC",
  ],
  [
    "SELECT mean(*), max(/^v/), v::float, *::tag, a.b FROM m ORDER BY time TZ('UTC')",
    "SELECT mean(*), max(/^v/), v::float, *::tag, \"a.b\" FROM m ORDER BY time ASC TZ('UTC')",
  ],
  [
    "SELECT v FROM m WHERE x = 1h30m AND z = 7ns AND w = 3µ AND t > now() - 36h",
    "SELECT v FROM m WHERE x = 90m AND z = 7ns AND w = 3u AND t > now() - 36h",
  ],
  [
    "SELECT v FROM m WHERE a + 1*2 - 3%4 & 5 | 6^7 > 1 OR c = 2 AND (d = 3)",
    "SELECT v FROM m WHERE a + 1 * 2 - 3 % 4 & 5 | 6 ^ 7 > 1 OR c = 2 AND (d = 3)",
  ],
  [
    "SELECT v FROM m WHERE a=1 -- comment\n AND b=2 /* c */ AND c=3",
    "SELECT v FROM m WHERE a = 1 AND b = 2 AND c = 3",
  ],
  [
    "SELECT v FROM m WHERE a - -1 > 2 AND a -1 > 2",
    "SELECT v FROM m WHERE a - -1 > 2 AND a - 1 > 2",
  ],
  [
    "SELECT mean(v) FROM m GROUP BY time(60s), * fill(10.0)",
    "SELECT mean(v) FROM m GROUP BY time(1m), * fill(10)",
  ],
  [
    "SELECT mean(v) FROM m GROUP BY TIME(1h,-15m), /re/ FILL(null)",
    "SELECT mean(v) FROM m GROUP BY time(1h, -15m), /re/",
  ],
  [
    "SELECT v FROM m WHERE a = 9223372036854775808",
    "SELECT v FROM m WHERE a = 9223372036854775808",
  ],
  ["SELECT v INTO a.b.c FROM m;", "SELECT v INTO a.b.c FROM m"],
  // More decimals than InfluxDB's three, where three would be another number.
  [
    "SELECT v FROM m WHERE a = 0.00001 AND b = 1234567.125 AND c = 0.0000001",
    "SELECT v FROM m WHERE a = 0.00001 AND b = 1234567.125 AND c = 0.0000001",
  ],
  [
    "SELECT v FROM m WHERE a = 1000000000000000000000000.5",
    "SELECT v FROM m WHERE a = 1000000000000000000000000.000",
  ],
  [
    "SELECT v FROM m WHERE a = 'it\\'s' AND b = '\\\\ \\n'",
    "SELECT v FROM m WHERE a = 'it\\'s' AND b = '\\\\ \\n'",
  ],
])("%s", (text, printed) => {
  const select = parseSingleSelect(text);
  expect(formatSelect(select)).toBe(printed);
  expect(formatSelect(parseSingleSelect(printed))).toBe(printed);
});

const failed = "failed to parse InfluxQL query: ";
test.each([
  ["SELECT", `${failed}found EOF, expected identifier, string, number, bool at line 1, char 8`],
  ["SELECT v", `${failed}found EOF, expected FROM at line 1, char 10`],
  ["SELECT v FROM m x", `${failed}found x, expected ; at line 1, char 17`],
  ["SELECT v FROM m WHERE (a = 1", `${failed}found EOF, expected ) at line 1, char 29`],
  ["SELECT v FROM m WHERE a =~ 'x'", `${failed}found x, expected regex at line 1, char 27`],
  ["SELECT v FROM m\n WHERE a ! b", `${failed}found !, expected ; at line 2, char 10`],
  [
    "SELECT v::foo FROM m",
    `${failed}found foo, expected float, integer, unsigned, string, boolean, field, tag at line 1, char 11`,
  ],
  ["SELECT v FROM m LIMIT -1", `${failed}found -, expected integer at line 1, char 23`],
  ["SELECT v FROM m WHERE $a = 1", `${failed}missing parameter: a`],
  ["SELECT v FROM m WHERE a = 5x", `${failed}invalid duration`],
  [
    "SELECT v FROM m WHERE a = -",
    `${failed}found EOF, expected identifier, number, duration, ( at line 1, char 28`,
  ],
  [
    "SELEC",
    `${failed}found SELEC, expected SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, KILL at line 1, char 1`,
  ],
  ["", "query must be a single select statement, got 0 statements"],
  ["SELECT v FROM m; SELECT v FROM m", "query must be a single select statement, got 2 statements"],
  ["SHOW DATABASES", 'query is not a select statement "SHOW DATABASES"'],
  ["SELECT v FROM a.b.c.d", `${failed}too many segments in a.b.c`],
  [
    `SELECT v FROM m WHERE ${"(".repeat(DEPTH_MAX)}1`,
    `${failed}more than ${DEPTH_MAX} levels deep`,
  ],
])("refuses %s", (text, message) => {
  expect(() => parseSingleSelect(text)).toThrow(message);
});

test("any text is read or refused, never anything else", () => {
  const word = fc.constantFrom(
    ..."SELECT FROM WHERE GROUP BY time ( ) , ; . * / =~ 'x' \"y\" 1 1.5 10s a b AND OR - $ @ fill tz \\ :: ".split(
      " ",
    ),
  );
  const text = fc.oneof(
    fc.array(word, { maxLength: 15 }).map((words) => `SELECT v FROM m WHERE ${words.join(" ")}`),
    fc.array(word, { maxLength: 15 }).map((words) => words.join(" ")),
    fc.string(),
  );
  fc.assert(
    fc.property(text, (input) => {
      let select: Select;
      try {
        select = parseSingleSelect(input);
      } catch (error) {
        expect((error as Error).name).toBe("InfluxqlError");
        return;
      }
      const printed = formatSelect(select);
      expect(formatSelect(parseSingleSelect(printed))).toBe(printed);
    }),
    { numRuns: 3_000 },
  );
});

const name = fc.oneof(
  fc.constantFrom("cpu", "usage idle", "select", "é", 'q"', "b\\n", "time", "a.b"),
  fc.stringMatching(/^[a-z_][a-z0-9_]{0,6}$/),
);
const ref = name.map((n): Expr => ({ kind: "ref", name: n, type: "" }));
const leaf: fc.Arbitrary<Expr> = fc.oneof(
  ref,
  fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 63n })
    .map((value): Expr => ({ kind: "integer", value })),
  fc
    .double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 })
    .filter((value) => value !== 0)
    .map((value): Expr => ({ kind: "number", value })),
  fc.integer().map((value): Expr => ({ kind: "duration", value })),
  fc.string().map((value): Expr => ({ kind: "string", value })),
  fc.boolean().map((value): Expr => ({ kind: "boolean", value })),
);
const { expr } = fc.letrec<{ expr: Expr; operand: Expr }>((tie) => ({
  operand: fc.oneof(
    { maxDepth: 3 },
    leaf,
    tie("expr").map((inner): Expr => ({ kind: "paren", inner })),
    fc
      .tuple(fc.constantFrom("mean", "f"), fc.array(tie("expr"), { maxLength: 2 }))
      .map(([call, args]): Expr => ({ kind: "call", name: call, args })),
  ),
  expr: fc.oneof(
    { maxDepth: 3 },
    tie("operand"),
    fc
      .tuple(tie("operand"), fc.constantFrom("AND", "OR", "=", "+", "*", "/", "!="), tie("operand"))
      .map(([left, op, right]): Expr => ({ kind: "binary", op, left, right })),
    ref.map((left): Expr => {
      return { kind: "binary", op: "=~", left, right: { kind: "regex", source: "^a/b.*$" } };
    }),
  ),
}));
const measurement = fc.record({
  kind: fc.constant("measurement" as const),
  db: fc.oneof(fc.constant(""), name),
  rp: fc.oneof(fc.constant(""), name),
  name,
  regex: fc.constant(undefined),
});
const select: fc.Arbitrary<Select> = fc.record({
  fields: fc.array(fc.record({ expr, alias: fc.oneof(fc.constant(""), name) }), {
    minLength: 1,
    maxLength: 3,
  }),
  into: fc.option(measurement, { nil: undefined }),
  sources: fc.array(measurement, { minLength: 1, maxLength: 2 }),
  condition: fc.option(expr, { nil: undefined }),
  dimensions: fc.array(ref, { maxLength: 2 }),
  fill: fc.oneof(
    fc.constantFrom({ kind: "null" } as const, { kind: "linear" } as const),
    fc.integer().map((value) => ({ kind: "number", value }) as const),
  ),
  order: fc.array(fc.record({ name, ascending: fc.boolean() }), { maxLength: 1 }),
  limit: fc.nat(),
  offset: fc.nat(),
  seriesLimit: fc.nat(),
  seriesOffset: fc.nat(),
  timeZone: fc.constantFrom("", "Europe/Berlin"),
});

test("print → parse is the identity", () => {
  fc.assert(
    fc.property(select, (original) => {
      expect(parseSingleSelect(formatSelect(original))).toEqual(original);
    }),
    { numRuns: 2_000 },
  );
});

describe("batch queries", () => {
  const at = (text: string): Time => parseTime(text) as Time;
  const printed = (
    text: string,
    options: Partial<BatchQueryOptions>,
    start: string,
    stop: string,
    groupOffset?: number,
  ): string => {
    const query = new BatchQuery(text, { dimensions: [], fill: undefined, ...options });
    return query.text(at(start), at(stop), groupOffset);
  };

  // The texts of the reference (storage-and-influx §5, nodes "query").
  test("grouped by time and a tag, with fill", () => {
    const dimensions = [
      { kind: "time", interval: MINUTE, offset: 0 },
      { kind: "tag", name: "host" },
    ] as const;
    expect(
      printed(
        `SELECT mean("usage") FROM "telegraf"."autogen"."cpu" WHERE host = 'a' GROUP BY region`,
        { dimensions, fill: 0 },
        "2026-11-22T06:31:29.016517887Z",
        "2026-11-22T06:36:29.016517887Z",
      ),
    ).toBe(
      "SELECT mean(usage) FROM telegraf.autogen.cpu WHERE host = 'a' AND time >= '2026-11-22T06:31:29.016517887Z' AND time < '2026-11-22T06:36:29.016517887Z' GROUP BY time(1m, 0s), host fill(0)",
    );
  });

  test("grouped by everything, without a condition", () => {
    expect(
      printed(
        'SELECT usage FROM "telegraf"."autogen"."cpu"',
        { dimensions: [{ kind: "all" }] },
        "2026-11-22T06:30:27Z",
        "2026-11-22T06:35:27Z",
      ),
    ).toBe(
      "SELECT usage FROM telegraf.autogen.cpu WHERE time >= '2026-11-22T06:30:27Z' AND time < '2026-11-22T06:35:27Z' GROUP BY *",
    );
  });

  test("an aligned group replaces the offset", () => {
    const dimensions = [{ kind: "time", interval: MINUTE, offset: -5 * SECOND }] as const;
    const range = ["2026-11-22T06:31:27Z", "2026-11-22T06:36:27Z"] as const;
    const text = "SELECT mean(usage) FROM telegraf.autogen.cpu";
    expect(printed(text, { dimensions }, ...range, 27 * SECOND)).toEndWith(
      " GROUP BY time(1m, 27s)",
    );
    expect(printed(text, { dimensions, fill: "previous" }, ...range)).toEndWith(
      " GROUP BY time(1m, -5s) fill(previous)",
    );
  });

  test("the time range holds for all of a condition with OR", () => {
    const range = ["2026-11-22T00:00:00Z", "2026-11-22T00:01:00Z"] as const;
    const time = "time >= '2026-11-22T00:00:00Z' AND time < '2026-11-22T00:01:00Z'";
    expect(printed("SELECT v FROM d.r.m WHERE a = 1 OR b = 2", {}, ...range)).toBe(
      `SELECT v FROM d.r.m WHERE (a = 1 OR b = 2) AND ${time}`,
    );
    expect(printed("SELECT v FROM d.r.m WHERE (a = 1 OR b = 2) LIMIT 3", {}, ...range)).toBe(
      `SELECT v FROM d.r.m WHERE (a = 1 OR b = 2) AND ${time} LIMIT 3`,
    );
  });

  test("sources are found in subqueries too", () => {
    const text = "SELECT v FROM a.b.c, (SELECT v FROM d..e, (SELECT w FROM f))";
    const { sources } = new BatchQuery(text, { dimensions: [], fill: undefined });
    expect(sources).toEqual([
      { db: "a", rp: "b" },
      { db: "d", rp: "" },
      { db: "", rp: "" },
    ]);
  });

  test("a wrong fill or two time dimensions are refused", () => {
    const text = "SELECT v FROM m";
    const time = { kind: "time", interval: MINUTE, offset: 0 } as const;
    expect(() => new BatchQuery(text, { dimensions: [], fill: "x" })).toThrow(
      "unexpected fill option x",
    );
    expect(() => new BatchQuery(text, { dimensions: [time, time], fill: undefined })).toThrow(
      "groupBy cannot have more than one time dimension",
    );
  });
});
