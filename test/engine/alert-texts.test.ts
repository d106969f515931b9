/** The default texts of events are put together by hand; the templates they stand for are the judge. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { type AlertSubject, AlertTexts, DEFAULT_TEMPLATES } from "#engine/alert-texts.ts";
import type { NodeContext } from "#engine/node.ts";
import { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import { makeSeries } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape } from "#model/shape.ts";

/** Say the same as the default ones, in other words. */
const SPELT_OUT = {
  id: "{{ $.Name }}:{{ $.Group }}",
  message: "{{ $.ID }} is {{ $.Level }}",
  details: "{{ json $ }}",
};

function textsOf(templates: typeof SPELT_OUT, word: string): AlertTexts {
  const server = { hostname: word, clusterId: `c${word}`, serverId: "s" };
  const context = { services: { server }, task: { id: `t${word}` } };
  return new AlertTexts(templates, context as unknown as NodeContext);
}

const word = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom(..."ab+&<>'\"\\\0\n\u2028\ud800", "é", "😀") }),
);
const name = word.filter((text) => text !== "__proto__");
const field = fc.oneof(
  fc.tuple(fc.constant<FieldType>("float"), fc.double({ noDefaultInfinity: true, noNaN: true })),
  // From 1e21 on numbers have an exponent with a sign, which HTML escapes.
  fc.tuple(fc.constant<FieldType>("float"), fc.constantFrom(1e21, -1e21, 999999999999999900000)),
  fc.tuple(fc.constant<FieldType>("int"), fc.maxSafeInteger()),
  fc.tuple(fc.constant<FieldType>("int"), fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n })),
  fc.tuple(fc.constant<FieldType>("duration"), fc.maxSafeInteger()),
  fc.tuple(fc.constant<FieldType>("string"), word),
  fc.tuple(fc.constant<FieldType>("boolean"), fc.boolean()),
  fc.tuple(fc.constant<FieldType>("null"), fc.constant(null)),
) as fc.Arbitrary<[FieldType, FieldValue]>;

interface Given {
  readonly measurement: string;
  readonly tags: Record<string, string>;
  readonly fields: Record<string, [FieldType, FieldValue]>;
  readonly ms: number;
  readonly ns: number;
  readonly duration: number;
  readonly level: 0 | 1 | 2 | 3;
}

function subjectOf({ measurement, tags, fields, ...given }: Given): Omit<AlertSubject, "id"> {
  const series = makeSeries("db", "rp", measurement, tags);
  const names = Object.keys(fields);
  const shape = internShape(
    names,
    names.map((key) => fields[key]?.[0] ?? "null"),
  );
  const values = names.map((key) => fields[key]?.[1] ?? null);
  const { ms, ns, duration, level } = given;
  const tagNames = series.tagKeys.slice(0, 2);
  const group = new Group(
    measurement,
    { byName: false, tagNames },
    tagNames.map((key) => series.tags()[key] ?? ""),
  );
  const point = new Point(series, shape, values, ms, ns);
  return {
    name: measurement,
    group,
    tags: series.tags(),
    point,
    level,
    time: { ms, ns },
    duration,
  };
}

const subject: fc.Arbitrary<Given> = fc.record({
  measurement: word,
  tags: fc.dictionary(name, word, { maxKeys: 5 }),
  fields: fc.dictionary(name, field, { maxKeys: 6 }),
  ms: fc.integer({ min: -62135596800000, max: 253402300799999 }),
  ns: fc.nat(999_999),
  duration: fc.maxSafeInteger(),
  level: fc.constantFrom(0, 1, 2, 3),
});

test("default texts are what their templates would have made of any event", () => {
  fc.assert(
    fc.property(fc.array(subject, { minLength: 1, maxLength: 3 }), word, (all, server) => {
      const quick = textsOf(DEFAULT_TEMPLATES, server);
      const slow = textsOf(SPELT_OUT, server);
      for (const given of all) {
        const what = subjectOf(given);
        const id = slow.id(what.name, what.group, what.tags);
        expect(quick.id(what.name, what.group, what.tags)).toBe(id);
        const event = { ...what, id };
        const message = slow.message(event);
        expect(quick.message(event)).toBe(message);
        expect(quick.details(event, message)).toBe(slow.details(event, message));
      }
    }),
    { numRuns: 500 },
  );
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  "%p in a field is the template's error",
  (value) => {
    const fields = { v: ["float", value] as [FieldType, FieldValue] };
    const tags = { host: "a" };
    const given = { measurement: "m", tags, fields, ms: 0, ns: 0, duration: 0, level: 3 } as const;
    const event = { ...subjectOf(given), id: "x" };
    expect(() => textsOf(DEFAULT_TEMPLATES, "w").details(event, "m")).toThrow(
      "error calling json: json: unsupported value",
    );
  },
);
