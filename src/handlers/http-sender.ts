/**
 * Sends one HTTP request for a handler and turns whatever happens into an `Outcome`.
 *
 * Connections are pooled by the runtime, proxies come from the environment, redirects are followed. Only the
 * beginning of an answer is read. Trouble on the way (refused, reset, TLS, time limit) is worth repeating; an
 * address that is none is not. Error texts pass `withoutSecrets`.
 */

import type { HandlerServices } from "#alert/handler.ts";
import type { Outcome } from "#alert/outcome.ts";
import { errorMessage } from "#lib/errors.ts";
import { type AnswerRules, httpOutcome } from "./http-outcome.ts";
import { ANSWER_BYTES_MAX } from "./limits.ts";
import { secretsOfUrl, withoutSecrets } from "./secrets.ts";
import type { TlsSettings } from "./tls-settings.ts";

export interface HttpRequest extends AnswerRules {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  readonly tls?: TlsSettings;
  /** Texts that must not show in errors, besides what the URL holds. */
  readonly secrets?: readonly string[];
}

/** JSON's content type, which most receivers want. */
export const JSON_HEADERS = { "Content-Type": "application/json" } as const;

export async function sendHttp(
  services: HandlerServices,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<Outcome> {
  const hide = (outcome: Outcome): Outcome => hideSecrets(outcome, request);
  const { service, url } = request;
  const { protocol } = URL.parse(url) ?? { protocol: "" };
  if (protocol !== "http:" && protocol !== "https:") {
    return hide({ kind: "rejected", error: `${service}: invalid url ${JSON.stringify(url)}` });
  }
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { ...request.headers },
      body: request.body,
      signal,
      ...(request.tls === undefined ? {} : { tls: request.tls }),
    });
    const body = await readStart(answer);
    const retryAfter = answer.headers.get("Retry-After");
    const nowMs = services.clock.now().ms;
    return hide(httpOutcome({ status: answer.status, retryAfter, body }, request, nowMs));
  } catch (error) {
    return hide({ kind: "retry", error: `${service}: ${connectionError(error, signal)}` });
  }
}

function hideSecrets(outcome: Outcome, request: HttpRequest): Outcome {
  if (outcome.kind === "sent") return outcome;
  const secrets = [...(request.secrets ?? []), ...secretsOfUrl(request.url)];
  return { ...outcome, error: withoutSecrets(outcome.error, secrets) };
}

async function readStart(answer: Response): Promise<string> {
  if (answer.body === null) return "";
  const reader = answer.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < ANSWER_BYTES_MAX) {
    const { done, value } = await reader.read();
    if (done) return text(chunks);
    chunks.push(value);
    size += value.length;
  }
  await reader.cancel();
  return text(chunks);
}

function text(chunks: readonly Uint8Array[]): string {
  return new TextDecoder().decode(Buffer.concat(chunks).subarray(0, ANSWER_BYTES_MAX));
}

const KNOWN: Readonly<Record<string, string>> = {
  ConnectionRefused: "connection refused",
  ECONNREFUSED: "connection refused",
  ConnectionClosed: "connection closed",
  ECONNRESET: "connection reset",
  FailedToOpenSocket: "cannot connect",
  ENOTFOUND: "unknown host",
  ETIMEDOUT: "connection timed out",
  DEPTH_ZERO_SELF_SIGNED_CERT: "TLS: self-signed certificate",
  SELF_SIGNED_CERT_IN_CHAIN: "TLS: self-signed certificate in chain",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "TLS: certificate of an unknown authority",
  CERT_HAS_EXPIRED: "TLS: certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "TLS: certificate is for another name",
};

/** What went wrong on the way, in plain words where we know the code. */
export function connectionError(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return errorMessage(signal.reason);
  const code = codeOf(error);
  const known = KNOWN[code];
  if (known !== undefined) return known;
  const message = errorMessage(error);
  return code === "" ? message : `${message} (${code})`;
}

function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}
