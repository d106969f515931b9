/**
 * Gossip connections over TCP: HELLO both ways, then frames that are packets (gossip.md §4.2).
 *
 * The core numbers its own dials upwards from 1, the shell numbers accepted ones downwards from −1, so they
 * cannot collide. With keys every frame is sealed with a key made from both HELLOs, so a frame of another
 * connection, or the same one again, cannot be opened; HELLO alone makes nothing happen.
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
  commonVersion,
  decodeHello,
  encodeHello,
  type Hello,
  type HelloPurpose,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  sameTag,
} from "../transport/hello.ts";
import type { Core } from "./core.ts";
import type { EndReason } from "./io.ts";
import type { Channel, Opened } from "./packet.ts";
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
  state: "dialling" | "hello" | "ready";
  readonly cutter: FrameCutter;
  readonly nonce: Uint8Array;
  ownHello: Uint8Array;
  peerBoot: bigint;
  sealing: Channel | undefined;
  opening: Channel | undefined;
  sent: number;
  received: number;
  timer: Timer | undefined;
  kept: boolean;
  onReady: (link: Link) => void;
  onEnd: (why: LinkEnd) => void;
}

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
    link.ownHello = this.#hello(link);
    this.#write(link, encodeFrame(link.ownHello));
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
      this.#core.count("dropped-frame-malformed");
      this.#fail(link, "protocol");
    }
  }

  ended(connection: number, why: EndReason): void {
    const link = this.#links.get(connection);
    if (link !== undefined) this.#forget(link, why);
  }

  send(link: Link, records: readonly GossipRecord[], news: boolean): void {
    if (link.state !== "ready" || this.#links.get(link.id) !== link) return;
    this.#write(link, this.#core.frame(records, ++link.sent, link.sealing, news));
  }

  /** Records encoded before, too large for a datagram, announced by BIG. */
  sendRaw(link: Link, records: readonly Uint8Array[]): void {
    if (link.state !== "ready" || this.#links.get(link.id) !== link) return;
    const big = { kind: "big", records: records.length } as const;
    this.#write(link, this.#core.frame([big], ++link.sent, link.sealing, false, records));
  }

  /** We have what we wanted. */
  finish(link: Link): void {
    if (this.#links.get(link.id) !== link) return;
    this.#core.out.push({ kind: "close", connection: link.id, how: "finish" });
    this.#forget(link, "done");
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
      ownHello: new Uint8Array(0),
      peerBoot: 0n,
      sealing: undefined,
      opening: undefined,
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
    else this.#packet(link, body);
  }

  /** The other side's HELLO. */
  #greet(link: Link, body: Uint8Array): void {
    const core = this.#core;
    const hello = decodeHello(body);
    const refusal = this.#refusalOf(link, hello);
    if (refusal !== undefined) {
      core.count(`dropped-hello-${refusal}`);
      this.#fail(link, refusal === "protocol" ? "protocol" : "not-the-member");
      return;
    }
    link.peer = hello.memberId;
    link.peerBoot = hello.boot;
    if (link.inbound) {
      link.purpose = hello.purpose;
      link.ownHello = this.#hello(link);
      this.#write(link, encodeFrame(link.ownHello));
    }
    this.#deriveChannels(link, body);
    link.state = "ready";
    this.#allow(link, link.kept ? IDLE_LINK_MS : FRAME_MS);
    link.onReady(link);
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

  #deriveChannels(link: Link, peerHello: Uint8Array): void {
    if (!this.#core.codec.sealing) return;
    const [first, second] = link.inbound ? [peerHello, link.ownHello] : [link.ownHello, peerHello];
    const both = new Uint8Array(first.length + second.length);
    both.set(first);
    both.set(second, first.length);
    const digest = this.#core.crypto.sha256(both);
    link.sealing = { info: channelInfo(digest, link.inbound ? 1 : 0), keys: [] };
    link.opening = { info: channelInfo(digest, link.inbound ? 0 : 1), keys: [] };
  }

  #packet(link: Link, body: Uint8Array): void {
    const core = this.#core;
    const opened = core.codec.open(body, GOSSIP_FRAMES.max, link.opening);
    if (typeof opened === "string") {
      core.count(`dropped-frame-${opened}`);
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

  #hello(link: Link): Uint8Array {
    const core = this.#core;
    return encodeHello({
      versionMin: PROTOCOL_MIN,
      versionMax: PROTOCOL_MAX,
      purpose: link.purpose,
      removed: false,
      memberId: core.id,
      boot: core.boot,
      nonce: link.nonce,
      clusterTag: core.clusterTag,
    });
  }
}

function channelInfo(digest: Uint8Array, direction: 0 | 1): Uint8Array {
  const info = new Uint8Array(5 + digest.length + 1);
  info.set([0x74, 0x63, 0x70, 0x20, 0x31]); // "tcp 1"
  info.set(digest, 5);
  info[5 + digest.length] = direction;
  return info;
}
