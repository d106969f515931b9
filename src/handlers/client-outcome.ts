/**
 * What a client's failure means for delivery. Not an entry of the registry.
 *
 * Trouble on the way is worth repeating, a refusal or settings that cannot work are not; an abort is the queue's own
 * decision and worth repeating. Secrets are taken out of the text.
 */

import type { Outcome } from "#alert/outcome.ts";
import { SENT } from "#alert/outcome.ts";
import { SendError } from "#clients/send-error.ts";
import { errorMessage } from "#lib/errors.ts";
import { ERROR_BODY_MAX } from "./limits.ts";
import { withoutSecrets } from "./secrets.ts";

export interface ClientCall {
  /** The receiver's name in error texts: `Kafka`. */
  readonly service: string;
  readonly signal: AbortSignal;
  /** Texts that must not show in errors. */
  readonly secrets: readonly string[];
}

export async function clientOutcome(
  { service, signal, secrets }: ClientCall,
  send: () => Promise<void>,
): Promise<Outcome> {
  try {
    await send();
    return SENT;
  } catch (error) {
    const isAbort = signal.aborted && error === signal.reason;
    const text = isAbort ? errorMessage(error) : `${service}: ${errorMessage(error)}`;
    const isFinal = error instanceof SendError && !error.retryable;
    return {
      kind: isFinal ? "rejected" : "retry",
      error: withoutSecrets(text, secrets).slice(0, ERROR_BODY_MAX),
    };
  }
}
