/**
 * Message templates: Go's `text/template` and `html/template` as users of alerts know them.
 *
 * Parse once when a task or handler starts, render per event. The HTML form escapes every printed value by
 * the context it stands in (text, attribute, URL, script, style); its mistakes show at parse time.
 */

import { BUILTINS, type TemplateFunctions } from "./functions.ts";
import { escapeTrees } from "./html-escape.ts";
import { parseTrees } from "./parse.ts";
import { compileProgram } from "./run.ts";

export interface Template {
  /** Throws `TemplateError` when the data does not fit the template or a bound is passed. */
  render(data: unknown): string;
}

export interface TemplateOptions {
  /** Name in error texts; default `template`. */
  readonly name?: string;
  /** Functions besides the built-in ones, e.g. `JSON_FUNCTIONS`. */
  readonly functions?: TemplateFunctions;
}

/** Throws `TemplateError` with Go's text. */
export function parseTextTemplate(source: string, options: TemplateOptions = {}): Template {
  const { name = "template" } = options;
  const functions = { ...BUILTINS, ...options.functions };
  const trees = parseTrees(name, source, new Set(Object.keys(functions)));
  const program = compileProgram({ name, source, trees, functions });
  return { render: (data) => program.run(data) };
}

/** The same with contextual HTML escaping. */
export function parseHtmlTemplate(source: string, options: TemplateOptions = {}): Template {
  const { name = "template" } = options;
  const functions = { ...BUILTINS, ...options.functions };
  const parsed = parseTrees(name, source, new Set(Object.keys(functions)));
  const trees = escapeTrees(name, source, parsed);
  const program = compileProgram({ name, source, trees, functions });
  return { render: (data) => program.run(data) };
}
