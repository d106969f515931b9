/**
 * What members find out about each other when an operator asks for a check-up, and the form in which they tell it.
 *
 * Plain data; `diagnose.ts` makes sense of it.
 */

import type { MemberId, MemberStatus } from "../ports.ts";

/** What can be looked at between two members, in the order of listings. */
export const PATH_CHECKS = ["names", "gossip-udp", "gossip-tcp", "rpc", "api"] as const;
export type PathCheckName = (typeof PATH_CHECKS)[number];

/**
 * Why a check failed. `silent`: no answer in time. `no-way-there`, `no-way-back`: datagrams pass in the other
 * direction only. `lossy`: too many datagrams were lost. `refused-us`: the member answered and turned us away.
 */
export const FAULTS = [
  "unresolved",
  "refused",
  "silent",
  "no-way-there",
  "no-way-back",
  "lossy",
  "closed",
  "other-member",
  "refused-us",
  "wrong-answer",
] as const;
export type Fault = (typeof FAULTS)[number];

/** One member's look at another one. */
export interface PathCheck {
  readonly to: MemberId;
  readonly check: PathCheckName;
  /** What was dialled, and for names what they resolved to. */
  readonly address: string;
  /** Milliseconds that it took. */
  readonly ms: number;
  /** `undefined` when all is well. */
  readonly fault?: Fault | undefined;
  /** In words of the system, for people; may be empty. */
  readonly detail: string;
}

/** What a member says of itself; answered also to members that share no cluster with it. */
export interface MemberFacts {
  readonly id: string;
  readonly clusterId: string;
  readonly version: string;
  readonly protocolMin: number;
  readonly protocolMax: number;
  /** Its wall clock, ms since 1970. */
  readonly wallMs: number;
  /** Fingerprints of `[cluster] encryption-keys`, in their order. */
  readonly keys: readonly string[];
  readonly redundancy: number;
  /** Its API is behind TLS. */
  readonly apiTls: boolean;
  /** Milliseconds since the last ping by datagram from whoever asks; −1 when there was none. */
  readonly pingAgeMs: number;
}

/** How far another member's wall clock is ahead of ours, and how wrong that may be, ms. */
export interface ClockOffset {
  readonly to: MemberId;
  readonly offsetMs: number;
  readonly errorMs: number;
}

/** Everything one member found. */
export interface MemberReport {
  readonly facts: MemberFacts;
  /** Members as it sees them, itself included. */
  readonly members: readonly { readonly id: string; readonly status: MemberStatus }[];
  readonly checks: readonly PathCheck[];
  readonly clocks: readonly ClockOffset[];
  /** What others said of themselves when it dialled them. */
  readonly heard: readonly MemberFacts[];
}

/** One line for the operator. Member fields are names as people know them (API addresses), or `all`. */
export interface Problem {
  readonly from: string;
  readonly to: string;
  /** A path check's name, or `member`, `cluster`, `version`, `keys`, `clock`, `redundancy`. */
  readonly check: string;
  readonly problem: string;
  readonly advice: string;
}

export interface DoctorReport {
  readonly clusterId: string;
  readonly localId: MemberId;
  readonly members: readonly {
    readonly id: MemberId;
    readonly apiAddress: string;
    readonly status: MemberStatus;
    /** Its own checks came back. */
    readonly answered: boolean;
    readonly version: string;
  }[];
  readonly checks: readonly (PathCheck & { readonly from: MemberId })[];
  readonly clocks: readonly (ClockOffset & { readonly from: MemberId })[];
  readonly problems: readonly Problem[];
}

/** Given by the daemon to whoever offers check-ups. */
export interface ClusterDoctor {
  /** Has every member look at every other. Bounded in time; never rejects. */
  examine(): Promise<DoctorReport>;
}
