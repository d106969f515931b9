/**
 * Errors as clients see them: the only file that knows which status a failure gets.
 *
 * The body is `{"error", "message"}` with the same text twice, indented by four spaces; write errors are a
 * plain line (of the 2.x write API `{"code", "message"}`), authentication errors compact JSON. Source: http-api §1.5.
 */

import { errorMessage } from "#lib/errors.ts";
import { encodeJson } from "#lib/json.ts";
import { StorageError } from "#storage/store.ts";
import { TaskError } from "#tasks/task-error.ts";

/** `json`: indented. `compact`: one line. `text`: the message and a line feed. `coded`: InfluxDB 2's shape. */
export type ErrorForm = "json" | "compact" | "text" | "coded";

/** A refusal with the exact text clients expect. Whose fault follows from the status. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  readonly form: ErrorForm;

  constructor(status: number, message: string, form: ErrorForm = "json") {
    super(message);
    this.status = status;
    this.form = form;
  }
}

export const badRequest = (message: string): ApiError => new ApiError(400, message);
export const unknown = (message: string): ApiError => new ApiError(404, message);
export const failure = (message: string): ApiError => new ApiError(500, message);
export const tooLarge = (message: string): ApiError => new ApiError(413, message);
export const overloaded = (message: string): ApiError => new ApiError(503, message, "text");
export const unauthorized = (message: string): ApiError => new ApiError(401, message, "compact");

/** The answer to any path and method that is not ours. */
export const notFound = (): ApiError => new ApiError(404, "Not Found");

/** A route of the reference that this version does not have yet; says what it is. */
export function notBuilt(what: string): ApiError {
  return new ApiError(501, `${what} not available yet`);
}

/** A plain-text refusal with the same status: how the write endpoint answers. */
export function asText(error: ApiError): ApiError {
  return new ApiError(error.status, error.message, "text");
}

/** The same refusal in the shape of the InfluxDB 2 API. */
export function asCoded(error: ApiError): ApiError {
  return new ApiError(error.status, error.message, "coded");
}

export function errorResponse(thrown: unknown): Response {
  const error = asApiError(thrown);
  const headers = error.status === 503 ? { "Retry-After": "1" } : {};
  return new Response(errorBody(error), { status: error.status, headers });
}

/** True when the failure is ours and nobody has foreseen it, so that it belongs in the log. */
export function isUnexpected(thrown: unknown): boolean {
  return !(thrown instanceof ApiError || thrown instanceof TaskError);
}

function asApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  if (thrown instanceof TaskError) return new ApiError(STATUS[thrown.reason], thrown.message);
  if (thrown instanceof StorageError) return failure(thrown.message);
  return failure(`internal error: ${errorMessage(thrown)}`);
}

const STATUS = { invalid: 400, "not-found": 404, failed: 500 } as const;

/** The 2.x API's words for what went wrong. */
const CODES: ReadonlyMap<number, string> = new Map([
  [400, "invalid"],
  [401, "unauthorized"],
  [403, "forbidden"],
  [404, "not found"],
  [413, "request too large"],
  [503, "unavailable"],
]);

function errorBody(error: ApiError): string {
  const { message } = error;
  if (error.form === "coded") {
    const fallback = error.status < 500 ? "invalid" : "internal error";
    return encodeJson({ code: CODES.get(error.status) ?? fallback, message });
  }
  if (error.form === "text") return `${message}\n`;
  if (error.form === "compact") return encodeJson({ error: message, message });
  return encodeJson({ error: message, message }, 4);
}
