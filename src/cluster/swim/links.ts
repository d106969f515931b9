/**
 * Gossip connections over TCP: HELLO both ways, then frames that are packets (gossip.md §4.2).
 *
 * The core numbers its own dials upwards from 1, the shell numbers accepted ones downwards from −1, so they
 * cannot collide. With keys both sides prove that they hold one before anything happens, and every frame is sealed
 * with a key made from both HELLOs, so a frame of another connection, or the same one again, cannot be opened.
 */

import {
  CONNECTIONS_MAX,
  CONNECTIONS_PER_ADDRESS_MAX,
  DIALS_MAX,
  FRAME_MS,
  HELLO_MS,
  IDLE_LINK_MS,
} from "../limits.ts";
import { formatHostPort } from "../messages/ip.ts";
import type { GossipRecord } from "../messages/registry.ts";
import { type Address, type MemberId, WireError } from "../ports.ts";
import { encodeFrame, FrameCutter, GOSSIP_FRAMES } from "../transport/frame.ts";
import {
  AcceptedGreeting,
  type Channels,
  DialledGreeting,
  type GreetingOptions,
} from "../transport/greeting.ts";
import {
  commonVersion,
  decodeHello,
  type Hello,
  type HelloPurpose,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  sameTag,
} from "../transport/hello.ts";
import type { Core } from "./core.ts";
import type { EndReason } from "./io.ts";
import type { RingKey } from "./key-ring.ts";
import type { Opened } from "./packet.ts";
import type { Entry } from "./table.ts";
import type { Timer } from "./timers.ts";

/** Why a connection of ours ended; beyond the network's reasons, what was wrong with the other side. */
export type LinkEnd = EndReason | "not-the-member" | "protocol" | "full" | "done";

/** One connection. Fields but `onReady` and `onEnd` belong to `Links`. */
export interface Link {
  readonly id: number;
  readonly inbound: boolean;
  readonly from: Address | undefined;
  purpose: HelloPurpose;
  /** Whom we dialled, or who said HELLO. */
  peer: MemberId | undefined;
  /** `proof`: HELLO was answered, the dialler's proof is awaited. */
  state: "dialling" | "hello" | "proof" | "ready";
  readonly cutter: FrameCutter;
  readonly nonce: Uint8Array;
  greeting: DialledGreeting | AcceptedGreeting | undefined;
  peerBoot: bigint;
  /** Undefined: everything on it is plain. */
  channels: Channels | undefined;
  sent: number;
  received: number;
  timer: Timer | undefined;
  kept: boolean;
  onReady: (link: Link) => void;
  onEnd: (why: LinkEnd) => void;
}

/** Reasons to turn away that say the other side is not who was meant. */
const WRONG_PEER: ReadonlySet<string> = new Set([
  "foreign-cluster",
  "own-id",
  "other-member",
  "purpose",
]);

export interface DialOptions {
  readonly purpose: HelloPurpose;
  readonly peer: MemberId;
  /** `host:port`, perhaps a name. */
  readonly to: string;
  onReady(link: Link): void;
  onEnd(why: LinkEnd): void;
}

export class Links {
  readonly #core: Core;
  readonly #receive: (packet: Opened, link: Link) => void;
  readonly #links = new Map<number, Link>();
  /** Connections kept open to members of tcp-only pairs. */
  readonly #kept = new Map<MemberId, Link>();
  #next = 1;
  #inbound = 0;

  constructor(core: Core, receive: (packet: Opened, link: Link) => void) {
    this.#core = core;
    this.#receive = receive;
    core.tcpSend = (entry, first) => this.#sendKept(entry, first);
  }

  get open(): number {
    return this.#links.size;
  }

  /** Dials a member. `onEnd` is called once, later or, beyond the bound, at once with `full`. */
  dial(options: DialOptions): Link | undefined {
    const core = this.#core;
    if (this.#links.size - this.#inbound >= DIALS_MAX) {
      core.count("dials-refused-full");
      options.onEnd("full");
      return undefined;
    }
    const link = this.#make(this.#next++, false, undefined, options.purpose);
    link.peer = options.peer;
    link.onReady = options.onReady;
    link.onEnd = options.onEnd;
    core.count(`dials-${options.purpose}`);
    core.out.push({ kind: "open", connection: link.id, to: options.to });
    return link;
  }

  accepted(connection: number, from: Address): void {
    const core = this.#core;
    core.count("connections-accepted");
    let same = 0;
    for (const link of this.#links.values()) if (link.from?.host === from.host) same++;
    if (this.#inbound >= CONNECTIONS_MAX || same >= CONNECTIONS_PER_ADDRESS_MAX || core.halted) {
      core.count("connections-refused-full");
      core.out.push({ kind: "close", connection, how: "reset" });
      return;
    }
    const link = this.#make(connection, true, from, "ping");
    link.state = "hello";
    this.#inbound++;
  }

  opened(connection: number): void {
    const link = this.#links.get(connection);
    if (link === undefined || link.state !== "dialling") return;
    link.state = "hello";
    const greeting = new DialledGreeting(this.#greetingOptions(), this.#hello(link));
    link.greeting = greeting;
    this.#write(link, encodeFrame(greeting.hello));
  }

  data(connection: number, bytes: Uint8Array): void {
    const link = this.#links.get(connection);
    if (link === undefined || link.state === "dialling") return;
    try {
      link.cutter.push(bytes, (body) => {
        if (this.#links.get(connection) === link) this.#frame(link, body);
      });
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      // A connection that was turned away already has its reason; the rest of its bytes has none.
      if (this.#links.get(connection) !== link) return;
      this.#core.count("dropped-frame-malformed");
      this.#fail(link, "protocol");
    }
  }

  ended(connection: number, why: EndReason): void {
    const link = this.#links.get(connection);
    if (link === undefined) return;
    if (link.inbound) {
      this.#core.count(
        link.state === "ready" ? "connections-ended" : "connections-ended-before-hello",
      );
    }
    this.#forget(link, why);
  }

  send(link: Link, records: readonly GossipRecord[], news: boolean): void {
    if (link.state !== "ready" || this.#links.get(link.id) !== link) return;
    this.#write(link, this.#core.frame(records, ++link.sent, link.channels?.sealing, news));
  }

  /** Records encoded before, too large for a datagram, announced by BIG. */
  sendRaw(link: Link, records: readonly Uint8Array[]): void {
    if (link.state !== "ready" || this.#links.get(link.id) !== link) return;
    const big = { kind: "big", records: records.length } as const;
    const sealing = link.channels?.sealing;
    this.#write(link, this.#core.frame([big], ++link.sent, sealing, false, records));
  }

  /** We have what we wanted. */
  finish(link: Link): void {
    if (this.#links.get(link.id) !== link) return;
    this.#core.out.push({ kind: "close", connection: link.id, how: "finish" });
    this.#forget(link, "done");
  }

  /** Ends connections that may not go on as they were agreed: plain ones with keys, sealed ones without. */
  keysChanged(): void {
    const { ring } = this.#core.codec;
    for (const link of [...this.#links.values()]) {
      if (link.state !== "ready") continue;
      const fits = link.channels === undefined ? ring.takesPlain : ring.sealing;
      if (fits) continue;
      this.#core.count("connections-closed-keys-changed");
      this.#fail(link, "reset");
    }
  }

  /** Closes everything; nobody is told. */
  reset(): void {
    for (const link of this.#links.values()) {
      link.onEnd = () => {};
      this.#core.out.push({ kind: "close", connection: link.id, how: "reset" });
    }
    this.#links.clear();
    this.#kept.clear();
    this.#inbound = 0;
  }

  /** News and records over the kept connection of a tcp-only pair, dialled when it is missing. */
  #sendKept(entry: Entry, first: readonly GossipRecord[]): void {
    const kept = this.#kept.get(entry.id);
    if (kept !== undefined) {
      if (kept.state === "ready") this.send(kept, first, true);
      else {
        const onReady = kept.onReady;
        kept.onReady = (link) => {
          onReady(link);
          this.send(link, first, true);
        };
      }
      return;
    }
    if (entry.profile === undefined) return;
    const link = this.dial({
      purpose: "ping",
      peer: entry.id,
      to: formatHostPort(entry.profile.gossip),
      onReady: (ready) => this.send(ready, first, true),
      onEnd: () => this.#kept.delete(entry.id),
    });
    if (link === undefined) return;
    link.kept = true;
    this.#kept.set(entry.id, link);
  }

  #make(id: number, inbound: boolean, from: Address | undefined, purpose: HelloPurpose): Link {
    const core = this.#core;
    const link: Link = {
      id,
      inbound,
      from,
      purpose,
      peer: undefined,
      state: "dialling",
      cutter: new FrameCutter(GOSSIP_FRAMES),
      nonce: core.random.bytes(16),
      greeting: undefined,
      peerBoot: 0n,
      channels: undefined,
      sent: 0,
      received: 0,
      timer: undefined,
      kept: false,
      onReady: () => {},
      onEnd: () => {},
    };
    this.#links.set(id, link);
    this.#allow(link, HELLO_MS);
    return link;
  }

  #frame(link: Link, body: Uint8Array): void {
    if (link.state === "hello") this.#greet(link, body);
    else if (link.state === "proof") this.#proof(link, body);
    else this.#packet(link, body);
  }

  /** The other side's HELLO. */
  #greet(link: Link, body: Uint8Array): void {
    const hello = decodeHello(body);
    const refusal = this.#refusalOf(link, hello);
    if (refusal !== undefined) {
      this.#turnAway(link, refusal);
      return;
    }
    link.peerBoot = hello.boot;
    if (link.inbound) this.#answer(link, hello, body);
    else this.#meet(link, hello, body);
  }

  #answer(link: Link, hello: Hello, body: Uint8Array): void {
    link.peer = hello.memberId;
    link.purpose = hello.purpose;
    const own = this.#hello(link);
    const greeting = new AcceptedGreeting(this.#greetingOptions(), own, hello, body);
    link.greeting = greeting;
    if (greeting.refusal !== undefined) {
      this.#turnAway(link, greeting.refusal);
      return;
    }
    this.#write(link, encodeFrame(greeting.answer));
    if (greeting.awaitsProof) link.state = "proof";
    else this.#ready(link, undefined, undefined);
  }

  #meet(link: Link, hello: Hello, body: Uint8Array): void {
    if (!(link.greeting instanceof DialledGreeting)) return;
    const met = link.greeting.meet(hello, body);
    if (typeof met === "string") {
      this.#turnAway(link, met);
      return;
    }
    link.peer = hello.memberId;
    if (met.proof !== undefined) this.#write(link, encodeFrame(met.proof));
    const gossip = this.#core.table.get(hello.memberId)?.profile?.gossip;
    if (gossip !== undefined) this.#core.codec.heard(gossip, hello.keys === undefined);
    this.#ready(link, met.channels, met.key);
  }

  #proof(link: Link, body: Uint8Array): void {
    if (!(link.greeting instanceof AcceptedGreeting)) return;
    const greeted = link.greeting.check(body);
    if (typeof greeted === "string") this.#turnAway(link, greeted);
    else this.#ready(link, greeted.channels, greeted.key);
  }

  #ready(link: Link, channels: Channels | undefined, key: RingKey | undefined): void {
    const core = this.#core;
    link.channels = channels;
    link.greeting = undefined;
    link.state = "ready";
    link.cutter.trust();
    core.codec.ring.saw(key, core.now);
    this.#allow(link, link.kept ? IDLE_LINK_MS : FRAME_MS);
    link.onReady(link);
  }

  #turnAway(link: Link, reason: string): void {
    const core = this.#core;
    core.count(`dropped-hello-${reason}`);
    core.keyWarnings.dropped(reason, link.from ?? link.peer ?? "", core.now);
    this.#fail(link, WRONG_PEER.has(reason) ? "not-the-member" : "protocol");
  }

  #greetingOptions(): GreetingOptions {
    const { crypto, codec, clusterId } = this.#core;
    return { crypto, ring: codec.ring, label: "tcp 1", clusterId };
  }

  #refusalOf(link: Link, hello: Hello): string | undefined {
    const core = this.#core;
    if (!sameTag(hello.clusterTag, core.clusterTag)) return "foreign-cluster";
    if (hello.memberId === core.id) return "own-id";
    if (link.peer !== undefined && link.peer !== hello.memberId) return "other-member";
    if (hello.purpose === "rpc" || hello.purpose === "join") return "purpose";
    const own = { versionMin: PROTOCOL_MIN, versionMax: PROTOCOL_MAX };
    return commonVersion(own, hello) === undefined ? "protocol" : undefined;
  }

  #packet(link: Link, body: Uint8Array): void {
    const core = this.#core;
    const opened = core.codec.openFrame(body, GOSSIP_FRAMES.max, link.channels?.opening);
    if (typeof opened === "string") {
      core.count(`dropped-frame-${opened}`);
      core.keyWarnings.dropped(opened, link.from ?? link.peer ?? "", core.now);
      this.#fail(link, "protocol");
      return;
    }
    // Only the one that said HELLO may speak, and each frame is the next one.
    if (
      opened.sender !== link.peer ||
      opened.boot !== link.peerBoot ||
      opened.counter !== ++link.received
    ) {
      core.count("dropped-frame-out-of-step");
      this.#fail(link, "protocol");
      return;
    }
    core.codec.ring.saw(opened.key, core.now);
    const idle = link.purpose === "ping" && link.received > 1 ? IDLE_LINK_MS : FRAME_MS;
    this.#allow(link, idle);
    this.#receive(opened, link);
  }

  #allow(link: Link, ms: number): void {
    const core = this.#core;
    core.timers.cancel(link.timer);
    link.timer = core.timers.add(core.now + ms, () => {
      if (this.#links.get(link.id) !== link) return;
      core.count(link.state === "ready" ? "connections-idle" : "connections-hello-timeout");
      this.#fail(link, "timeout");
    });
  }

  #fail(link: Link, why: LinkEnd): void {
    if (this.#links.get(link.id) !== link) return;
    this.#core.out.push({ kind: "close", connection: link.id, how: "reset" });
    this.#forget(link, why);
  }

  #forget(link: Link, why: LinkEnd): void {
    this.#links.delete(link.id);
    if (link.inbound) this.#inbound--;
    this.#core.timers.cancel(link.timer);
    link.onEnd(why);
  }

  #write(link: Link, bytes: Uint8Array): void {
    this.#core.out.push({ kind: "write", connection: link.id, bytes });
  }

  #hello(link: Link): Hello {
    const core = this.#core;
    return {
      versionMin: PROTOCOL_MIN,
      versionMax: PROTOCOL_MAX,
      purpose: link.purpose,
      removed: false,
      memberId: core.id,
      boot: core.boot,
      nonce: link.nonce,
      clusterTag: core.clusterTag,
    };
  }
}
