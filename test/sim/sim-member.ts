/**
 * One simulated member: the real core on a virtual host with a disk that can lose what was not synced.
 *
 * It performs the core's actions on the virtual network, keeps inputs waiting while paused or slow, and
 * comes back from its disk after a crash with a new boot number, as a process does.
 */

import { drainMicrotasks } from "bun:jsc";
import { formatHostPort, splitHostPort } from "#cluster/messages/ip.ts";
import type { IdTable } from "#cluster/messages/member-id.ts";
import type { Profile } from "#cluster/messages/message.ts";
import type { Address, MemberId } from "#cluster/ports.ts";
import type { MischiefPoint, PlantedBug } from "#cluster/swim/core.ts";
import type { Crypto } from "#cluster/swim/crypto.ts";
import { decodeImage, encodeImage, nextStart } from "#cluster/swim/image.ts";
import type { Action, Input } from "#cluster/swim/io.ts";
import type { SwimOptions } from "#cluster/swim/options.ts";
import { Swim } from "#cluster/swim/swim.ts";
import { SeededRandom } from "#lib/random.ts";
import type { EncodedWrite } from "#storage/encode.ts";
import { copyPlatter, type Platter } from "./member-store.ts";
import type { End, Host, Network, Wire } from "./network.ts";
import type { Scheduler } from "./scheduler.ts";
import { tornFile, tornPlatter } from "./torn-tail.ts";

/** A slow process is held up less by a piece of its program than by a step of the membership, which is more work. */
const TASKS_PER_STEP = 10;
/** A crash that is to hit a disk write waits this long for one, ms. */
const WRITE_WAIT_MS = 2_000;
/** Datagram bytes a paused process's socket holds (simulation.md §6). */
const SOCKET_BUFFER = 208 * 1024;

export interface World {
  readonly clock: Scheduler;
  readonly network: Network;
  readonly crypto: Crypto;
  readonly ids: IdTable;
  readonly options: SwimOptions;
  readonly keys: readonly Uint8Array[];
  readonly seed: number;
  readonly planted: ReadonlySet<PlantedBug>;
  /** False: no disk at all, for runs about size. */
  readonly disks: boolean;
  onStep(member: SimMember, input: Input, actions: readonly Action[]): void;
  /** Whether a member's core misbehaves legally at a point; never when absent. */
  readonly mischief?: () => (name: MischiefPoint) => boolean;
  /** What a member's process runs beside its membership; nothing when absent. */
  readonly program?: (member: SimMember, boot: number) => Program;
}

/** The rest of a member's process. It lives as long as the process and runs within `SimMember.run`. */
export interface Program {
  /** After every step of the membership, with what it asked for. */
  stepped(actions: readonly Action[]): void;
  /** The process is gone; nothing may be called any more. */
  killed(): void;
  /** Commits not yet durable, oldest first. */
  unsynced(): readonly (readonly EncodedWrite[])[];
}

interface Side {
  readonly wire: Wire;
  readonly side: 0 | 1;
}

export class SimMember implements Host {
  readonly index: number;
  readonly id: MemberId;
  readonly #world: World;
  readonly #firstClusterId: string;
  address: Address;
  state: "up" | "stopped" | "silent" = "stopped";
  swim: Swim | undefined;
  program: Program | undefined;
  #boot = 0;
  disk: Uint8Array | undefined;
  #oldDisk: Uint8Array | undefined;
  /** The program's tables on the same disk. */
  platter: Platter = new Map();
  #oldPlatter: Platter = new Map();
  /** What it is to the run: one of the members, a copy of one, or somebody of another cluster. */
  role: "member" | "clone" | "stranger" = "member";
  /** Its machine is gone for good. */
  retired = false;
  /** It stopped clustering because another process has its identity. */
  halted = false;
  /** Boot number with which its process started. */
  firstBoot = 0n;
  /** When its process started, global ms. */
  startedAt = 0;
  /** Own keys, where they differ from the world's. */
  keys: readonly Uint8Array[] | undefined;
  diskDelayMs = 2;
  diskFails = false;
  /** Starts that found a torn database log, and a torn membership file. */
  tornLogs = 0;
  tornFiles = 0;
  /** State that is being written. */
  #unsyncedImage: Uint8Array | undefined;
  /** Told when the process writes to its disk. */
  #onWrite: (() => void) | undefined;
  paused = false;
  /** When its last pause began. */
  pausedAt = 0;
  /** When its last pause ended, and how long that was, ms. */
  wokeAt = Number.NEGATIVE_INFINITY;
  sleptMs = 0;
  /** Each step takes up to this long, milliseconds. */
  slowMs = 0;
  /** `[alert] redundancy` from its next start on. */
  redundancy = 0;
  /** Parts per million the member's clock runs fast. */
  driftPpm = 0;
  wallOffsetMs = 1_700_000_000_000;
  #busyUntil = 0;
  #draining = false;
  #inbox: (Input | (() => void))[] = [];
  /** Inputs that arose while a step's actions were performed. */
  readonly #nested: Input[] = [];
  #stepping = false;
  #inboxBytes = 0;
  #wakeGeneration = 0;
  readonly #connections = new Map<number, Side>();
  #accepted = 0;
  readonly #durable: (() => void)[] = [];

  constructor(world: World, index: number, id: MemberId, clusterId: string) {
    this.#world = world;
    this.index = index;
    this.id = id;
    this.#firstClusterId = clusterId;
    this.address = {
      host: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
      port: 9090,
    };
    world.network.bind(this);
  }

  /** Local monotonic time. */
  get localMs(): number {
    return this.#world.clock.now * (1 + this.driftPpm / 1e6);
  }

  /** Counts its starts. */
  get boot(): number {
    return this.#boot;
  }

  runs(boot: number): boolean {
    return this.state === "up" && this.#boot === boot;
  }

  /** Starts a process from the disk; `oldDisk` from an earlier copy of it. */
  start(useOldDisk = false): void {
    if (this.state === "up" || this.retired) return;
    const world = this.#world;
    this.#boot++;
    this.startedAt = world.clock.now;
    this.halted = false;
    if (useOldDisk) this.platter = copyPlatter(this.#oldPlatter);
    const bytes = useOldDisk ? this.#oldDisk : this.disk;
    const image = bytes === undefined ? undefined : decodeImage(bytes);
    const random = new SeededRandom(world.seed * 7919 + this.index * 104729 + this.#boot);
    const wall = this.wallOffsetMs + world.clock.now;
    const start = nextStart(image, wall, random);
    this.firstBoot = start.boot;
    const profile = this.#profile(start.boot, image?.joined ?? 1);
    this.swim = new Swim(
      {
        clusterId: image?.clusterId ?? this.#firstClusterId,
        initialized: image?.initialized ?? false,
        epoch: image?.epoch ?? 0,
        start,
        profile,
        options: world.options,
        random,
        crypto: world.crypto,
        ids: world.ids,
        planted: world.planted,
        ...(world.mischief === undefined ? {} : { mischief: world.mischief() }),
      },
      image?.entries ?? [],
    );
    this.state = "up";
    this.paused = false;
    this.#inbox = [];
    this.#inboxBytes = 0;
    this.#busyUntil = 0;
    const keys = this.keys ?? world.keys;
    if (keys.length > 0) this.input({ kind: "keys", keys, acceptPlain: false });
    // The start's numbers are durable before its first packet.
    if (world.disks) this.disk = encodeImage(this.swim.image());
    this.program = world.program?.(this, this.#boot);
    this.input({ kind: "start" });
  }

  /** Kills the process; with `silent`, the whole host. */
  crash(silent: boolean): void {
    if (this.state !== "up") return;
    this.state = silent ? "silent" : "stopped";
    this.swim = undefined;
    this.program?.killed();
    this.program = undefined;
    this.#nested.length = 0;
    this.#wakeGeneration++;
    for (const { wire, side } of this.#connections.values()) {
      this.#world.network.abandon(wire, side, this);
    }
    this.#connections.clear();
    this.#durable.length = 0;
    this.#unsyncedImage = undefined;
    this.#onWrite = undefined;
  }

  /**
   * Crashes in the middle of the next disk write, or after a while without one. Of what was being written the first `share`
   * (0 … 1) survives. `died` is told when it is over, also if the process ended otherwise meanwhile.
   */
  crashWriting(how: {
    readonly silent: boolean;
    readonly share: number;
    readonly died: () => void;
  }): void {
    const { clock } = this.#world;
    const boot = this.#boot;
    let isOver = false;
    const die = (): void => {
      if (isOver) return;
      isOver = true;
      if (this.runs(boot)) {
        this.#tear(how.share);
        this.crash(how.silent);
      }
      how.died();
    };
    this.#onWrite = () => clock.after(this.diskDelayMs / 2, die);
    clock.after(WRITE_WAIT_MS, die);
  }

  /** Something goes to the disk. */
  writes(): void {
    const told = this.#onWrite;
    this.#onWrite = undefined;
    told?.();
  }

  #tear(share: number): void {
    if (this.diskFails) return;
    const unsynced = this.program?.unsynced() ?? [];
    if (unsynced.length > 0) {
      this.platter = tornPlatter(this.platter, unsynced, share);
      this.tornLogs++;
    }
    if (this.disk === undefined || this.#unsyncedImage === undefined) return;
    this.disk = tornFile(this.disk, this.#unsyncedImage, share);
    this.tornFiles++;
  }

  keepOldDisk(): void {
    this.#oldDisk = this.disk;
    this.#oldPlatter = copyPlatter(this.platter);
  }

  moveTo(address: Address): void {
    this.#world.network.unbind(this);
    this.address = address;
    this.#world.network.bind(this);
  }

  pause(): void {
    if (!this.paused) this.pausedAt = this.#world.clock.now;
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.wokeAt = this.#world.clock.now;
    this.sleptMs = this.wokeAt - this.pausedAt;
    this.#drain();
  }

  /**
   * Calls back when what the next step decides is on disk (so: call it before that step); never if the
   * process dies first.
   */
  whenDurable(run: () => void): void {
    // Without a disk what is decided counts as durable right after the step that decides it.
    if (!this.#world.disks) this.#world.clock.after(0, run);
    else this.#durable.push(run);
  }

  // —— what the network hands in ——

  datagram(from: Address, bytes: Uint8Array): void {
    if (this.#inboxBytes + bytes.length > SOCKET_BUFFER) return;
    this.input({ kind: "datagram", from, bytes });
  }

  accepted(wire: Wire): void {
    const connection = --this.#accepted;
    wire.ends[1] = this.#end(wire, 1, connection);
    this.input({ kind: "accepted", connection, from: wire.from });
  }

  /** Something happens to the process: now, or when it runs again. */
  input(input: Input): void {
    if (this.state !== "up") return;
    if (this.paused || this.#inbox.length > 0 || this.#world.clock.now < this.#busyUntil) {
      this.#inbox.push(input);
      if (input.kind === "datagram") this.#inboxBytes += input.bytes.length;
      if (!this.paused) this.#drainLater();
      return;
    }
    this.#step(input);
  }

  /** Runs a piece of the program: now, or when the process runs again; never when it died meanwhile. */
  run(task: () => void): void {
    if (this.state !== "up") return;
    if (this.paused || this.#inbox.length > 0 || this.#world.clock.now < this.#busyUntil) {
      this.#inbox.push(task);
      if (!this.paused) this.#drainLater();
      return;
    }
    this.#runTask(task);
  }

  #runTask(task: () => void): void {
    this.#world.clock.note(this.index, "task");
    task();
    if (this.slowMs > 0) this.#busyUntil = this.#world.clock.now + this.slowMs / TASKS_PER_STEP;
    drainMicrotasks();
  }

  #drainLater(): void {
    if (this.#draining) return;
    this.#draining = true;
    const boot = this.#boot;
    this.#world.clock.at(this.#busyUntil, () => {
      this.#draining = false;
      if (this.runs(boot)) this.#drain();
    });
  }

  #drain(): void {
    while (this.#inbox.length > 0 && !this.paused && this.state === "up") {
      if (this.#world.clock.now < this.#busyUntil) {
        this.#drainLater();
        return;
      }
      const input = this.#inbox.shift() as Input | (() => void);
      if (typeof input === "function") {
        this.#runTask(input);
        continue;
      }
      if (input.kind === "datagram") this.#inboxBytes -= input.bytes.length;
      this.#step(input);
    }
  }

  /** What comes up during a step waits in line, so the core never runs inside itself. */
  #step(input: Input): void {
    this.#nested.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#nested.shift(); next !== undefined; next = this.#nested.shift()) {
        this.#stepOnce(next);
      }
    } finally {
      this.#stepping = false;
    }
    if (this.program !== undefined) drainMicrotasks();
  }

  #stepOnce(input: Input): void {
    const { swim } = this;
    if (swim === undefined) return;
    const { clock } = this.#world;
    clock.note(this.index, input.kind, "bytes" in input ? input.bytes : undefined);
    const actions = swim.step(input, this.localMs);
    if (this.slowMs > 0) this.#busyUntil = clock.now + this.slowMs;
    this.#world.onStep(this, input, actions);
    for (const action of actions) this.#perform(action);
    this.program?.stepped(actions);
  }

  #perform(action: Action): void {
    const { network } = this.#world;
    switch (action.kind) {
      case "datagram": {
        const why = network.send(this, action.to, action.bytes);
        if (why !== undefined) this.#later({ kind: "send-failed", to: action.to, why });
        return;
      }
      case "open":
        this.#open(action.connection, action.to);
        return;
      case "write": {
        const side = this.#connections.get(action.connection);
        if (side !== undefined) network.write(side.wire, side.side, action.bytes);
        return;
      }
      case "close": {
        const side = this.#connections.get(action.connection);
        this.#connections.delete(action.connection);
        if (side !== undefined) network.close(side.wire, side.side, action.how);
        return;
      }
      case "wake":
        this.#wake(action.at);
        return;
      case "persist":
        this.#persist(action.ticket);
        return;
      default:
        return;
    }
  }

  /** Outcomes reach the core as inputs of their own, after the step that caused them. */
  #later(input: Input): void {
    const boot = this.#boot;
    this.#world.clock.after(0, () => {
      if (this.runs(boot)) this.input(input);
    });
  }

  #open(connection: number, to: string): void {
    const address = splitHostPort(to);
    if (address === undefined) {
      this.#later({ kind: "ended", connection, why: "unresolved" });
      return;
    }
    const failure = this.#world.network.sendErrors.get(this.index);
    if (failure === "no-route") {
      this.#later({ kind: "ended", connection, why: "no-route" });
      return;
    }
    const end = this.#end(undefined, 0, connection);
    const wire = this.#world.network.connect(end, address);
    this.#connections.set(connection, { wire, side: 0 });
  }

  #end(wire: Wire | undefined, side: 0 | 1, connection: number): End {
    if (wire !== undefined) this.#connections.set(connection, { wire, side });
    return {
      host: this,
      boot: this.#boot,
      opened: () => this.input({ kind: "opened", connection }),
      data: (bytes) => this.input({ kind: "data", connection, bytes }),
      ended: (why) => {
        this.#connections.delete(connection);
        this.input({ kind: "ended", connection, why });
      },
    };
  }

  #wake(at: number | undefined): void {
    const generation = ++this.#wakeGeneration;
    if (at === undefined) return;
    const globalAt = at / (1 + this.driftPpm / 1e6) + 0.001;
    this.#world.clock.at(globalAt, () => {
      if (generation === this.#wakeGeneration) this.input({ kind: "wake" });
    });
  }

  #persist(ticket: number): void {
    const boot = this.#boot;
    const world = this.#world;
    if (!world.disks) {
      this.#later({ kind: "stored", ticket, ok: true });
      return;
    }
    const bytes = encodeImage((this.swim as Swim).image());
    const waiting = this.#durable.splice(0);
    this.#unsyncedImage = bytes;
    this.writes();
    world.clock.after(this.diskDelayMs, () => {
      if (!this.runs(boot)) return;
      if (this.#unsyncedImage === bytes) this.#unsyncedImage = undefined;
      const ok = !this.diskFails;
      if (ok) this.disk = bytes;
      else this.#durable.unshift(...waiting);
      this.input({ kind: "stored", ticket, ok });
      if (ok) for (const run of waiting) this.run(run);
    });
  }

  #profile(boot: bigint, joined: number): Profile {
    const { host } = this.address;
    return {
      id: this.id,
      boot,
      gossip: this.address,
      gossipText: formatHostPort(this.address),
      rpc: `${host}:9091`,
      api: `${host}:9092`,
      roles: ["worker"],
      protocolMin: 1,
      protocolMax: 1,
      redundancy: this.redundancy,
      joined,
      tcpOnly: false,
      leaving: false,
      reclaimed: false,
    };
  }
}
