/**
 * The opening of one RPC connection: who the peer is, and with keys the proof of it, before anything else is read.
 *
 * Order of checks: cluster, version and identity of the HELLO cost nothing; then the proof; only then is what the
 * HELLO says acted on. A member with keys never answers a stranger; one without keys answers with its HELLO, so that
 * the other side can tell its operator what is missing. Source: reference gossip.md §4.2, §11.
 */

import { type MemberId, WireError } from "../ports.ts";
import type { Crypto } from "../swim/crypto.ts";
import type { KeyRing } from "../swim/key-ring.ts";
import type { KeyWarnings } from "../swim/key-warnings.ts";
import { encodeFrame } from "../transport/frame.ts";
import {
  AcceptedGreeting,
  type Channels,
  DialledGreeting,
  type GreetingOptions,
  type GreetingRefusal,
} from "../transport/greeting.ts";
import {
  commonVersion,
  decodeHello,
  encodeHello,
  type Hello,
  NO_CLUSTER,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  sameTag,
} from "../transport/hello.ts";
import type { RpcConnection } from "./connection.ts";
import { FrameSeal } from "./frame-seal.ts";

/** What all greetings of a member share. */
export interface GreetingHost {
  readonly crypto: Crypto;
  readonly ring: KeyRing;
  readonly warnings: KeyWarnings;
  monoMs(): number;
  nonce(): Uint8Array;
  readonly boot: bigint;
  localId(): MemberId;
  clusterId(): string;
  clusterTag(): Uint8Array;
  isRemoved(member: MemberId): boolean;
  onRemoved(by: MemberId): void;
  count(counter: string): void;
}

type Purpose = "rpc" | "join";

/** For the operator at the dialling end. */
const REFUSALS: Readonly<Record<GreetingRefusal, string>> = {
  "plain-with-keys": "it has no [cluster] encryption-keys, this member has",
  "sealed-without-keys": "it has [cluster] encryption-keys, this member has none",
  "unknown-key": "it seals with a key that is not in [cluster] encryption-keys here",
  "bad-seal": "its proof of a common key is wrong",
};

export class PeerGreeting {
  readonly #host: GreetingHost;
  readonly #connection: RpcConnection;
  /** What we dialled for; undefined: the peer dialled. */
  readonly #dialledFor: Purpose | undefined;
  /** Whom we dialled, when we know. */
  readonly #member: MemberId | undefined;
  #dialled: DialledGreeting | undefined;
  #accepted: AcceptedGreeting | undefined;
  #peer: Hello | undefined;
  #clusterId = "";

  constructor(
    host: GreetingHost,
    connection: RpcConnection,
    dialled: { readonly purpose: Purpose; readonly member?: MemberId } | undefined,
  ) {
    this.#host = host;
    this.#connection = connection;
    this.#dialledFor = dialled?.purpose;
    this.#member = dialled?.member;
  }

  /** The dialler speaks first. */
  start(): void {
    const purpose = this.#dialledFor ?? "rpc";
    this.#dialled = new DialledGreeting(this.#options(purpose), this.#hello(purpose, false));
    this.#connection.sendFrame(encodeFrame(this.#dialled.hello));
  }

  /** A frame of the peer: its HELLO when the connection may be used now. Throws `WireError` to turn it away. */
  take(body: Uint8Array): Hello | undefined {
    if (this.#accepted !== undefined) return this.#prove(this.#accepted, body);
    const hello = decodeHello(body);
    return this.#dialled === undefined
      ? this.#answer(hello, body)
      : this.#meet(this.#dialled, hello, body);
  }

  /** What to tell the operator when the peer closed without a word. */
  get silence(): string {
    return this.#host.ring.sealing
      ? "it closed the connection while greeting: it may hold no common key ([cluster] encryption-keys)"
      : "it closed the connection while greeting: it may have [cluster] encryption-keys, this member has none";
  }

  #meet(greeting: DialledGreeting, hello: Hello, body: Uint8Array): Hello {
    const purpose = this.#dialledFor ?? "rpc";
    this.#check(hello, purpose);
    const met = greeting.meet(hello, body);
    if (typeof met === "string") throw this.#refused(met, hello.memberId);
    if (hello.removed) {
      this.#host.count("rpc_told_removed");
      this.#host.onRemoved(hello.memberId);
      throw new WireError("we were removed from the cluster");
    }
    if (this.#member !== undefined && hello.memberId !== this.#member) {
      this.#host.count("rpc_wrong_member");
      throw new WireError(`member ${hello.memberId} answers for ${this.#member}`);
    }
    if (met.proof !== undefined) this.#connection.sendFrame(encodeFrame(met.proof));
    return this.#done(hello, met.channels);
  }

  #answer(hello: Hello, body: Uint8Array): Hello | undefined {
    const purpose = hello.purpose === "join" ? "join" : "rpc";
    const removed = purpose === "rpc" && this.#host.isRemoved(hello.memberId);
    if (!removed) this.#check(hello, purpose);
    const own = this.#hello(purpose, removed);
    const greeting = new AcceptedGreeting(this.#options(purpose), own, hello, body);
    const { refusal } = greeting;
    if (refusal === undefined || refusal === "sealed-without-keys") {
      this.#connection.sendFrame(encodeFrame(greeting.answer));
    }
    if (refusal !== undefined) throw this.#refused(refusal, hello.memberId);
    if (removed) {
      this.#host.count("rpc_removed_members");
      throw new WireError("the member was removed from the cluster");
    }
    if (!greeting.awaitsProof) return this.#done(hello, undefined);
    this.#accepted = greeting;
    this.#peer = hello;
    return undefined;
  }

  #prove(greeting: AcceptedGreeting, body: Uint8Array): Hello | undefined {
    const hello = this.#peer;
    if (hello === undefined) return undefined;
    const greeted = greeting.check(body);
    if (typeof greeted === "string") throw this.#refused(greeted, hello.memberId);
    return this.#done(hello, greeted.channels);
  }

  #done(hello: Hello, channels: Channels | undefined): Hello {
    const { crypto, ring } = this.#host;
    const now = (): number => this.#host.monoMs();
    const clusterId = this.#clusterId;
    if (channels === undefined) ring.saw(undefined, now());
    const seal =
      channels === undefined
        ? undefined
        : new FrameSeal({ crypto, ring, channels, clusterId, now });
    this.#connection.greet(hello, seal);
    return hello;
  }

  #refused(reason: GreetingRefusal, member: MemberId): WireError {
    const { count, warnings } = this.#host;
    count(`rpc_dropped_hello_${reason.replaceAll("-", "_")}`);
    warnings.dropped(reason, member, this.#host.monoMs());
    return new WireError(REFUSALS[reason]);
  }

  #options(purpose: Purpose): GreetingOptions {
    const { crypto, ring } = this.#host;
    this.#clusterId = purpose === "join" ? "" : this.#host.clusterId();
    return { crypto, ring, label: "rpc 1", clusterId: this.#clusterId };
  }

  #hello(purpose: Purpose, removed: boolean): Hello {
    return {
      versionMin: PROTOCOL_MIN,
      versionMax: PROTOCOL_MAX,
      purpose,
      removed,
      memberId: this.#host.localId(),
      boot: this.#host.boot,
      nonce: this.#host.nonce(),
      clusterTag: purpose === "join" ? NO_CLUSTER : this.#host.clusterTag(),
    };
  }

  /** Throws `WireError`, which closes the connection, unless the peer may talk to us. */
  #check(hello: Hello, purpose: Purpose): void {
    const { count } = this.#host;
    if (hello.purpose !== purpose) {
      count("rpc_wrong_purpose");
      throw new WireError(`hello with purpose ${hello.purpose}`);
    }
    const ours = { versionMin: PROTOCOL_MIN, versionMax: PROTOCOL_MAX };
    if (commonVersion(hello, ours) === undefined) {
      count("rpc_version_mismatch");
      // Told also to strangers, so that the other side's operator reads of versions and not of a silence.
      if (this.#dialledFor === undefined) {
        this.#connection.sendFrame(encodeFrame(encodeHello(this.#hello(purpose, false))));
      }
      throw new WireError(`protocol ${hello.versionMin} to ${hello.versionMax} is not spoken`);
    }
    if (hello.memberId === this.#host.localId()) {
      count("rpc_own_identity");
      throw new WireError("the peer claims our own member ID");
    }
    if (!sameTag(hello.clusterTag, purpose === "join" ? NO_CLUSTER : this.#host.clusterTag())) {
      count("rpc_foreign_cluster");
      throw new WireError("the peer belongs to another cluster");
    }
  }
}
