/**
 * What goes into the membership core and what comes out (simulation.md §2).
 *
 * Inputs are everything that happens to a member; actions are everything it wants done. The daemon
 * performs actions on sockets and files, the simulator on virtual ones; the core cannot tell.
 */

import type { LogFields, LogLevel } from "#lib/log.ts";
import type { Profile, Rank, Reason, Version } from "../messages/message.ts";
import type { SyncEntry } from "../messages/sync.ts";
import type { Address, MemberId, MonoMs } from "../ports.ts";
import type { SwimOptions } from "./options.ts";

/** Why a datagram could not even be handed to the network. Evidence of gossip.md §6, per destination. */
export type SendFailure = "no-route" | "not-permitted" | "too-large" | "full" | "refused";

/** How a connection or an attempt to make one ended. `refused`: the host answered, the process is gone. */
export type EndReason = "refused" | "timeout" | "unresolved" | "no-route" | "closed" | "reset";

/** What a member may change about itself while it runs. */
export type ProfileChange = Partial<
  Pick<Profile, "gossip" | "gossipText" | "rpc" | "api" | "roles" | "redundancy">
>;

export type Input =
  | { readonly kind: "start" }
  | { readonly kind: "wake" }
  | { readonly kind: "datagram"; readonly from: Address; readonly bytes: Uint8Array }
  | { readonly kind: "send-failed"; readonly to: Address; readonly why: SendFailure }
  /** A dial asked for by `open` succeeded. */
  | { readonly kind: "opened"; readonly connection: number }
  /** Somebody connected; the shell numbers these downwards from −1. */
  | { readonly kind: "accepted"; readonly connection: number; readonly from: Address }
  | { readonly kind: "data"; readonly connection: number; readonly bytes: Uint8Array }
  | { readonly kind: "ended"; readonly connection: number; readonly why: EndReason }
  | { readonly kind: "stored"; readonly ticket: number; readonly ok: boolean }
  /** We are the target of a `member add` and have persisted it. */
  | { readonly kind: "adopt"; readonly offer: Adoption }
  /** The target of our `member add` has persisted it, and so have we. */
  | { readonly kind: "admit"; readonly version: Version; readonly profile: Profile }
  | { readonly kind: "remove"; readonly id: MemberId }
  /** We were told outside of gossip (RPC) that we are removed. */
  | { readonly kind: "removed"; readonly epoch: number }
  | { readonly kind: "leave" }
  /** Work is handed over: announce LEFT; `gone` follows. */
  | { readonly kind: "depart" }
  | { readonly kind: "note"; readonly noteKind: number; readonly bytes: Uint8Array }
  | { readonly kind: "profile"; readonly change: ProfileChange }
  | { readonly kind: "options"; readonly options: SwimOptions }
  | {
      readonly kind: "keys";
      readonly keys: readonly Uint8Array[];
      readonly acceptPlain: boolean;
    }
  | { readonly kind: "sync"; readonly with: MemberId }
  /** Find out whether datagrams and connections pass to a member; answered by `checked`. */
  | { readonly kind: "check"; readonly with: MemberId; readonly check: number };

/** What an operator's check of the way to a member found. */
export interface PathOutcome {
  /** Of the datagrams sent (`CHECK_PINGS`), how many were answered, and after how many ms the first. */
  readonly answered: number;
  readonly udpMs: number;
  /** The literal address that datagrams went to. */
  readonly udpAddress: string;
  /** How the gossip connection fared. */
  readonly tcp: "ok" | EndReason | "not-the-member" | "protocol" | "full" | "unknown-member";
}

/** Membership as offered to the target of `member add`. */
export interface Adoption {
  readonly clusterId: string;
  readonly adder: MemberId;
  /** The target's epoch and place in join order. */
  readonly epoch: number;
  readonly joined: number;
  /** The adder's whole table. */
  readonly entries: readonly SyncEntry[];
}

export type Action =
  | { readonly kind: "datagram"; readonly to: Address; readonly bytes: Uint8Array }
  /** Dial `host:port` (perhaps a name). Answered by `opened` or `ended`. */
  | { readonly kind: "open"; readonly connection: number; readonly to: string }
  | { readonly kind: "write"; readonly connection: number; readonly bytes: Uint8Array }
  /** `finish` sends what was written first. No input for this connection follows. */
  | { readonly kind: "close"; readonly connection: number; readonly how: "finish" | "reset" }
  /** Call `step` with `wake` at this time; replaces the earlier wish. `undefined`: no need. */
  | { readonly kind: "wake"; readonly at: MonoMs | undefined }
  /** Write `swim.image()` durably, then input `stored`. At most one is outstanding. */
  | { readonly kind: "persist"; readonly ticket: number }
  | {
      readonly kind: "change";
      readonly id: MemberId;
      readonly from: Rank | undefined;
      readonly to: Rank;
      readonly reason: Reason;
    }
  /** The view differs from the one before this step; at most once per step, after its changes. */
  | { readonly kind: "view" }
  | {
      readonly kind: "note";
      readonly noteKind: number;
      readonly origin: MemberId;
      readonly bytes: Uint8Array;
    }
  /** This member was removed; it is alone again under a new cluster ID. */
  | { readonly kind: "reset"; readonly clusterId: string }
  /** Another live process owns our identity (U31): clustering stopped. */
  | { readonly kind: "duplicate" }
  /** The process did not run for `ms`; alert sending holds until it has asked around (§14.5). */
  | { readonly kind: "stalled"; readonly ms: number }
  | { readonly kind: "checked"; readonly check: number; readonly outcome: PathOutcome }
  /** LEFT went to everybody alive, or its second is over: sockets may close. */
  | { readonly kind: "gone" }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: LogFields;
    };
