/**
 * A script that the server refuses, shown with the line at fault.
 *
 * The API answers with one line of text whose only position is the words `line L char C`; that is the one
 * place where a message is read. Without a position, or without the file, the text stays as it is.
 */

import { TickError } from "#tick/diagnostic.ts";
import { ApiFailure } from "./api.ts";

/** Runs a request that sends `script`; a refusal that names a position gets the source line below it. */
export async function withScriptExcerpt<T>(
  script: string | undefined,
  request: () => Promise<T>,
): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (script === undefined || !(error instanceof ApiFailure)) throw error;
    const excerpt = excerptOf(script, error.message);
    if (excerpt === "") throw error;
    throw new ApiFailure(error.status, `${error.message}\n${excerpt}`, { cause: error });
  }
}

function excerptOf(script: string, message: string): string {
  const match = /\bline (\d+) char (\d+)/.exec(message);
  if (match === null) return "";
  const position = { line: Number(match[1]), char: Number(match[2]) };
  return new TickError(message, { script, position }).caretBlock();
}
