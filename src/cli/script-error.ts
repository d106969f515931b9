/**
 * A script that the server refuses, shown with the line at fault and what may help.
 *
 * The API answers with one line of text. The script is at hand here, so it is evaluated once more: the fault
 * whose text the server has answered knows its place and a hint. When none has that text (the server is of
 * another version, or knows more), the words `line L char C` in it are the place; without them the text
 * stands alone.
 */

import { TickError } from "#tick/diagnostic.ts";
import type { TickValue } from "#tick/environment.ts";
import { vetScript } from "#tick/evaluate.ts";
import { VarError, varsFromJson } from "#tick/vars.ts";
import { ApiFailure } from "./api.ts";
import { DetailedError } from "./command.ts";

export interface ScriptAtHand {
  readonly text: string;
  readonly template: boolean;
  /** Values of vars in the API's JSON. */
  readonly vars?: unknown;
}

/** Runs a request that sends a script; a refusal of it becomes a `DetailedError` where a place is known. */
export async function withScriptExcerpt<T>(
  script: ScriptAtHand | undefined,
  request: () => Promise<T>,
): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (script === undefined || !(error instanceof ApiFailure)) throw error;
    const excerpt = await excerptOf(script, error.message);
    if (excerpt === "") throw error;
    throw new DetailedError(error.message, excerpt, { cause: error });
  }
}

/** The API's words before a script's fault. */
const REFUSED = "invalid TICKscript: ";

async function excerptOf(script: ScriptAtHand, answer: string): Promise<string> {
  if (!answer.startsWith(REFUSED)) return "";
  const message = answer.slice(REFUSED.length);
  const { offlineEnvironment } = await import("#daemon/offline.ts");
  const vars = readableVars(script.vars);
  const { text, template } = script;
  const faults = vetScript(text, { environment: offlineEnvironment(), template, vars });
  const known = faults.find((fault) => fault.message === message);
  return (known ?? positioned(text, message))?.caretBlock() ?? "";
}

/** Vars that are none are the server's to complain about. */
function readableVars(json: unknown): Record<string, TickValue> {
  try {
    return varsFromJson(json);
  } catch (error) {
    if (error instanceof VarError) return {};
    throw error;
  }
}

function positioned(script: string, message: string): TickError | undefined {
  const match = /\bline (\d+) char (\d+)/.exec(message);
  if (match === null) return undefined;
  const position = { line: Number(match[1]), char: Number(match[2]) };
  return new TickError(message, { script, position });
}
