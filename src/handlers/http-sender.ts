/**
 * Sends one HTTP request for a handler and turns whatever happens into an `Outcome`.
 *
 * Connections are pooled by the runtime, proxies come from the environment, redirects are followed. Only the
 * beginning of an answer is read. Trouble on the way (refused, reset, TLS, time limit) is worth repeating; an
 * address that is none, or that is blocked, is not. Error texts pass `withoutSecrets`.
 */

import type { HandlerServices } from "#alert/handler.ts";
import { type Outcome, SENT } from "#alert/outcome.ts";
import { errorMessage } from "#lib/errors.ts";
import {
  type AddressGuard,
  allowedAddress,
  BlockedAddress,
  isRestricted,
} from "./allowed-address.ts";
import { type AnswerRules, httpOutcome, isAccepted } from "./http-outcome.ts";
import { ANSWER_BYTES_MAX, REDIRECTS_MAX, URLS_KEPT_MAX } from "./limits.ts";
import { RequestGate } from "./request-gate.ts";
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

/** One for the process, as the places it guards are. */
const gate = new RequestGate();

/** JSON's content type, which most receivers want. */
export const JSON_HEADERS = { "Content-Type": "application/json" } as const;

interface Aim {
  readonly protocol: string;
  readonly origin: string;
}

const NOWHERE: Aim = { protocol: "", origin: "" };
const aims = new Map<string, Aim>();

/** Of a URL's text; handlers post to the same few again and again. */
function aimOf(url: string): Aim {
  let aim = aims.get(url);
  if (aim === undefined) {
    const { protocol, origin } = URL.parse(url) ?? NOWHERE;
    aim = { protocol, origin };
    if (aims.size >= URLS_KEPT_MAX) aims.clear();
    aims.set(url, aim);
  }
  return aim;
}

export async function sendHttp(
  services: HandlerServices,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<Outcome> {
  const hide = (outcome: Outcome): Outcome => hideSecrets(outcome, request);
  const { service, url } = request;
  const { protocol, origin } = aimOf(url);
  if (protocol !== "http:" && protocol !== "https:") {
    return hide({ kind: "rejected", error: `${service}: invalid url ${JSON.stringify(url)}` });
  }
  let hasPlace = false;
  try {
    const turn = gate.enter(origin, signal);
    if (turn !== undefined) await turn;
    hasPlace = true;
    const answer = await fetchGuarded(services, request, signal);
    const body = await readStart(answer);
    const { status } = answer;
    // Headers are made when somebody asks for them.
    if (isAccepted(status, request)) return SENT;
    const retryAfter = answer.headers.get("Retry-After");
    const nowMs = services.clock.now().ms;
    return hide(httpOutcome({ status, retryAfter, body }, request, nowMs));
  } catch (error) {
    if (error instanceof BlockedAddress) {
      return { kind: "rejected", error: `${service}: ${error.message}` };
    }
    return hide({ kind: "retry", error: `${service}: ${connectionError(error, signal)}` });
  } finally {
    if (hasPlace) gate.leave(origin);
  }
}

/** Sends the request, redirects followed; blocked addresses are not reached. Rejects with the runtime's error. */
export function fetchGuarded(
  services: AddressGuard,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<Response> {
  return isRestricted(services)
    ? fetchAllowed(services, request, signal)
    : fetch(request.url, { ...contentOf(request), ...connectionOf(request, signal) });
}

interface Content {
  readonly method: "POST" | "GET";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

function contentOf({ headers = {}, body }: HttpRequest): Content {
  return { method: "POST", headers, body };
}

function connectionOf({ tls }: HttpRequest, signal: AbortSignal) {
  return { signal, ...(tls === undefined ? {} : { tls }) };
}

/** Every address on the way is judged first, so redirects are followed here and not by the runtime. */
async function fetchAllowed(
  services: AddressGuard,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<Response> {
  let url = new URL(request.url);
  let content = contentOf(request);
  for (let hops = 0; hops <= REDIRECTS_MAX; hops++) {
    const target = await pinned(services, url);
    const answer = await fetch(target.url, {
      ...content,
      ...connectionOf(request, signal),
      headers: { ...content.headers, ...target.headers },
      redirect: "manual",
    });
    const next = redirection(answer, url);
    if (next === undefined) return answer;
    await answer.body?.cancel();
    content = redirected(content, { status: answer.status, staysHome: next.origin === url.origin });
    url = next;
  }
  throw new Error(`more than ${REDIRECTS_MAX} redirects`);
}

/**
 * The URL with the judged address in place of the name. TLS needs the name, and its certificate proves that nobody else
 * answers to it.
 */
async function pinned(
  services: AddressGuard,
  url: URL,
): Promise<{ readonly url: string; readonly headers: Readonly<Record<string, string>> }> {
  const address = await allowedAddress(services, url.hostname);
  if (url.protocol !== "http:") return { url: url.href, headers: {} };
  const direct = new URL(url);
  direct.hostname = address.includes(":") ? `[${address}]` : address;
  return { url: direct.href, headers: { Host: url.host } };
}

const REDIRECTIONS = [301, 302, 303, 307, 308];

function redirection(answer: Response, from: URL): URL | undefined {
  const location = answer.headers.get("Location");
  if (location === null || !REDIRECTIONS.includes(answer.status)) return undefined;
  const next = URL.parse(location, from);
  return next?.protocol === "http:" || next?.protocol === "https:" ? next : undefined;
}

/** What is sent on: after 301 to 303 nothing but a GET; to another origin no credentials. */
function redirected(
  { method, headers, body }: Content,
  { status, staysHome }: { readonly status: number; readonly staysHome: boolean },
): Content {
  const kept = Object.entries(headers).filter(
    ([name]) => staysHome || !/^(authorization|cookie)$/i.test(name),
  );
  const sent = Object.fromEntries(kept);
  if (status === 307 || status === 308 || body === undefined) {
    return { method, headers: sent, ...(body === undefined ? {} : { body }) };
  }
  return { method: "GET", headers: sent };
}

function hideSecrets(outcome: Outcome, request: HttpRequest): Outcome {
  if (outcome.kind === "sent") return outcome;
  const secrets = [...(request.secrets ?? []), ...secretsOfUrl(request.url)];
  return { ...outcome, error: withoutSecrets(outcome.error, secrets) };
}

async function readStart(answer: Response): Promise<string> {
  // There can be none, and looking for it costs a stream.
  if (answer.status === 204) return "";
  if (isShort(answer.headers)) return answer.text();
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

/** Says that it is short, and is not packed: the usual answer, read in one go. */
function isShort(headers: Headers): boolean {
  const length = headers.get("Content-Length");
  if (length === null || headers.has("Content-Encoding")) return false;
  return Number(length) <= ANSWER_BYTES_MAX;
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
  DNS_ENOTFOUND: "unknown host",
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
