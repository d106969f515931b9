/** Templates as users of alerts meet them: the tables, the bounds, and that no input crashes them. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { JSON_FUNCTIONS } from "#template/functions.ts";
import { TEMPLATE_OUTPUT_MAX, TEMPLATE_SOURCE_MAX } from "#template/limits.ts";
import { parseHtmlTemplate, parseTextTemplate } from "#template/template.ts";
import { TemplateError } from "#template/template-error.ts";
import { EVENT } from "./data.ts";
import { HTML_CASES, HTML_ERRORS } from "./html-cases.ts";
import { PARSE_ERRORS, RUN_ERRORS, TEXT_CASES } from "./text-cases.ts";

const text = (source: string): string => parseTextTemplate(source, { name: "t" }).render(EVENT);
const html = (source: string): string =>
  parseHtmlTemplate(source, { name: "t", functions: JSON_FUNCTIONS }).render(EVENT);

function errorOf(run: () => unknown): TemplateError {
  try {
    run();
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
  throw new Error("no error was thrown");
}

for (const [topic, cases] of Object.entries(TEXT_CASES)) {
  describe(`text: ${topic}`, () => {
    test.each(cases.map(([source, want]) => [source, want] as const))("%s", (source, want) => {
      expect(text(source)).toBe(want);
    });
  });
}

for (const [topic, cases] of Object.entries(HTML_CASES)) {
  describe(`HTML: ${topic}`, () => {
    test.each(cases.map(([source, want]) => [source, want] as const))("%s", (source, want) => {
      expect(html(source)).toBe(want);
    });
  });
}

describe("errors", () => {
  test.each(PARSE_ERRORS.map((row) => [...row] as const))("%s does not parse", (source, want) => {
    expect(errorOf(() => parseTextTemplate(source, { name: "t" })).message).toBe(want);
  });

  test.each(RUN_ERRORS.map((row) => [...row] as const))("%s does not run", (source, want) => {
    const template = parseTextTemplate(source, { name: "t" });
    expect(errorOf(() => template.render(EVENT)).message).toBe(want);
  });

  test.each(HTML_ERRORS.map((row) => [...row] as const))("%s is unsafe HTML", (source, want) => {
    expect(errorOf(() => html(source)).message).toStartWith(want);
  });

  test("an error names line and byte column", () => {
    const error = errorOf(() => text("a\nü {{.Nope}}"));
    expect([error.line, error.column]).toEqual([2, 5]);
  });
});

describe("bounds", () => {
  test("output may reach the limit and not pass it", () => {
    const fill = (n: number): string => `{{range ${n}}}${"x".repeat(4096)}{{end}}`;
    expect(text(fill(TEMPLATE_OUTPUT_MAX / 4096)).length).toBe(TEMPLATE_OUTPUT_MAX);
    expect(errorOf(() => text(`${fill(TEMPLATE_OUTPUT_MAX / 4096 + 2)}`)).message).toContain(
      "output is too long",
    );
  });

  test("a loop without output ends", () => {
    expect(errorOf(() => text("{{range 9000000000}}{{end}}")).message).toContain("runs too long");
  });

  test("a template that calls itself ends", () => {
    const source = '{{define "x"}}{{template "x"}}{{end}}{{template "x"}}';
    expect(errorOf(() => text(source)).message).toContain("exceeded maximum template depth");
    expect(errorOf(() => html(source)).message).toContain("exceeded maximum template depth");
  });

  test("a source of the largest size parses, a larger one is refused", () => {
    expect(text("x".repeat(TEMPLATE_SOURCE_MAX)).length).toBe(TEMPLATE_SOURCE_MAX);
    expect(() => text("x".repeat(TEMPLATE_SOURCE_MAX + 1))).toThrow("template is too long");
  });

  test("deep nesting is refused, not a stack overflow", () => {
    expect(() => text(`{{${"(".repeat(5000)}1${")".repeat(5000)}}}`)).toThrow("nested too deeply");
    expect(() => text("{{if 1}}".repeat(5000))).toThrow("nested too deeply");
  });

  test("a huge width is marked, not printed", () => {
    expect(text('{{printf "%999999999d" 1}}')).toBe("%!(NOVERB)%!(EXTRA int64=1)");
  });
});

describe("whatever the source", () => {
  const piece = fc.constantFrom(
    ...["{{", "}}", "{{-", "-}}", "if ", "range ", "else", "end", "with ", "define ", "template "],
    ...['"x"', "`", "'", "$x", ":=", "=", ".Name", ".", "(", ")", "|", "printf ", "1", "/*", "*/"],
    ...["<a href=", "<script>", "</script>", "<!--", "-->", "<style>", '"', ">", " ", "\n", "ü"],
  );
  const source = fc.array(piece, { maxLength: 24 }).map((parts) => parts.join(""));

  test("text templates render or throw a TemplateError", () => {
    fc.assert(
      fc.property(source, (s) => {
        try {
          text(s);
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("HTML templates render or throw a TemplateError", () => {
    fc.assert(
      fc.property(source, (s) => {
        try {
          html(s);
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("a value in HTML text never brings a tag", () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const out = parseHtmlTemplate("<p>{{.}}</p>").render(value);
        expect(out.slice(3, -4)).not.toMatch(/[<>"']/);
      }),
    );
  });
});
