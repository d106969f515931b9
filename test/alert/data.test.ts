/** The JSON that handlers send, byte by byte, and what handler templates see. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { alertData, encodeAlertData, handlerTemplateData, postTemplateData } from "#alert/data.ts";
import { decodeEvent, encodeEvent } from "#alert/event.ts";
import { encodeJson } from "#lib/json.ts";
import { parseTextTemplate } from "#template/template.ts";
import { delivery, event } from "./support.ts";

describe("the JSON of an event", () => {
  test("has the keys of the original in their order", () => {
    expect(encodeAlertData(delivery())).toBe(
      '{"id":"cpu:host=h1","message":"cpu:host=h1 is CRITICAL","details":"{\\u0026#34;a\\u0026#34;}",' +
        '"time":"1970-01-01T00:16:40Z","duration":0,"level":"CRITICAL",' +
        '"data":{"series":[{"name":"cpu","tags":{"host":"h1"},"columns":["time","i","s","value"],' +
        '"values":[["1970-01-01T00:16:40Z",3,"x",95.5]]}]},' +
        '"previousLevel":"OK","recoverable":true}',
    );
  });

  test.each([
    ["no rows are null", { series: null }, '"data":{"series":null}'],
    [
      "nanoseconds are trimmed",
      { time: { ms: 1500, ns: 10 } },
      '"time":"1970-01-01T00:00:01.50000001Z"',
    ],
    ["duration is nanoseconds", { duration: 90_000_000_000 }, '"duration":90000000000'],
    ["a large duration is exact", { duration: 9007199254740993n }, '"duration":9007199254740993'],
    ["markup is escaped", { message: "<b>&\u2028" }, '"message":"\\u003cb\\u003e\\u0026\\u2028"'],
    ["floats are short", { series: [{ values: [[5, 1e21, 1e-7, 0.1]] }] }, "[[5,1e+21,1e-7,0.1]]"],
    ["name and tags may be missing", { series: [{ columns: ["time"] }] }, '[{"columns":["time"]}]'],
    ["no recovery is told", { recoverable: false }, '"recoverable":false'],
  ])("%s", (_name, overrides, want) => {
    expect(encodeAlertData(delivery(overrides))).toContain(want);
  });

  test("names the level before", () => {
    expect(alertData({ event: event(), previousLevel: 2 })["previousLevel"]).toBe("WARNING");
  });

  test("refuses NaN", () => {
    const nan = delivery({ series: [{ values: [[Number.NaN]] }] });
    expect(() => encodeAlertData(nan)).toThrow("json: unsupported value: NaN");
  });

  test("is what the slow encoder writes, whatever the texts and numbers", () => {
    const text = fc.string({ unit: "binary" }).map((some) => `${some}<&>\u2028\u2029\ud800`);
    const cell = fc.oneof(
      ...[text, fc.double(), fc.integer(), fc.boolean(), fc.bigInt()],
      ...[fc.constant(null), fc.constant(-0)],
    );
    const row = fc.record({
      name: text,
      tags: fc.dictionary(text, text),
      columns: fc.array(text, { maxLength: 3 }),
      values: fc.array(fc.array(cell, { maxLength: 3 }), { maxLength: 3 }),
    });
    const overrides = fc.record({
      ...{ id: text, message: text, details: text, recoverable: fc.boolean() },
      duration: fc.oneof(fc.integer(), fc.bigInt(), fc.constant(-0)),
      series: fc.option(fc.array(row, { maxLength: 2 })),
    });
    fc.assert(
      fc.property(overrides, (some) => {
        const one = delivery(some);
        expect(outcomeOf(() => encodeAlertData(one))).toBe(
          outcomeOf(() => encodeJson(alertData(one))),
        );
      }),
      { numRuns: 500 },
    );
  });
});

/** What it returns, or the error's text. */
function outcomeOf(run: () => string): string {
  try {
    return run();
  } catch (error) {
    return String(error);
  }
}

describe("template data", () => {
  const render = (source: string): string =>
    parseTextTemplate(source).render(handlerTemplateData(delivery({ duration: 5_000_000_000 })));

  test.each([
    [
      "{{ .ID }} {{ .Level }} {{ .Name }} {{ .TaskName }} {{ .Group }}",
      "cpu:host=h1 CRITICAL cpu cpu_alert host=h1",
    ],
    ['{{ index .Tags "host" }}', "h1"],
    ["{{ .Time }} {{ .Duration }}", "1970-01-01 00:16:40 +0000 UTC 5s"],
    ["{{ .Fields.value }} {{ .Fields.i }}", "95.5 3"],
    ["{{ .Message }}", "cpu:host=h1 is CRITICAL"],
  ])("%s", (source, want) => {
    expect(render(source)).toBe(want);
  });

  test("a whole float prints as a float when its type is known", () => {
    const fields = { n: 1_000_000 };
    const typed = delivery({ fields, fieldTypes: { n: "float" } });
    const template = parseTextTemplate("{{ .Fields.n }}");
    expect(template.render(handlerTemplateData(typed))).toBe("1e+06");
    expect(template.render(handlerTemplateData(delivery({ fields })))).toBe("1000000");
  });

  test("body templates reach the rows", () => {
    const source =
      "{{ .PreviousLevel }} {{ range .Data.Series }}{{ .Name }} {{ .Tags.host }} {{ range .Values }}{{ index . 3 }}{{ end }}{{ end }}";
    const data = postTemplateData({ event: event(), previousLevel: 1 });
    expect(parseTextTemplate(source).render(data)).toBe("INFO cpu h1 95.5");
  });
});

test("an event survives the wire with exact integers", () => {
  const sent = event({ duration: 9223372036854775807n, fields: { n: -9223372036854775808n } });
  expect(decodeEvent(JSON.parse(JSON.stringify(encodeEvent(sent))))).toEqual(sent);
});
