/** Real members on loopback for live tests: real sockets, clock and files in memory; RPC calls go hand to hand. */

import { Cluster, type ClusterOptions } from "#cluster/cluster.ts";
import type { MemberId, Rpc } from "#cluster/ports.ts";
import { WireError } from "#cluster/ports.ts";
import type { ClusterStore } from "#cluster/runner.ts";
import { SystemRandom, systemClock } from "#daemon/system.ts";
import { logTo, silentLog } from "#lib/log.ts";

type Answerer = (from: MemberId, payload: unknown) => unknown | Promise<unknown>;

/** RPC between members of one process; payloads go through JSON as on the wire. */
export class FakeRpcNet {
  /** Calls whose answer is lost with the connection once the request was carried out. */
  readonly answersLost = new Set<string>();
  readonly byAddress = new Map<string, FakeRpc>();
}

export class FakeRpc implements Rpc {
  readonly #net: FakeRpcNet;
  readonly #id: MemberId;
  readonly #answerers = new Map<string, Answerer>();
  up = true;

  constructor(net: FakeRpcNet, address: string, id: MemberId) {
    this.#net = net;
    this.#id = id;
    net.byAddress.set(address, this);
  }

  async call(to: MemberId, type: string, payload: unknown): Promise<unknown> {
    const peer = [...this.#net.byAddress.values()].find((rpc) => rpc.#id === to && rpc.up);
    return this.#ask(peer, type, payload);
  }

  async callAddress(address: string, type: string, payload: unknown): Promise<unknown> {
    return this.#ask(this.#net.byAddress.get(address), type, payload);
  }

  notify(): boolean {
    return false;
  }

  handle(type: string, answer: Answerer): void {
    this.#answerers.set(type, answer);
  }

  onLink(): void {}

  async #ask(peer: FakeRpc | undefined, type: string, payload: unknown): Promise<unknown> {
    const answer = peer?.up ? peer.#answerers.get(type) : undefined;
    if (answer === undefined) throw new WireError("connection refused");
    const result = await answer(this.#id, JSON.parse(JSON.stringify(payload)));
    if (this.#net.answersLost.has(type)) {
      await new Promise<void>((resolve) => systemClock.after(200, resolve));
      throw new WireError("connection lost");
    }
    return JSON.parse(JSON.stringify(result));
  }
}

export class MemoryStore implements ClusterStore {
  readonly files = new Map<string, Uint8Array>();

  async load(file: string): Promise<Uint8Array | undefined> {
    return this.files.get(file);
  }

  async replace(file: string, bytes: Uint8Array): Promise<void> {
    this.files.set(file, bytes);
  }
}

/** A member that can be killed and started again with its disk. */
export class LiveMember {
  readonly id: MemberId;
  readonly rpcAddress: string;
  readonly store = new MemoryStore();
  readonly net: FakeRpcNet;
  readonly #options: Partial<ClusterOptions>;
  readonly host: string;
  clusterId: string;
  handedOver: string[] = [];
  running: Cluster | undefined;
  #rpc: FakeRpc | undefined;

  constructor(net: FakeRpcNet, index: number, options: Partial<ClusterOptions> = {}) {
    this.net = net;
    this.#options = options;
    this.id = crypto.randomUUID() as MemberId;
    this.clusterId = crypto.randomUUID();
    this.host = `127.0.0.${index + 1}`;
    this.rpcAddress = `${this.host}:9091`;
  }

  get cluster(): Cluster {
    if (this.running === undefined) throw new Error("member is not running");
    return this.running;
  }

  async start(): Promise<Cluster> {
    const rpc = new FakeRpc(this.net, this.rpcAddress, this.id);
    const cluster = await Cluster.load({
      identity: { clusterId: this.clusterId, serverId: this.id },
      options: {
        gossipBind: { host: this.host, port: 0 },
        gossipAdvertise: `${this.host}:0`,
        rpcAdvertise: this.rpcAddress,
        apiAdvertise: `${this.host}:9092`,
        roles: ["worker"],
        protocol: {},
        encryptionKeys: [],
        acceptPlain: false,
        redundancy: 0,
        ...this.#options,
      },
      store: this.store,
      clock: systemClock,
      random: new SystemRandom(),
      log: process.env["SIM_LOG"]
        ? logTo((entry) => console.log(this.host, entry.message, JSON.stringify(entry.fields)))
        : silentLog,
      onClusterId: (id) => {
        this.clusterId = id;
      },
      handOver: async (why) => {
        this.handedOver.push(why);
      },
    });
    await cluster.open(rpc);
    this.#rpc = rpc;
    this.running = cluster;
    return cluster;
  }

  async kill(): Promise<void> {
    if (this.#rpc !== undefined) this.#rpc.up = false;
    await this.running?.kill();
    this.running = undefined;
  }

  async close(): Promise<void> {
    await this.running?.close();
    if (this.#rpc !== undefined) this.#rpc.up = false;
    this.running = undefined;
  }

  /** Status of another member in this one's view, if it is there. */
  sees(other: LiveMember): string | undefined {
    return this.cluster.view().members.find(({ id }) => id === other.id)?.status;
  }
}

/** Resolves when the predicate holds after a change of the view; throws after `waitMs`. */
export async function eventually(
  members: readonly LiveMember[],
  holds: () => boolean,
  waitMs: number,
  what: string,
): Promise<void> {
  if (holds()) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const cancel = systemClock.after(waitMs, () =>
    holds() ? resolve() : reject(new Error(`not within ${waitMs} ms: ${what}`)),
  );
  for (const member of members) {
    member.running?.onChange(() => {
      if (holds()) resolve();
    });
  }
  await promise.finally(cancel);
}
