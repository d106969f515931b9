/**
 * A handler's `match` expression, compiled once and asked per event.
 *
 * The language is the lambda's (tick/lambda/match.ts); here it meets an event. An expression that fails, for
 * example on a tag the event lacks, does not match, and says why.
 */

import { errorMessage } from "#lib/errors.ts";
import type { LambdaServices } from "#tick/functions/spec.ts";
import { compileMatch } from "#tick/lambda/match.ts";
import type { AlertEvent } from "./event.ts";
import type { Level } from "./level.ts";

export type MatchVerdict =
  | { readonly kind: "matches" }
  | { readonly kind: "differs" }
  /** Evaluation failed; the event is not handled. */
  | { readonly kind: "error"; readonly error: string };

export type EventMatch = (event: AlertEvent, previousLevel: Level) => MatchVerdict;

const MATCHES: MatchVerdict = { kind: "matches" };
const DIFFERS: MatchVerdict = { kind: "differs" };

/**
 * The empty expression matches everything. Throws `Error` with the parser's text. `services` are for `now()`, which is
 * unknown without them.
 */
export function compileEventMatch(expression: string, services?: LambdaServices): EventMatch {
  if (expression === "") return () => MATCHES;
  const match = compileMatch(expression, services);
  return (event, previousLevel) => {
    const { level, name, taskName, duration, tags } = event;
    const tag = (key: string): string | undefined =>
      Object.hasOwn(tags, key) ? tags[key] : undefined;
    try {
      const changed = level !== previousLevel;
      return match.evaluate({ level, changed, name, taskName, duration, tag }) ? MATCHES : DIFFERS;
    } catch (error) {
      return { kind: "error", error: errorMessage(error) };
    }
  };
}
