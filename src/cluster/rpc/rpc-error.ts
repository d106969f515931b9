/** How a call failed, for callers that must tell the cases apart; all of them are `WireError`s. */

import { WireError } from "../ports.ts";

/**
 * `refused`: nothing listens there. `unreachable`: no connection for another reason. `lost`: the connection broke
 * while the call was in flight (it may have been carried out). `timeout`: no answer in time (same). `answered`: the
 * peer refused the call for good; the text is its own. `busy`: the peer cannot answer now, trying again may help.
 * `full`: too much is waiting here, nothing was sent. `too-large`: no frame is large enough. `closed`: this side is
 * shutting down.
 */
export type RpcFailure =
  | "refused"
  | "unreachable"
  | "lost"
  | "timeout"
  | "answered"
  | "busy"
  | "full"
  | "too-large"
  | "closed";

export class RpcError extends WireError {
  readonly reason: RpcFailure;

  constructor(reason: RpcFailure, message: string) {
    super(message);
    this.reason = reason;
  }
}
