/**
 * Calls between members over one TCP connection per pair; implements the `Rpc` port.
 *
 * The member with the smaller ID keeps a connection to every member of the view; the other one dials only when it has
 * something to send, or to find out, after a loss, whether the process is still there. When both dialled, the
 * connection of the smaller ID survives and the other is drained. Two refused dials 100 ms apart are told as
 * `refused`: nothing but a process that is gone (or one told to refuse) does that, silence never does.
 * Addresses come from the membership view and are resolved at every dial.
 * Source: reference gossip.md §4.2, §14.4.
 */

import { type Cancel, type Clock, everyInStep } from "#lib/clock.ts";
import { Closers } from "#lib/closers.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { type ClusterView, type MemberId, type MemberView, type Rpc, WireError } from "../ports.ts";
import { type KeyReport, KeyRing } from "../swim/key-ring.ts";
import { KeyWarnings } from "../swim/key-warnings.ts";
import { clusterTag } from "../transport/cluster-tag.ts";
import { systemCrypto } from "../transport/crypto.ts";
import { type Hello, NO_CLUSTER } from "../transport/hello.ts";
import { encodePayload } from "./codec.ts";
import {
  type ByteSink,
  type ConnectionHost,
  type OutgoingCall,
  RpcConnection,
} from "./connection.ts";
import type { Call } from "./define-call.ts";
import {
  ACCEPTED_MAX,
  HELLO_TIMEOUT_MS,
  MEET_AT_ONCE,
  MEET_MAX_MS,
  MEET_PACE_MS,
  MEET_QUIET_EACH_MS,
  MEET_QUIET_MS,
  TICK_MS,
} from "./limits.ts";
import { Link, type LinkHost } from "./link.ts";
import { type GreetingHost, PeerGreeting } from "./peer-greeting.ts";
import { RpcError } from "./rpc-error.ts";
import { CLOSED_BY_PEER, type Listening, type RpcSockets, systemSockets } from "./sockets.ts";
import { type RpcTls, tlsSockets } from "./tls-sockets.ts";

/** What links need of the membership; a view may change at any time. */
export interface LinkMembership {
  view(): ClusterView;
  onChange(listener: (view: ClusterView) => void): void;
}

export interface RpcLinksOptions {
  /** Where to listen. Port 0 picks one; see `port`. */
  readonly bind: { readonly host: string; readonly port: number };
  /** Boot number of this process. */
  readonly boot: bigint;
  /** All calls this build knows. */
  readonly calls: readonly Call[];
  /** Was this member removed from our cluster? It is told so and turned away. */
  readonly isRemoved?: (member: MemberId) => boolean;
  /** Another member says that we were removed from the cluster. */
  readonly onRemoved?: (by: MemberId) => void;
  /** Default: the system's, with TLS when `tls` is given. */
  readonly sockets?: RpcSockets;
  readonly tls?: RpcTls;
  /** `[cluster] encryption-keys`; none: everything is plain. */
  readonly encryptionKeys?: readonly Uint8Array[];
  readonly acceptPlain?: boolean;
}

type LinkListener = (member: MemberId, state: "up" | "lost" | "refused") => void;
type Answerer = (from: MemberId, payload: unknown) => unknown | Promise<unknown>;

export class RpcLinks implements Rpc {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #options: RpcLinksOptions;
  readonly #sockets: RpcSockets;
  readonly #byName = new Map<string, Call>();
  readonly #byNumber = new Map<number, Call>();
  readonly #answerers = new Map<string, Answerer>();
  readonly #listeners: LinkListener[] = [];
  readonly #links = new Map<MemberId, Link>();
  /** Every open connection, greeted or not. */
  readonly #connections = new Map<RpcConnection, ConnectionState>();
  readonly #counters: Record<string, number> = {};
  readonly #host: ConnectionHost;
  readonly #linkHost: LinkHost;
  readonly #greetingHost: GreetingHost;
  readonly #ring = new KeyRing(systemCrypto);
  readonly #closers = new Closers();
  #membership: LinkMembership | undefined;
  #listening: Listening | undefined;
  #tag: { readonly clusterId: string; readonly bytes: Uint8Array } = {
    clusterId: "",
    bytes: NO_CLUSTER,
  };
  /** Members met a moment ago, not dialled yet without need. */
  readonly #newcomers = new Set<MemberId>();
  #newcomersSince = 0;
  /** When somebody new was last met. */
  #metAt = Number.NEGATIVE_INFINITY;
  #cancelMeeting: Cancel = () => {};
  #closed = false;

  constructor(clock: Clock, random: Random, log: Log, options: RpcLinksOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
    this.#options = options;
    this.#sockets =
      options.sockets ??
      (options.tls === undefined
        ? systemSockets
        : tlsSockets(clock, options.tls, (counter) => this.#count(counter)));
    for (const call of options.calls) {
      this.#byName.set(call.name, call);
      this.#byNumber.set(call.number, call);
    }
    this.#host = this.#makeHost();
    this.#linkHost = this.#makeLinkHost();
    this.#greetingHost = this.#makeGreetingHost();
    this.#ring.set(options.encryptionKeys ?? [], options.acceptPlain ?? false);
  }

  /** The port listened on; 0 before `open`. */
  get port(): number {
    return this.#listening?.port ?? 0;
  }

  /**
   * Listens and starts dialling. The membership is given here and not to the constructor, because it needs an `Rpc`
   * itself. Throws when the address cannot be bound.
   */
  open(membership: LinkMembership): void {
    this.#membership = membership;
    this.#listening = this.#sockets.listen(this.#options.bind, (sink) => this.#accept(sink));
    this.#closers.push(() => this.#listening?.stop());
    let last = this.#clock.monoMs();
    this.#closers.push(
      everyInStep(this.#clock, TICK_MS, () => {
        const now = this.#clock.monoMs();
        const slept = now - last > 2 * TICK_MS;
        last = now;
        for (const connection of [...this.#connections.keys()]) connection.tick(slept);
        for (const link of this.#links.values()) link.tick();
      }),
    );
    this.#closers.push(() => this.#cancelMeeting());
    this.#follow();
    membership.onChange(() => {
      this.#meet();
      this.#follow();
    });
  }

  /** Closes the listener and every connection; calls in flight fail with reason `lost` or `closed`. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const link of this.#links.values()) link.close();
    for (const connection of [...this.#connections.keys()]) connection.close("shutting down");
    await this.#closers.close();
  }

  call(to: MemberId, type: string, payload: unknown, timeoutMs: number): Promise<unknown> {
    const started = Promise.withResolvers<unknown>();
    this.#attempt(started.reject, () => {
      const { resolve, reject } = started;
      const call = this.#callNamed(type);
      const text = encodePayload(payload);
      this.#linkTo(to).call({ call, payload: text, timeoutMs, resolve, reject });
    });
    return started.promise;
  }

  async callAddress(
    address: string,
    type: string,
    payload: unknown,
    timeoutMs: number,
  ): Promise<unknown> {
    const call = this.#callNamed(type);
    if (!call.joining) throw new RpcError("answered", `${type} needs a common cluster`);
    const text = encodePayload(payload);
    if (this.#closed) throw new RpcError("closed", "shutting down");
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const out: OutgoingCall = { call, payload: text, timeoutMs, resolve, reject };
    const connection = await this.#dialAddress(address, { kind: "join", out });
    try {
      return await promise;
    } finally {
      connection.close("call ended");
    }
  }

  notify(to: MemberId, type: string, payload: unknown): boolean {
    if (this.#closed || this.#memberView(to) === undefined) return false;
    try {
      return this.#linkTo(to).notify(this.#callNamed(type), encodePayload(payload));
    } catch (error) {
      this.#log.debug("notice not sent", { member: to, err: errorMessage(error) });
      this.#count("rpc_notices_refused");
      return false;
    }
  }

  handle(type: string, answer: Answerer): void {
    this.#answerers.set(this.#callNamed(type).name, answer);
  }

  onLink(listener: LinkListener): void {
    this.#listeners.push(listener);
  }

  /** Live reload. Connections that may not go on as they were agreed are closed and made anew. */
  setKeys(keys: readonly Uint8Array[], acceptPlain: boolean): void {
    this.#ring.set(keys, acceptPlain);
    for (const connection of [...this.#connections.keys()]) {
      if (connection.peer === undefined) continue;
      const fits = connection.isSealed ? this.#ring.sealing : this.#ring.takesPlain;
      if (fits) continue;
      this.#count("rpc_connections_closed_keys_changed");
      connection.close("the keys were changed");
    }
  }

  /** Which keys others were seen to use for calls. */
  keyReport(): KeyReport {
    return this.#ring.report(this.#clock.monoMs());
  }

  counters(): Readonly<Record<string, number>> {
    let up = 0;
    for (const link of this.#links.values()) if (link.isUp) up++;
    return { ...this.#counters, rpc_connections: this.#connections.size, rpc_links_up: up };
  }

  /** Bound calls only; runs `act` and turns what it throws into a rejection. */
  #attempt(reject: (error: unknown) => void, act: () => void): void {
    try {
      if (this.#closed) throw new RpcError("closed", "shutting down");
      act();
    } catch (error) {
      reject(error);
    }
  }

  #callNamed(type: string): Call {
    const call = this.#byName.get(type);
    if (call === undefined) throw new RpcError("answered", `call ${type} is not registered`);
    return call;
  }

  #count(counter: string): void {
    this.#counters[counter] = (this.#counters[counter] ?? 0) + 1;
  }

  #emit(member: MemberId, state: "up" | "lost" | "refused"): void {
    this.#log.debug("rpc link", { member, state });
    this.#count(`rpc_links_${state === "up" ? "opened" : state}`);
    for (const listener of this.#listeners) listener(member, state);
  }

  #view(): ClusterView {
    const view = this.#membership?.view();
    if (view === undefined) throw new RpcError("closed", "not started");
    return view;
  }

  #memberView(member: MemberId): MemberView | undefined {
    return this.#view().members.find((other) => other.id === member);
  }

  #linkTo(member: MemberId): Link {
    const known = this.#links.get(member);
    if (known !== undefined) return known;
    if (this.#memberView(member) === undefined || member === this.#view().localId) {
      throw new RpcError("unreachable", `member ${member} is not in the cluster`);
    }
    return this.#newLink(member);
  }

  #newLink(member: MemberId): Link {
    const link = new Link(this.#linkHost, member);
    this.#links.set(member, link);
    return link;
  }

  /**
   * Notes who is new. When many join at once, everybody dialling everybody meets them in the midst of it, and what is
   * said on a new connection would be said again for every further member: so they are dialled when no more come.
   */
  #meet(): void {
    const { localId, members } = this.#view();
    const isNew = (id: MemberId): boolean =>
      id !== localId && !this.#links.has(id) && !this.#newcomers.has(id);
    const fresh = members.filter(({ id }) => isNew(id));
    if (this.#closed || fresh.length === 0) return;
    const now = this.#clock.monoMs();
    const isCalm = now - this.#metAt > MEET_QUIET_MS && this.#newcomers.size === 0;
    this.#metAt = now;
    if (isCalm && fresh.length <= MEET_AT_ONCE) return;
    if (this.#newcomers.size === 0) this.#newcomersSince = now;
    for (const { id } of fresh) this.#newcomers.add(id);
    this.#cancelMeeting();
    const left = this.#newcomersSince + MEET_MAX_MS - now;
    const quietMs = MEET_QUIET_MS + MEET_QUIET_EACH_MS * this.#newcomers.size;
    this.#meetIn(Math.max(0, Math.min(quietMs, left)));
  }

  #meetIn(delayMs: number): void {
    this.#cancelMeeting = this.#clock.after(delayMs, () => {
      const [next] = this.#newcomers;
      if (next === undefined) return;
      this.#newcomers.delete(next);
      if (this.#newcomers.size > 0) this.#meetIn(MEET_PACE_MS);
      this.#follow();
    });
  }

  /** Adjusts links to the view: members are dialled unless they are new, those that are no more are let go. */
  #follow(): void {
    if (this.#closed) return;
    const view = this.#view();
    const present = new Set<MemberId>();
    for (const member of view.members) {
      if (member.id === view.localId) continue;
      present.add(member.id);
      const link = this.#links.get(member.id) ?? this.#newLink(member.id);
      if (this.#newcomers.has(member.id)) continue;
      link.setWanted(view.localId < member.id && member.status !== "left", member.status);
    }
    for (const [id, link] of this.#links) {
      if (present.has(id)) continue;
      // Closed while it is known here, so that a connection that worked is told as lost: the member may come back.
      link.close();
      this.#links.delete(id);
      this.#newcomers.delete(id);
    }
  }

  #clusterTag(): Uint8Array {
    const { clusterId } = this.#view();
    if (this.#tag.clusterId !== clusterId) this.#tag = { clusterId, bytes: clusterTag(clusterId) };
    return this.#tag.bytes;
  }

  #accept(sink: ByteSink): RpcConnection {
    this.#count("rpc_connections_accepted");
    const connection = new RpcConnection(this.#host, sink, false);
    this.#register(connection, { kind: "accepted" });
    if (this.#connections.size > ACCEPTED_MAX) {
      this.#count("rpc_connections_refused_full");
      connection.close("too many connections");
    }
    return connection;
  }

  #register(connection: RpcConnection, purpose: ConnectionPurpose): void {
    const cancelTimer = this.#clock.after(HELLO_TIMEOUT_MS, () => {
      this.#count("rpc_hello_timeouts");
      connection.close("no hello in time");
    });
    const dialled =
      purpose.kind === "accepted"
        ? undefined
        : purpose.kind === "join"
          ? ({ purpose: "join" } as const)
          : ({ purpose: "rpc", member: purpose.member } as const);
    const greeting = new PeerGreeting(this.#greetingHost, connection, dialled);
    this.#connections.set(connection, { purpose, greeting, cancelTimer });
  }

  /** Dials and sends HELLO; what follows comes through `onHello` and `onClosed`. Rejects with `RpcError`. */
  async #dialAddress(address: string, purpose: ConnectionPurpose): Promise<RpcConnection> {
    const connection = await this.#sockets.dial(this.#clock, address, (sink) => {
      const made = new RpcConnection(this.#host, sink, true);
      this.#register(made, purpose);
      return made;
    });
    if (this.#closed) {
      connection.close("shutting down");
      throw new RpcError("closed", "shutting down");
    }
    this.#connections.get(connection)?.greeting.start();
    return connection;
  }

  #makeLinkHost(): LinkHost {
    return {
      clock: this.#clock,
      random: this.#random,
      dial: (member) => {
        const view = this.#memberView(member);
        if (view === undefined) {
          return Promise.reject(new RpcError("unreachable", `member ${member} is not known`));
        }
        return this.#dialAddress(view.rpcAddress, { kind: "link", member });
      },
      emit: (member, state) => this.#emit(member, state),
      count: (counter) => this.#count(counter),
      isSmaller: (member) => this.#view().localId < member,
    };
  }

  #makeHost(): ConnectionHost {
    return {
      clock: this.#clock,
      callByNumber: (number) => this.#byNumber.get(number),
      onHello: (connection, body) => this.#greet(connection, body),
      onCall: (connection, call, payload) => this.#answer(connection, call, payload),
      onRoom: (connection) => {
        const member = connection.peer?.memberId;
        if (member !== undefined) this.#links.get(member)?.pump();
      },
      onBadSeal: (connection, reason) => {
        this.#count(`rpc_dropped_frame_${reason.replaceAll("-", "_")}`);
        const from = connection.peer?.memberId ?? "";
        this.#greetingHost.warnings.dropped(reason, from, this.#clock.monoMs());
      },
      onClosed: (connection, why) => this.#connectionClosed(connection, why),
      count: (counter) => this.#count(counter),
    };
  }

  #answer(connection: RpcConnection, call: Call, payload: unknown): unknown | Promise<unknown> {
    const { peer } = connection;
    if (peer === undefined) throw new WireError("no hello");
    if (peer.purpose === "join" && !call.joining) {
      throw new WireError(`${call.name} needs a common cluster`);
    }
    const answerer = this.#answerers.get(call.name);
    if (answerer === undefined) throw new RpcError("busy", `${call.name} is not served here`);
    return answerer(peer.memberId, payload);
  }

  #makeGreetingHost(): GreetingHost {
    return {
      crypto: systemCrypto,
      ring: this.#ring,
      warnings: new KeyWarnings("rpc", (message, fields) => this.#log.warn(message, fields)),
      monoMs: () => this.#clock.monoMs(),
      nonce: () => this.#random.bytes(16),
      boot: this.#options.boot,
      localId: () => this.#view().localId,
      clusterId: () => this.#view().clusterId,
      clusterTag: () => this.#clusterTag(),
      isRemoved: (member) => this.#options.isRemoved?.(member) === true,
      onRemoved: (by) => this.#options.onRemoved?.(by),
      count: (counter) => this.#count(counter),
    };
  }

  /** A frame of a peer that is not greeted yet. */
  #greet(connection: RpcConnection, body: Uint8Array): void {
    const state = this.#connections.get(connection);
    const hello = state?.greeting.take(body);
    if (state === undefined || hello === undefined) return;
    state.cancelTimer();
    const { purpose } = state;
    if (purpose.kind === "join") connection.sendCall(purpose.out);
    else if (purpose.kind === "link") this.#links.get(purpose.member)?.adopt(connection, hello);
    else if (hello.purpose === "rpc") this.#adoptAccepted(connection, hello);
  }

  #adoptAccepted(connection: RpcConnection, hello: Hello): void {
    const link = this.#links.get(hello.memberId) ?? this.#newLink(hello.memberId);
    link.adopt(connection, hello);
  }

  #connectionClosed(connection: RpcConnection, why: string): void {
    const state = this.#connections.get(connection);
    if (state === undefined) return;
    this.#connections.delete(connection);
    state.cancelTimer();
    const { purpose } = state;
    const byPeer = why.startsWith(CLOSED_BY_PEER);
    if (byPeer && purpose.kind === "accepted") {
      this.#count(connection.peer === undefined ? "rpc_closed_before_greeting" : "rpc_closed");
    }
    if (purpose.kind === "join" && connection.peer === undefined) {
      const text = byPeer ? state.greeting.silence : why;
      purpose.out.reject(new RpcError("unreachable", text));
    }
    const member =
      purpose.kind === "link" ? purpose.member : (connection.peer?.memberId ?? undefined);
    if (member === undefined || connection.peer?.purpose === "join") return;
    const link = this.#links.get(member);
    link?.connectionClosed(connection);
    if (link === undefined || this.#closed || this.#memberView(member) !== undefined) return;
    this.#links.delete(member);
    link.close();
  }
}

type ConnectionPurpose =
  | { readonly kind: "accepted" }
  | { readonly kind: "link"; readonly member: MemberId }
  | { readonly kind: "join"; readonly out: OutgoingCall };

interface ConnectionState {
  readonly purpose: ConnectionPurpose;
  readonly greeting: PeerGreeting;
  readonly cancelTimer: Cancel;
}
