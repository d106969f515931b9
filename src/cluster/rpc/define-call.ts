/**
 * What one RPC call is: number and name on the wire, and the one place where its payloads are checked.
 *
 * A call is one file in `cluster/calls/` that calls `defineCall`, plus a line in `cluster/calls/registry.ts`.
 * Payloads are plain JSON-able data, so encoding needs no code; reading does, because they come from elsewhere.
 */

import { WireError } from "../ports.ts";

export interface Call<Request = unknown, Answer = unknown> {
  /** 1 … 65535; never changed, never used again. */
  readonly number: number;
  readonly name: string;
  /** May be called by and on a member that shares no cluster with us yet. */
  readonly joining: boolean;
  /** Numbers beyond 2^53 inside keep every digit (read as bigint); costs a slower parse. */
  readonly exact: boolean;
  /** Both throw `WireError` when the shape is wrong. */
  parseRequest(input: unknown): Request;
  parseAnswer(input: unknown): Answer;
}

export interface CallSpec<Request, Answer> {
  readonly number: number;
  readonly name: string;
  readonly joining?: true;
  readonly exact?: true;
  readonly parseRequest: (input: unknown) => Request;
  readonly parseAnswer: (input: unknown) => Answer;
}

export function defineCall<Request, Answer>(
  spec: CallSpec<Request, Answer>,
): Call<Request, Answer> {
  return { joining: false, exact: false, ...spec };
}

/** Readers of the parts of a payload. `what` names the part in the error. */
export function wireRecord(input: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new WireError(`${what}: an object expected`);
  }
  return input as Readonly<Record<string, unknown>>;
}

/** At most `max` items; more is the sender's fault. */
export function wireList(input: unknown, what: string, max: number): readonly unknown[] {
  if (!Array.isArray(input)) throw new WireError(`${what}: a list expected`);
  if (input.length > max) throw new WireError(`${what}: ${input.length} items, at most ${max}`);
  return input;
}

export function wireText(input: unknown, what: string): string {
  if (typeof input !== "string") throw new WireError(`${what}: a text expected`);
  return input;
}

/** A whole number in [0, 2^53). */
export function wireCount(input: unknown, what: string): number {
  if (typeof input !== "number" || !Number.isSafeInteger(input) || input < 0) {
    throw new WireError(`${what}: a whole number expected`);
  }
  return input;
}

export function wireFlag(input: unknown, what: string): boolean {
  if (typeof input !== "boolean") throw new WireError(`${what}: true or false expected`);
  return input;
}

/** For calls whose answer or request carries nothing. */
export function wireNothing(): null {
  return null;
}
