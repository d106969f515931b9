/**
 * Typed doors to `Rpc`: the one spot where a call's registered types meet the port, which knows none.
 *
 * Safe because the connection has run the call's own `parseRequest` or `parseAnswer` on whatever comes through here.
 */

import type { MemberId, Rpc } from "../ports.ts";
import type { Call } from "./define-call.ts";

/** Registers the answerer of a call; it gets the parsed request. */
export function serve<Request>(
  rpc: Rpc,
  call: Call<Request, unknown>,
  answer: (from: MemberId, request: Request) => unknown | Promise<unknown>,
): void {
  rpc.handle(call.name, (from, payload) => answer(from, payload as Request));
}

/** Calls a member; resolves with the parsed answer. `payload` is the wire form. */
export function ask<Answer>(
  rpc: Rpc,
  call: Call<unknown, Answer>,
  to: MemberId,
  options: { readonly payload: unknown; readonly timeoutMs: number },
): Promise<Answer> {
  return rpc.call(to, call.name, options.payload, options.timeoutMs) as Promise<Answer>;
}
