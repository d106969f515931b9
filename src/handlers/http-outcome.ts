/**
 * What an HTTP answer means for delivery: the one place that maps statuses to outcomes.
 *
 * Success is what the kind says (any 2xx unless it lists statuses). 408, 425, 429 and 5xx may pass and are repeated,
 * after the time the receiver asks for. Everything else will not get better by repeating.
 */

import { type Outcome, SENT } from "#alert/outcome.ts";
import { parseJson } from "#lib/json.ts";
import { ERROR_BODY_MAX } from "./limits.ts";

export interface HttpAnswer {
  readonly status: number;
  /** The header `Retry-After`, or null. */
  readonly retryAfter: string | null;
  /** The beginning of the body. */
  readonly body: string;
}

export interface AnswerRules {
  /** The receiver's name in error texts: `Slack`. */
  readonly service: string;
  /** Statuses that mean yes; empty = any 2xx. */
  readonly accepts: readonly number[];
  /** Kind-specific texts by status. */
  readonly texts?: Readonly<Record<number, string>>;
  /** Leaves the body out of the error text. */
  readonly hidesBody?: boolean;
}

/** Does this status mean yes? */
export function isAccepted(status: number, { accepts }: AnswerRules): boolean {
  return accepts.length === 0 ? status >= 200 && status < 300 : accepts.includes(status);
}

/** `nowMs` is wall time, for `Retry-After` dates. */
export function httpOutcome(answer: HttpAnswer, rules: AnswerRules, nowMs: number): Outcome {
  const { status } = answer;
  if (isAccepted(status, rules)) return SENT;
  const error = rules.texts?.[status] ?? errorText(answer, rules);
  if (!mayPass(status)) return { kind: "rejected", error };
  const afterMs = retryAfterMs(answer.retryAfter, nowMs);
  return afterMs === undefined ? { kind: "retry", error } : { kind: "retry", error, afterMs };
}

function mayPass(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

function errorText(answer: HttpAnswer, rules: AnswerRules): string {
  const { service, hidesBody } = rules;
  if (hidesBody === true) return `${service} answered with status ${answer.status}`;
  const said = messageIn(answer.body);
  if (said !== undefined) return `${service} answered with status ${answer.status}: ${said}`;
  const content = answer.body.slice(0, ERROR_BODY_MAX);
  return `failed to understand ${service} response. code: ${answer.status} content: ${content}`;
}

/** `message`, `error` or `errors` of a JSON body. */
function messageIn(body: string): string | undefined {
  const parsed = parseJson(body);
  if (!parsed.ok || typeof parsed.value !== "object" || parsed.value === null) return undefined;
  const found = new Map(Object.entries(parsed.value));
  for (const key of ["message", "error", "errors"]) {
    const value: unknown = found.get(key);
    if (typeof value === "string" && value !== "") return value.slice(0, ERROR_BODY_MAX);
    if (Array.isArray(value) && value.length > 0) return value.join(", ").slice(0, ERROR_BODY_MAX);
  }
  return undefined;
}

/** Seconds or an HTTP date; `undefined` when absent or malformed. */
function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(header)) return Number(header) * 1000;
  const date = /[a-z]{3}/i.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
