/** The wire form of silences is the text that is stored, one per silence; it is read with the same checks. */

import { SILENCE_MATCHERS_MAX, SILENCE_TEXT_MAX } from "#alert/limits.ts";
import type { SilenceChange } from "#alert/silence.ts";
import { errorMessage } from "#lib/errors.ts";
import { silences } from "#storage/kinds/silences.ts";
import { WireError } from "../ports.ts";
import { wireList, wireText } from "../rpc/define-call.ts";

/** Silences in one call; each has at most 64 matchers of 1,000 characters. */
export const SILENCE_PAGE_MAX = 200;

export function encodeSilences(changes: readonly SilenceChange[]): readonly string[] {
  return changes.map(silences.encode);
}

export function readSilences(input: unknown): readonly SilenceChange[] {
  return wireList(input, "silences", SILENCE_PAGE_MAX).map(readSilence);
}

function readSilence(input: unknown): SilenceChange {
  const text = wireText(input, "silence");
  let change: SilenceChange;
  try {
    change = silences.decode(text);
  } catch (error) {
    throw new WireError(`silence: ${errorMessage(error)}`);
  }
  const { id, matchers, author, comment } = change.silence;
  const texts = [id, author, comment, ...matchers.map(({ name, value }) => name + value)];
  const isLarge = texts.some(({ length }) => length > SILENCE_TEXT_MAX);
  if (isLarge || matchers.length > SILENCE_MATCHERS_MAX) throw new WireError("silence: too large");
  return change;
}
