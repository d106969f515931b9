/**
 * A sign of life of another member's HTTP API, for check-ups.
 *
 * Certificates are not checked: whether clients trust them is not what is asked, and members call each other otherwise.
 */

import type { Fault } from "#cluster/doctor/report.ts";
import { errorMessage } from "#lib/errors.ts";

/** Resolves with what is wrong, `undefined` when a Kapacitor answers. Never rejects. */
export async function pingApi(
  address: string,
  tls: boolean,
  signal: AbortSignal,
): Promise<{ readonly fault: Fault; readonly detail: string } | undefined> {
  try {
    const answer = await fetch(`${tls ? "https" : "http"}://${address}/kapacitor/v1/ping`, {
      signal,
      tls: { rejectUnauthorized: false },
      redirect: "manual",
    });
    if (answer.headers.has("x-kapacitor-version")) return undefined;
    return { fault: "wrong-answer", detail: `status ${answer.status}, and not of a Kapacitor` };
  } catch (error) {
    if (signal.aborted) return { fault: "silent", detail: "" };
    return faultOf(error);
  }
}

/** The runtime's codes of a failed request. */
const CODES: Readonly<Record<string, Fault>> = {
  ConnectionRefused: "refused",
  ECONNREFUSED: "refused",
  ENOTFOUND: "unresolved",
  DNSException: "unresolved",
  FailedToOpenSocket: "silent",
};

function faultOf(error: unknown): { readonly fault: Fault; readonly detail: string } {
  const code =
    typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  const fault = CODES[code] ?? "closed";
  return { fault, detail: fault === "refused" ? "connection refused" : errorMessage(error) };
}
