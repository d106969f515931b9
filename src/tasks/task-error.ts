/**
 * A refused request about a task, template, recording or replay, with the exact text clients expect.
 *
 * `invalid`: the request's fault, nothing was changed. `not-found`: the named thing does not exist.
 * `failed`: the request was good but could not be (fully) carried out; the text says what happened, and
 * the definition may have been stored (a task that is enabled but does not start). Which HTTP status
 * each reason becomes is known to `http/errors.ts` alone.
 */

export type TaskErrorReason = "invalid" | "not-found" | "failed";

export class TaskError extends Error {
  override name = "TaskError";
  readonly reason: TaskErrorReason;

  constructor(reason: TaskErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

export function invalid(message: string): TaskError {
  return new TaskError("invalid", message);
}

export function notFound(message: string): TaskError {
  return new TaskError("not-found", message);
}

export function failed(message: string): TaskError {
  return new TaskError("failed", message);
}
