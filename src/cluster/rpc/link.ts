/**
 * The link to one member: which connection carries its calls, what waits for one, when to dial again.
 *
 * States: up (a primary connection), or down with or without a dial under way. A link is `wanted` when this side
 * must keep it up; an unwanted one dials when something is to be sent, and twice after every loss, to learn whether
 * the process is gone. Back-off grows from 250 ms to 5 s with jitter and starts anew when the member turns alive.
 */

import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Random } from "#lib/random.ts";
import type { MemberId, MemberStatus } from "../ports.ts";
import type { Hello } from "../transport/hello.ts";
import type { OutgoingCall, RpcConnection } from "./connection.ts";
import type { Call } from "./define-call.ts";
import {
  DRAIN_MAX_MS,
  DRAIN_MIN_MS,
  PING_AFTER_MS,
  REDIAL_FIRST_MS,
  REDIAL_MAX_MS,
  REDIAL_SECOND_MS,
  REDIAL_START_MS,
  TICK_MS,
  WAITING_MAX,
} from "./limits.ts";
import { RpcError } from "./rpc-error.ts";

export interface LinkHost {
  readonly clock: Clock;
  readonly random: Random;
  /** Opens a connection to the member; it is handed back through `Link.adopt` once greeted. Rejects `RpcError`. */
  dial(member: MemberId): Promise<RpcConnection>;
  emit(member: MemberId, state: "up" | "lost" | "refused"): void;
  count(counter: string): void;
  /** Is our own ID smaller than that one? */
  isSmaller(member: MemberId): boolean;
}

type Waiting =
  | { readonly kind: "call"; readonly out: OutgoingCall; readonly until: number }
  | { readonly kind: "one-way"; readonly call: Call; readonly payload: string };

/** An older connection not heard for this long does not win against a new one. */
const STALE_AFTER_MS = PING_AFTER_MS + 2 * TICK_MS;
const REFUSALS_FOR_PROOF = 2;

export class Link {
  readonly member: MemberId;
  readonly #host: LinkHost;
  #primary: RpcConnection | undefined;
  readonly #draining = new Map<RpcConnection, number>();
  #waiting: Waiting[] = [];
  #wanted = false;
  #status: MemberStatus | undefined;
  /** A dial is under way: connecting, or waiting for the peer's HELLO. */
  #dialling = false;
  #greeting: RpcConnection | undefined;
  #dials = 0;
  #refusals = 0;
  #toldRefused = false;
  #cancelRedial: Cancel = () => {};
  #redialSet = false;
  #closed = false;

  constructor(host: LinkHost, member: MemberId) {
    this.#host = host;
    this.member = member;
  }

  get isUp(): boolean {
    return this.#primary !== undefined;
  }

  /** Keep it connected from this side? A member turning alive is dialled at once. */
  setWanted(wanted: boolean, status: MemberStatus): void {
    const revived = status === "alive" && this.#status !== "alive";
    this.#wanted = wanted;
    this.#status = status;
    if (!wanted || this.#primary !== undefined) return;
    if (revived) this.#dials = 0;
    if (revived || !this.#redialSet) this.#dialNow();
  }

  call(out: OutgoingCall): void {
    if (this.#primary?.hasRoom === true && this.#waiting.length === 0) {
      this.#primary.sendCall(out);
      return;
    }
    if (this.#waiting.length >= WAITING_MAX) {
      this.#host.count("rpc_waiting_full");
      out.reject(new RpcError("full", `${out.call.name}: too many calls are waiting`));
      return;
    }
    const until = this.#host.clock.monoMs() + out.timeoutMs;
    this.#waiting.push({ kind: "call", out, until });
    if (this.#primary === undefined) this.#dialNow();
  }

  notify(call: Call, payload: string): boolean {
    if (this.#primary !== undefined && this.#waiting.length === 0) {
      return this.#primary.sendOneWay(call, payload);
    }
    if (this.#waiting.length >= WAITING_MAX) {
      this.#host.count("rpc_waiting_full");
      return false;
    }
    this.#waiting.push({ kind: "one-way", call, payload });
    if (this.#primary === undefined) this.#dialNow();
    return true;
  }

  /** Sends what waits, as far as there is room. */
  pump(): void {
    const primary = this.#primary;
    if (primary === undefined) return;
    let sent = 0;
    for (const next of this.#waiting) {
      if (next.kind === "one-way") primary.sendOneWay(next.call, next.payload);
      else if (!primary.hasRoom) break;
      else primary.sendCall({ ...next.out, timeoutMs: this.#left(next.until) });
      sent++;
    }
    if (sent > 0) this.#waiting.splice(0, sent);
  }

  /** A greeted connection of this member, dialled by either side; decides which one survives. */
  adopt(connection: RpcConnection, hello: Hello): void {
    if (this.#greeting === connection) {
      this.#greeting = undefined;
      this.#dialling = false;
    }
    const old = this.#primary;
    if (old === undefined || old.peer === undefined) {
      this.#takeUp(connection);
      return;
    }
    const verdict = this.#compare(old, connection, hello);
    if (verdict === "drain-new") {
      this.#draining.set(connection, this.#host.clock.monoMs());
    } else if (verdict === "close-new") {
      this.#letGo(connection, "an older start of the member");
    } else if (verdict === "drain-old") {
      this.#primary = connection;
      this.#draining.set(old, this.#host.clock.monoMs());
      this.pump();
    } else {
      this.#letGo(old, "replaced by a newer connection");
      this.#takeUp(connection);
    }
  }

  connectionClosed(connection: RpcConnection): void {
    this.#draining.delete(connection);
    if (this.#greeting === connection) {
      this.#greeting = undefined;
      this.#dialling = false;
      this.#dialFailed(new RpcError("unreachable", "the peer closed before its hello"));
      return;
    }
    if (this.#primary !== connection) return;
    this.#primary = undefined;
    this.#host.emit(this.member, "lost");
    if (this.#closed) return;
    this.#dials = 0;
    this.#refusals = 0;
    this.#redialIn(REDIAL_FIRST_MS);
  }

  tick(): void {
    const now = this.#host.clock.monoMs();
    for (const [connection, since] of this.#draining) {
      const age = now - since;
      if (age >= DRAIN_MAX_MS || (age >= DRAIN_MIN_MS && connection.isIdle)) {
        this.#letGo(connection, "another connection is used");
      }
    }
    this.#expire(now);
  }

  close(): void {
    this.#closed = true;
    this.#cancelRedial();
    this.#failWaiting(new RpcError("closed", "the link was closed"));
    this.#greeting?.close("the link was closed");
    this.#primary?.close("the link was closed");
    for (const connection of [...this.#draining.keys()]) {
      this.#letGo(connection, "the link was closed");
    }
  }

  /** Closes a good connection that is not needed. */
  #letGo(connection: RpcConnection, why: string): void {
    this.#host.count("rpc_connections_let_go");
    connection.close(why);
  }

  #takeUp(connection: RpcConnection): void {
    this.#primary = connection;
    this.#cancelRedial();
    this.#redialSet = false;
    this.#dials = 0;
    this.#refusals = 0;
    this.#toldRefused = false;
    this.#host.emit(this.member, "up");
    this.pump();
  }

  #compare(
    old: RpcConnection,
    connection: RpcConnection,
    hello: Hello,
  ): "replace" | "drain-old" | "drain-new" | "close-new" {
    const oldBoot = old.peer?.boot ?? 0n;
    if (hello.boot > oldBoot) return "replace";
    if (hello.boot < oldBoot) return "close-new";
    if (old.dialled === connection.dialled || old.silentMs > STALE_AFTER_MS) return "replace";
    const bySmaller = connection.dialled === this.#host.isSmaller(this.member);
    return bySmaller ? "drain-old" : "drain-new";
  }

  #left(until: number): number {
    return Math.max(1, until - this.#host.clock.monoMs());
  }

  #expire(now: number): void {
    const late = this.#waiting.filter((item) => item.kind === "call" && item.until <= now);
    if (late.length === 0) return;
    this.#waiting = this.#waiting.filter((item) => item.kind !== "call" || item.until > now);
    for (const item of late) {
      if (item.kind !== "call") continue;
      this.#host.count("rpc_calls_timed_out");
      item.out.reject(new RpcError("timeout", `${item.out.call.name}: no connection in time`));
    }
  }

  #failWaiting(error: RpcError): void {
    const failed = this.#waiting;
    this.#waiting = [];
    for (const item of failed) {
      if (item.kind === "call") item.out.reject(error);
      else this.#host.count("rpc_notices_dropped");
    }
  }

  #dialNow(): void {
    if (this.#dialling || this.#closed) return;
    this.#cancelRedial();
    this.#redialSet = false;
    this.#dialling = true;
    this.#dials++;
    this.#host.dial(this.member).then(
      (connection) => this.#connected(connection),
      (error) => {
        this.#dialling = false;
        this.#dialFailed(
          error instanceof RpcError ? error : new RpcError("unreachable", errorMessage(error)),
        );
      },
    );
  }

  /** The TCP connection stands; the peer's HELLO is awaited, unless it was quicker than this promise. */
  #connected(connection: RpcConnection): void {
    if (this.#closed) {
      connection.close("the link was closed");
      return;
    }
    if (connection.peer !== undefined) {
      this.#dialling = false;
      return;
    }
    if (connection.isOpen) {
      this.#greeting = connection;
      return;
    }
    this.#dialling = false;
    this.#dialFailed(new RpcError("unreachable", "the peer closed before its hello"));
  }

  #dialFailed(error: RpcError): void {
    if (this.#closed || this.#primary !== undefined) return;
    this.#host.count(`rpc_dials_${error.reason}`);
    this.#refusals = error.reason === "refused" ? this.#refusals + 1 : 0;
    this.#failWaiting(error);
    if (this.#refusals >= REFUSALS_FOR_PROOF && !this.#toldRefused) {
      this.#toldRefused = true;
      this.#host.emit(this.member, "refused");
    }
    if (this.#dials < REFUSALS_FOR_PROOF) this.#redialIn(REDIAL_SECOND_MS);
    else if (this.#wanted) this.#redialIn(this.#backOff());
  }

  #backOff(): number {
    const doubled = REDIAL_START_MS * 2 ** Math.min(10, this.#dials - REFUSALS_FOR_PROOF);
    return Math.min(REDIAL_MAX_MS, doubled) * (0.7 + 0.6 * this.#host.random.float());
  }

  #redialIn(delayMs: number): void {
    this.#cancelRedial();
    this.#redialSet = true;
    this.#cancelRedial = this.#host.clock.after(delayMs, () => this.#dialNow());
  }
}
