/**
 * The one error of templates, in Go's wording: `template: name:1: unexpected EOF` when parsing and
 * `template: name:1:3: executing "name" at <.Foo>: …` when running. It is the template author's fault;
 * nothing was changed and retrying is useless.
 */
export class TemplateError extends Error {
  override name = "TemplateError";
  /** 1-based line in the source. */
  readonly line: number;
  /** 0-based byte column in the line, as Go counts; 0 when only the line is known. */
  readonly column: number;

  constructor(message: string, line: number, column: number) {
    super(message);
    this.line = line;
    this.column = column;
  }
}

/** What a function or a value operation throws; the runner adds the position and rethrows a `TemplateError`. */
export class ValueError extends Error {
  override name = "ValueError";
}

/** Line (1-based) and byte column (0-based) of a UTF-16 offset. */
export function positionOf(source: string, offset: number): { line: number; column: number } {
  const before = source.slice(0, offset);
  const start = before.lastIndexOf("\n") + 1;
  let line = 1;
  for (let i = before.indexOf("\n"); i >= 0; i = before.indexOf("\n", i + 1)) line++;
  return { line, column: new TextEncoder().encode(before.slice(start)).length };
}
