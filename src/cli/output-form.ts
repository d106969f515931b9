/**
 * `-output table|json`: how a command prints what it has found. Ours; every command takes it.
 *
 * It may stand before or behind the command, so it is taken out before anything else is read: the words
 * that are left are what the original's commands know, which count some of theirs.
 */

import { encodeJson } from "#lib/json.ts";
import { UsageError } from "./command.ts";

export const OUTPUT_FORMS = ["table", "json"] as const;

export type OutputForm = (typeof OUTPUT_FORMS)[number];

/** Takes every `-output` before a `--` out of the words; the last one counts. Throws `UsageError`. */
export function takeOutputForm(args: readonly string[]): {
  readonly output: OutputForm;
  readonly rest: readonly string[];
} {
  let output: OutputForm = "table";
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? "";
    if (word === "--") {
      rest.push(...args.slice(i));
      break;
    }
    const match = /^--?output(?:=(.*))?$/s.exec(word);
    if (match === null) rest.push(word);
    else output = readForm(match[1] ?? args[++i]);
  }
  return { output, rest };
}

function readForm(value: string | undefined): OutputForm {
  if (value === undefined) throw new UsageError("flag needs an argument: -output");
  const form = OUTPUT_FORMS.find((known) => known === value);
  if (form !== undefined) return form;
  throw new UsageError(
    `invalid value ${JSON.stringify(value)} for flag -output: must be table or json`,
  );
}

/** A failure as one line of JSON. */
export function errorLine(message: string): string {
  return `${encodeJson({ error: message })}\n`;
}
