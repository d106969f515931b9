/** Faults of script files as compilers print them, so that editors can jump to them. */

import type { TickError } from "#tick/diagnostic.ts";
import type { JsonRecord } from "./api.ts";

/** One fault of one file. `at` is missing for a file that cannot be read. */
export interface ScriptFault {
  readonly file: string;
  readonly message: string;
  readonly at?: TickError;
}

export function scriptFault(file: string, error: TickError): ScriptFault {
  // The place stands in front of the line already.
  const place = `line ${error.line} char ${error.char}: `;
  const { message } = error;
  const isRepeated = error.line !== undefined && message.startsWith(place);
  return { file, at: error, message: isRepeated ? message.slice(place.length) : message };
}

/** `file:line:char: message`; the place is left out where there is none. */
export function faultLine({ file, message, at }: ScriptFault): string {
  // What is wrong with a file, not with its script, names the file.
  if (at === undefined) return message;
  const place = at.line === undefined ? "" : `:${at.line}:${at.char}`;
  return `${file}${place}: ${message}`;
}

/** The same with the line of the script, a caret and a hint below, and a line feed. */
export function faultText(fault: ScriptFault): string {
  const block = fault.at?.caretBlock() ?? "";
  return `${faultLine(fault)}\n${block === "" ? "" : `${block}\n`}`;
}

export function faultJson({ file, message, at }: ScriptFault): JsonRecord {
  return { file, line: at?.line, char: at?.char, message, source: at?.sourceLine, hint: at?.hint };
}
