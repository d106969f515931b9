/**
 * Why a client could not send: told once, at the boundary to the other protocol.
 *
 * Libraries throw errors of many shapes. Each client turns them into this one, in plain words and with the only
 * thing a caller must know: whether the same call may work later.
 */

import { errorMessage } from "#lib/errors.ts";

/** State at the receiver is unknown when `retryable`: it may have got the message. */
export class SendError extends Error {
  override name = "SendError";
  /** True for trouble on the way and for receivers that say "later"; false for refusals and wrong settings. */
  readonly retryable: boolean;

  constructor(message: string, options: ErrorOptions & { readonly retryable: boolean }) {
    super(message, options);
    this.retryable = options.retryable;
  }
}

/** A refusal, or settings that can never work. */
export function refusal(message: string, cause?: unknown): SendError {
  return new SendError(message, { retryable: false, cause });
}

/** Something that may pass. */
export function trouble(message: string, cause?: unknown): SendError {
  return new SendError(message, { retryable: true, cause });
}

const KNOWN: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EPIPE: "connection closed",
  EHOSTUNREACH: "host is unreachable",
  ENETUNREACH: "network is unreachable",
  ENOTFOUND: "unknown host",
  EAI_AGAIN: "cannot look up the host",
  ETIMEDOUT: "connection timed out",
  DEPTH_ZERO_SELF_SIGNED_CERT: "TLS: self-signed certificate",
  SELF_SIGNED_CERT_IN_CHAIN: "TLS: self-signed certificate in chain",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "TLS: certificate of an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "TLS: certificate of an unknown authority",
  CERT_HAS_EXPIRED: "TLS: certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "TLS: certificate is for another name",
};

/** What a socket or the runtime said, in plain words where the code is known. */
export function troubleText(error: unknown): string {
  for (const key of ["originalCode", "code"]) {
    const known = KNOWN[textOf(error, key)];
    if (known !== undefined) return known;
  }
  const message = errorMessage(error);
  if (/ECONNREFUSED/.test(message)) return "connection refused";
  if (/self.signed certificate/i.test(message)) return "TLS: self-signed certificate";
  return message === "" ? textOf(error, "code") || "connection failed" : message;
}

/** A text member of something thrown; empty when it has none. */
export function textOf(error: unknown, key: string): string {
  const value = memberOf(error, key);
  return typeof value === "string" ? value : "";
}

/** A number member of something thrown; `undefined` when it has none. */
export function numberOf(error: unknown, key: string): number | undefined {
  const value = memberOf(error, key);
  return typeof value === "number" ? value : undefined;
}

function memberOf(error: unknown, key: string): unknown {
  return typeof error === "object" && error !== null ? Reflect.get(error, key) : undefined;
}
