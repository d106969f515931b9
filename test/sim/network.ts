/**
 * The virtual network: datagrams and connections between hosts, with everything that networks do to
 * them (simulation.md §5). All dice come from one stream of its own.
 *
 * Host states matter: a stopped process refuses, a stopped host is silent, a paused process accepts
 * connections (its kernel does) and answers nothing.
 */

import type { Address } from "#cluster/ports.ts";
import type { EndReason, SendFailure } from "#cluster/swim/io.ts";
import { type Random, shuffle } from "#lib/random.ts";
import type { Scheduler } from "./scheduler.ts";

/** What a member's process offers to the network. */
export interface Host {
  readonly index: number;
  address: Address;
  state: "up" | "stopped" | "silent";
  datagram(from: Address, bytes: Uint8Array): void;
  accepted(connection: Wire): void;
  /** True while this boot of the process runs. */
  runs(boot: number): boolean;
}

export interface NetworkFaults {
  loss: number;
  duplicate: number;
  reorder: number;
  corrupt: number;
  replay: number;
  delayMin: number;
  delayMean: number;
}

export const CALM: NetworkFaults = {
  loss: 0,
  duplicate: 0,
  reorder: 0,
  corrupt: 0,
  replay: 0,
  delayMin: 0.1,
  delayMean: 0.2,
};

const CONNECT_TIMEOUT_MS = 10_000;
const STUCK_MS = 15_000;
const REPLAYS_KEPT = 64;
/** Datagrams kept back by clogs; further ones are lost. */
const KEPT_BACK_MAX = 20_000;

/** One side of a connection. */
export interface End {
  readonly host: Host;
  readonly boot: number;
  opened(): void;
  data(bytes: Uint8Array): void;
  ended(why: EndReason): void;
}

interface Carried {
  readonly from: Host;
  readonly at: number;
  readonly hand: (end: End) => void;
}

export class Wire {
  readonly ends: (End | undefined)[] = [undefined, undefined];
  closed = false;
  /** What is under way in each direction, in order. */
  readonly queues: readonly Carried[][] = [[], []];
  readonly from: Address;

  constructor(from: Address) {
    this.from = from;
  }
}

interface Recorded {
  readonly from: Host;
  readonly to: Address;
  readonly bytes: Uint8Array;
}

export class Network {
  readonly #clock: Scheduler;
  readonly #random: Random;
  /** By host name, then port: looking one up builds no text. */
  readonly #hosts = new Map<string, Map<number, Host>>();
  faults: NetworkFaults = { ...CALM };
  /** Directed pairs "a>b" cut: nothing passes; the same for one kind only. */
  readonly cut = new Set<string>();
  readonly cutUdp = new Set<string>();
  readonly cutTcp = new Set<string>();
  readonly cutLarge = new Set<string>();
  /** Cut in two: nothing passes between the members below this index and the others. */
  halvedAt: number | undefined;
  /** Directed pairs whose datagrams are kept back until `unclog`. */
  readonly clogged = new Set<string>();
  readonly #keptBack: { readonly pair: string; readonly deliver: () => void }[] = [];
  /** Local errors of a host's sends. */
  readonly sendErrors = new Map<number, SendFailure>();
  readonly #recorded: Recorded[] = [];
  datagrams = 0;
  bytes = 0;
  /** Sees every datagram sent. */
  onDatagram: (from: Host, bytes: Uint8Array) => void = () => {};

  constructor(clock: Scheduler, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  bind(host: Host): void {
    const { host: name, port } = host.address;
    const ports = this.#hosts.get(name);
    if (ports === undefined) this.#hosts.set(name, new Map([[port, host]]));
    else ports.set(port, host);
  }

  unbind(host: Host): void {
    if (this.#hostAt(host.address) !== host) return;
    this.#hosts.get(host.address.host)?.delete(host.address.port);
  }

  send(from: Host, to: Address, bytes: Uint8Array): SendFailure | undefined {
    const failure = this.sendErrors.get(from.index);
    if (failure !== undefined) return failure;
    this.datagrams++;
    this.bytes += bytes.length + 28;
    this.onDatagram(from, bytes);
    const { faults } = this;
    this.#pass(from, to, bytes, faults.loss);
    if (this.#roll(faults.duplicate)) this.#pass(from, to, bytes.slice(), faults.loss);
    if (faults.replay > 0) this.#record(from, to, bytes);
    return undefined;
  }

  connect(end: End, to: Address): Wire {
    const wire = new Wire(end.host.address);
    wire.ends[0] = end;
    this.#tryConnect(wire, end, to, this.#clock.now + CONNECT_TIMEOUT_MS);
    return wire;
  }

  /** Sends bytes from one side; they arrive in order, cut anywhere. */
  write(wire: Wire, side: 0 | 1, bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const whole = rest.length < 2 || this.#random.below(4) > 0;
      const size = whole ? rest.length : 1 + this.#random.below(rest.length - 1);
      const part = rest.slice(0, size);
      rest = rest.subarray(size);
      this.#carry(wire, side, (end) => end.data(part));
    }
  }

  close(wire: Wire, side: 0 | 1, how: "finish" | "reset"): void {
    this.#carry(wire, side, (end) => {
      wire.closed = true;
      end.ended(how === "finish" ? "closed" : "reset");
    });
    wire.ends[side] = undefined;
  }

  /** The process behind this side is gone; its kernel resets, a silent host says nothing. */
  abandon(wire: Wire, side: 0 | 1, host: Host): void {
    if (host.state === "silent") {
      wire.ends[side] = undefined;
      this.#clock.after(STUCK_MS, () => this.#break(wire));
    } else this.close(wire, side, "reset");
  }

  #pass(from: Host, to: Address, bytes: Uint8Array, loss: number): void {
    if (this.#roll(loss)) return;
    const extra = this.#roll(this.faults.reorder) ? 20 * this.#random.float() : 0;
    const arrived = this.#roll(this.faults.corrupt) ? this.#corrupted(bytes) : bytes;
    const source = from.address;
    this.#clock.after(this.#delay() + extra, () => {
      const host = this.#hostAt(to);
      if (host?.state !== "up" || this.#isCut(from, host, "udp")) return;
      if (this.cutLarge.size === 0 && this.clogged.size === 0) {
        host.datagram(source, arrived);
        return;
      }
      const way = pair(from, host);
      if (bytes.length > 600 && this.cutLarge.has(way)) return;
      if (this.clogged.has(way)) this.#keepBack(way, host, () => host.datagram(source, arrived));
      else host.datagram(source, arrived);
    });
  }

  /** Lets go what was kept back on these pairs, in order or shuffled; newer datagrams pass again. */
  unclog(pairs: readonly string[], shuffled: boolean): void {
    for (const name of pairs) this.clogged.delete(name);
    const free: (() => void)[] = [];
    for (let i = this.#keptBack.length - 1; i >= 0; i--) {
      const kept = this.#keptBack[i];
      if (kept === undefined || this.clogged.has(kept.pair)) continue;
      this.#keptBack.splice(i, 1);
      free.unshift(kept.deliver);
    }
    if (shuffled) shuffle(this.#random, free);
    for (const deliver of free) deliver();
  }

  #keepBack(way: string, host: Host, deliver: () => void): void {
    if (this.#keptBack.length >= KEPT_BACK_MAX) return;
    this.#keptBack.push({
      pair: way,
      deliver: () => {
        if (host.state === "up") deliver();
      },
    });
  }

  #record(from: Host, to: Address, bytes: Uint8Array): void {
    if (this.#recorded.length < REPLAYS_KEPT) this.#recorded.push({ from, to, bytes });
    else if (this.#roll(0.05)) {
      this.#recorded[this.#random.below(REPLAYS_KEPT)] = { from, to, bytes };
    }
    if (!this.#roll(this.faults.replay)) return;
    const old = this.#recorded[this.#random.below(this.#recorded.length)];
    if (old !== undefined) this.#pass(old.from, old.to, old.bytes, 0);
  }

  #corrupted(bytes: Uint8Array): Uint8Array {
    if (this.#random.below(4) === 0) return bytes.slice(0, this.#random.below(bytes.length + 1));
    const copy = bytes.slice();
    for (let i = this.#random.below(3); i >= 0; i--) {
      const at = this.#random.below(copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << this.#random.below(8));
    }
    return copy;
  }

  #tryConnect(wire: Wire, end: End, to: Address, until: number): void {
    this.#clock.after(this.#delay(), () => {
      if (wire.ends[0] === undefined) return;
      const host = this.#hostAt(to);
      const reachable =
        host !== undefined &&
        host.state !== "silent" &&
        !this.#isCut(end.host, host, "tcp") &&
        !this.#isCut(host, end.host, "tcp");
      if (!reachable) {
        if (this.#clock.now >= until) this.#tell(wire, 0, (own) => own.ended("timeout"));
        else this.#clock.after(500, () => this.#tryConnect(wire, end, to, until));
        return;
      }
      this.#clock.after(this.#delay(), () => {
        if (host.state === "up") host.accepted(wire);
        if (wire.ends[1] === undefined) this.#tell(wire, 0, (own) => own.ended("refused"));
        else this.#tell(wire, 0, (own) => own.opened());
      });
    });
  }

  /** Hands something to the other side, behind everything sent before. */
  #carry(wire: Wire, side: 0 | 1, hand: (end: End) => void): void {
    const own = wire.ends[side];
    if (wire.closed || own === undefined) return;
    const lost = this.#roll(this.faults.loss) ? 200 : 0;
    const at = this.#clock.now + this.#delay() + lost;
    const queue = wire.queues[side] as Carried[];
    queue.push({ from: own.host, at, hand });
    if (queue.length === 1) this.#pump(wire, side, at, at + STUCK_MS);
  }

  /** Delivers the first of a direction's queue when its time has come and the way is open. */
  #pump(wire: Wire, side: 0 | 1, at: number, until: number): void {
    const queue = wire.queues[side] as Carried[];
    this.#clock.at(at, () => {
      const head = queue[0];
      const other = side === 0 ? 1 : 0;
      const end = wire.ends[other];
      if (head === undefined || end === undefined) return;
      if (this.#isCut(head.from, end.host, "tcp")) {
        if (this.#clock.now >= until) this.#break(wire);
        else this.#pump(wire, side, this.#clock.now + 200, until);
        return;
      }
      queue.shift();
      const next = queue[0];
      if (next !== undefined) this.#pump(wire, side, next.at, next.at + STUCK_MS);
      this.#tell(wire, other, head.hand);
    });
  }

  #break(wire: Wire): void {
    wire.closed = true;
    this.#tell(wire, 0, (end) => end.ended("reset"));
    this.#clock.after(50, () => this.#tell(wire, 1, (end) => end.ended("reset")));
  }

  #tell(wire: Wire, side: 0 | 1, hand: (end: End) => void): void {
    const end = wire.ends[side];
    if (end?.host.runs(end.boot)) hand(end);
  }

  #isCut(from: Host, to: Host, kind: "udp" | "tcp"): boolean {
    const { halvedAt } = this;
    if (halvedAt !== undefined && from.index < halvedAt !== to.index < halvedAt) return true;
    const some = kind === "udp" ? this.cutUdp : this.cutTcp;
    if (this.cut.size === 0 && some.size === 0) return false;
    const name = pair(from, to);
    return this.cut.has(name) || some.has(name);
  }

  #hostAt({ host, port }: Address): Host | undefined {
    return this.#hosts.get(host)?.get(port);
  }

  #delay(): number {
    return this.faults.delayMin - this.faults.delayMean * Math.log(1 - this.#random.float());
  }

  #roll(probability: number): boolean {
    return probability > 0 && this.#random.float() < probability;
  }
}

export function pair(from: Pick<Host, "index">, to: Pick<Host, "index">): string {
  return `${from.index}>${to.index}`;
}
