/**
 * Members connected without sockets: an `Rpc` per member whose calls are encoded, checked and decoded as on the wire.
 */

import { CALLS } from "#cluster/calls/registry.ts";
import type { ClusterView, MemberId, MemberStatus, Rpc } from "#cluster/ports.ts";
import { decodePayload, encodePayload } from "#cluster/rpc/codec.ts";
import type { Call } from "#cluster/rpc/define-call.ts";
import { RpcError } from "#cluster/rpc/rpc-error.ts";
import { memberIdFromBytes } from "#cluster/transport/hello.ts";
import { errorMessage } from "#lib/errors.ts";

type Answerer = (from: MemberId, payload: unknown) => unknown | Promise<unknown>;
type LinkListener = (member: MemberId, state: "up" | "lost" | "refused") => void;

export function memberId(n: number): MemberId {
  const bytes = new Uint8Array(16);
  bytes[15] = n;
  return memberIdFromBytes(bytes);
}

const recode = (payload: unknown, exact: boolean): unknown =>
  decodePayload(new TextEncoder().encode(encodePayload(payload)), exact);

/** A payload of the wrong shape is refused for good, as by a real connection. */
function parsed(call: Call, payload: unknown): unknown {
  try {
    return call.parseRequest(payload);
  } catch (error) {
    throw new RpcError("answered", errorMessage(error));
  }
}

/** One member's end; also its membership. */
export class FakeMember implements Rpc {
  readonly id: MemberId;
  readonly answerers = new Map<string, Answerer>();
  readonly listeners: LinkListener[] = [];
  readonly changes: ((view: ClusterView) => void)[] = [];
  readonly #network: FakeNetwork;
  #view: ClusterView;
  reachable = true;
  calls = 0;

  constructor(network: FakeNetwork, n: number) {
    this.#network = network;
    this.id = memberId(n);
    this.#view = { clusterId: `own-${n}`, localId: this.id, initialized: false, members: [] };
    this.join(this.#view.clusterId, [n]);
  }

  view(): ClusterView {
    return this.#view;
  }

  onChange(listener: (view: ClusterView) => void): void {
    this.changes.push(listener);
  }

  /** Gives this member a new view. */
  join(
    clusterId: string,
    members: readonly number[],
    statuses: Readonly<Record<number, MemberStatus>> = {},
    redundancy = 0,
  ): void {
    this.#view = {
      clusterId,
      localId: this.id,
      initialized: members.length > 1,
      members: members.map((n) => ({
        id: memberId(n),
        gossipAddress: "",
        rpcAddress: "",
        apiAddress: `host${n}:9092`,
        roles: [],
        status: statuses[n] ?? "alive",
        joined: n,
        redundancy,
        crashEvidence: false,
      })),
    };
    for (const listener of this.changes) listener(this.#view);
  }

  async call(to: MemberId, type: string, payload: unknown): Promise<unknown> {
    this.calls++;
    const call = CALLS.find(({ name }) => name === type);
    if (call === undefined) throw new RpcError("answered", `call ${type} is not registered`);
    const sent = recode(payload, call.exact);
    await Promise.resolve();
    const target = this.#network.get(to);
    if (!this.reachable || target?.reachable !== true) throw new RpcError("refused", "refused");
    const answerer = target.answerers.get(type);
    if (answerer === undefined) throw new RpcError("busy", `${type} is not served here`);
    const answer = await answerer(this.id, parsed(call, sent));
    if (!this.reachable || !target.reachable) throw new RpcError("lost", "lost");
    return call.parseAnswer(recode(answer, call.exact));
  }

  async callAddress(): Promise<unknown> {
    throw new RpcError("unreachable", "no addresses here");
  }

  notify(): boolean {
    return false;
  }

  handle(type: string, answer: Answerer): void {
    this.answerers.set(type, answer);
  }

  onLink(listener: LinkListener): void {
    this.listeners.push(listener);
  }

  tell(member: MemberId, state: "up" | "lost" | "refused"): void {
    for (const listener of this.listeners) listener(member, state);
  }
}

export class FakeNetwork {
  readonly #members = new Map<MemberId, FakeMember>();

  add(n: number): FakeMember {
    const member = new FakeMember(this, n);
    this.#members.set(member.id, member);
    return member;
  }

  get(id: MemberId): FakeMember | undefined {
    return this.#members.get(id);
  }

  /** Brings up the connection of two members. */
  link(a: FakeMember, b: FakeMember): void {
    a.tell(b.id, "up");
    b.tell(a.id, "up");
  }
}

/** Lets everything that only waits for promises happen. */
export async function promises(): Promise<void> {
  for (let i = 0; i < 200; i++) await Promise.resolve();
}
