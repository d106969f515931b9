/**
 * What the cluster core needs from outside, cut so that the simulator can give it (simulation.md §2–§3).
 *
 * The core (swim, ownership) is synchronous: inputs in, actions out, no promise, no clock, no dice. The shell in
 * `cluster/cluster.ts` performs actions on sockets, timers and the store.
 */

declare const memberId: unique symbol;
/** A member's UUID, lower-case text form. Names and addresses identify nothing. */
export type MemberId = string & { readonly [memberId]: true };

/** Monotonic milliseconds. */
export type MonoMs = number;

/** A literal address. Names are resolved in the shell. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** alive → suspect → dead; left = stopped gracefully; removed = taken out by an operator. */
export type MemberStatus = "alive" | "leaving" | "suspect" | "dead" | "left" | "removed";

/** Status words of the API and command line. */
export type ShownStatus = "alive" | "suspect" | "leaving" | "left" | "failed";

/** A member as everybody sees it. Addresses are `host:port` texts as advertised. */
export interface MemberView {
  readonly id: MemberId;
  readonly gossipAddress: string;
  readonly rpcAddress: string;
  readonly apiAddress: string;
  readonly roles: readonly string[];
  readonly status: MemberStatus;
  /** Position in join order, for listings (oldest first). */
  readonly joined: number;
  /** `[alert] redundancy` it runs with. */
  readonly redundancy: number;
  /** True when its death was seen as refused connections: the process is surely gone. */
  readonly crashEvidence: boolean;
}

export interface ClusterView {
  readonly clusterId: string;
  readonly localId: MemberId;
  readonly initialized: boolean;
  /** Without removed ones, in join order. */
  readonly members: readonly MemberView[];
}

/** Offered to the rest of the daemon. */
export interface Membership {
  view(): ClusterView;
  /** Called after every change of the view. */
  onChange(listener: (view: ClusterView) => void): void;
  /** `member add`: throws `Error` with one line for the operator. */
  add(rpcAddress: string): Promise<void>;
  /** `member remove`. */
  remove(id: string): Promise<void>;
  counters(): Readonly<Record<string, number>>;
}

/** Calls between members. One framed TCP connection per pair; see cluster/rpc. */
export interface Rpc {
  /** Request and answer; rejects with `WireError` on refusal, timeout or a lost connection. */
  call(to: MemberId, type: string, payload: unknown, timeoutMs: number): Promise<unknown>;
  /** The same to an address whose member we may not know yet (`member add`); uses an unbound connection. */
  callAddress(address: string, type: string, payload: unknown, timeoutMs: number): Promise<unknown>;
  /** Sends without an answer; kept in order per member. False when there is no connection and none can be queued. */
  notify(to: MemberId, type: string, payload: unknown): boolean;
  /** Registers the answerer of a call type. */
  handle(
    type: string,
    answer: (from: MemberId, payload: unknown) => unknown | Promise<unknown>,
  ): void;
  /** Connection to a member went up, was lost, or is refused (the process is not there). */
  onLink(listener: (member: MemberId, state: "up" | "lost" | "refused") => void): void;
}

/** Bytes from another member that we cannot accept: sender's fault, our state unchanged. */
export class WireError extends Error {
  override name = "WireError";
}
