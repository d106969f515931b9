/**
 * Members with real sockets on loopback, for tests of `RpcLinks`: ephemeral ports, a view given by hand.
 */

import type { ClusterView, MemberId, MemberView } from "#cluster/ports.ts";
import { type Call, defineCall, wireCount } from "#cluster/rpc/define-call.ts";
import { RpcLinks } from "#cluster/rpc/rpc-links.ts";
import type { RpcTls } from "#cluster/rpc/tls-sockets.ts";
import { memberIdFromBytes } from "#cluster/transport/hello.ts";
import { SystemRandom, systemClock } from "#daemon/system.ts";
import { type LogFields, logTo, silentLog } from "#lib/log.ts";

const any = (input: unknown): unknown => input;
const both = { parseRequest: any, parseAnswer: any };
const CALLS = [
  defineCall({ number: 1, name: "echo", ...both }),
  defineCall({ number: 2, name: "later", ...both }),
  defineCall({ number: 3, name: "note", ...both }),
  defineCall({ number: 4, name: "join", joining: true, ...both }),
  defineCall({
    number: 5,
    name: "number",
    parseRequest: (input) => wireCount(input, "number"),
    parseAnswer: any,
  }),
];

const open = new Set<Member>();
let boots = 1n;

export async function closeAll(): Promise<void> {
  await Promise.all([...open].map((member) => member.close()));
}

export function memberId(n: number): MemberId {
  const bytes = new Uint8Array(16);
  bytes[15] = n;
  return memberIdFromBytes(bytes);
}

interface MemberOptions {
  readonly port?: number;
  /** Calls it knows; default: a few for testing. */
  readonly calls?: readonly Call[];
  /** IDs that the second member knows to be removed. */
  readonly removed?: readonly MemberId[];
  /** `[cluster] encryption-keys` of the second member, and of both unless `firstKeys` is given. */
  readonly keys?: readonly Uint8Array[];
  readonly firstKeys?: readonly Uint8Array[];
  readonly acceptPlain?: boolean;
  /** TLS of the second member, and of both unless `firstTls` is given; `null` there means none. */
  readonly tls?: RpcTls;
  readonly firstTls?: RpcTls | null;
  /** Gets warnings of the log. */
  readonly onWarning?: (message: string, fields: LogFields) => void;
  /** False: the view is set, but nobody is told, so that nobody dials by itself. */
  readonly follow?: boolean;
}

export class Member {
  readonly links: RpcLinks;
  readonly states: string[] = [];
  readonly removedBy: MemberId[] = [];
  #view: ClusterView;
  #listeners: ((view: ClusterView) => void)[] = [];
  readonly number: number;
  readonly clusterId: string;

  private constructor(number: number, clusterId: string, options: MemberOptions) {
    this.number = number;
    this.clusterId = clusterId;
    const { onWarning, tls } = options;
    const log =
      onWarning === undefined
        ? silentLog
        : logTo(({ level, message, fields }) => {
            if (level === "warn") onWarning(message, fields);
          });
    this.links = new RpcLinks(systemClock, new SystemRandom(), log, {
      bind: { host: "127.0.0.1", port: options.port ?? 0 },
      boot: boots++,
      calls: options.calls ?? CALLS,
      isRemoved: (id) => options.removed?.includes(id) === true,
      onRemoved: (by) => this.removedBy.push(by),
      encryptionKeys: options.keys ?? [],
      acceptPlain: options.acceptPlain ?? false,
      ...(tls === undefined ? {} : { tls }),
    });
    this.#view = { clusterId, localId: this.id, initialized: true, members: [] };
    this.links.onLink((id, state) => this.states.push(`${id} ${state}`));
    this.links.open(this);
    open.add(this);
  }

  static async alone(n: number, clusterId: string, options: MemberOptions = {}): Promise<Member> {
    return new Member(n, clusterId, options);
  }

  /** Two members (IDs 1 and 2) that see each other. */
  static async pair(options: MemberOptions = {}): Promise<readonly [Member, Member]> {
    const { keys = [], acceptPlain = false, tls, onWarning } = options;
    const firstTls = options.firstTls === undefined ? tls : (options.firstTls ?? undefined);
    const a = await Member.alone(1, "cluster", {
      keys: options.firstKeys ?? keys,
      acceptPlain,
      ...(firstTls === undefined ? {} : { tls: firstTls }),
      ...(onWarning === undefined ? {} : { onWarning }),
    });
    const b = await Member.alone(2, "cluster", options);
    for (const member of [b, a]) {
      if (options.removed !== undefined && member === b) continue;
      member.see([a, b], options.follow !== false);
    }
    return [a, b];
  }

  get id(): MemberId {
    return memberId(this.number);
  }

  get address(): string {
    return `127.0.0.1:${this.links.port}`;
  }

  get asSeen(): MemberView {
    const address = this.address;
    return {
      id: this.id,
      gossipAddress: address,
      rpcAddress: address,
      apiAddress: address,
      roles: ["worker"],
      status: "alive",
      joined: this.number,
      redundancy: 0,
      crashEvidence: false,
    };
  }

  view(): ClusterView {
    return this.#view;
  }

  onChange(listener: (view: ClusterView) => void): void {
    this.#listeners.push(listener);
  }

  see(members: readonly Member[], tell = true): void {
    this.#view = { ...this.#view, members: members.map((member) => member.asSeen) };
    if (tell) for (const listener of this.#listeners) listener(this.#view);
  }

  up(id: MemberId): Promise<void> {
    return until(() => this.states.includes(`${id} up`));
  }

  count(counter: string): number {
    return this.links.counters()[counter] ?? 0;
  }

  async close(): Promise<void> {
    if (open.delete(this)) await this.links.close();
  }

  /** The same member on the same address, as a new process would be. */
  async restart(): Promise<Member> {
    const { port } = this.links;
    const view = this.#view;
    await this.close();
    const again = await Member.alone(this.number, this.clusterId, { port });
    again.#view = view;
    return again;
  }
}

/** Waits for an observable; the bound is generous because machines are shared. */
export async function until(holds: () => boolean, withinMs = 3000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`did not happen: ${holds.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/**
 * Writes bytes to an address and collects what comes back, until the peer closes or the text was seen.
 */
export async function raw(
  address: string,
  chunks: readonly Uint8Array[],
  stopAt?: string,
): Promise<string> {
  const [hostname = "", port = ""] = address.split(":");
  const done = Promise.withResolvers<void>();
  let seen = "";
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_socket, chunk) {
        seen += new TextDecoder().decode(chunk);
        if (stopAt !== undefined && seen.includes(stopAt)) done.resolve();
      },
      close: () => done.resolve(),
      error: () => done.resolve(),
    },
  });
  for (const chunk of chunks) socket.write(chunk);
  await done.promise;
  socket.end();
  return seen;
}
