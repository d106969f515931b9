/**
 * The RPC port of a member on the virtual network: `RpcSockets` over `Network`'s connections.
 *
 * It is a second host at the member's address, so that every cut, loss and delay of the member applies to it. Bytes are
 * taken whole; what the network does with them comes later.
 */

import { splitHostPort } from "#cluster/messages/ip.ts";
import type { Address } from "#cluster/ports.ts";
import type { ByteSink } from "#cluster/rpc/connection.ts";
import { CONNECT_TIMEOUT_MS } from "#cluster/rpc/limits.ts";
import { RpcError } from "#cluster/rpc/rpc-error.ts";
import type { ByteConnection, Listening, RpcSockets } from "#cluster/rpc/sockets.ts";
import type { EndReason } from "#cluster/swim/io.ts";
import type { Clock } from "#lib/clock.ts";
import type { End, Host, Wire } from "./network.ts";
import type { SimMember, World } from "./sim-member.ts";

export const RPC_PORT = 9091;

interface Side {
  readonly wire: Wire;
  readonly side: 0 | 1;
}

export class RpcWires implements Host, RpcSockets {
  readonly address: Address;
  readonly #world: World;
  readonly #member: SimMember;
  readonly #boot: number;
  readonly #open = new Map<object, Side>();
  #accept: ((sink: ByteSink) => ByteConnection) | undefined;
  #dead = false;

  constructor(world: World, member: SimMember, boot: number) {
    this.#world = world;
    this.#member = member;
    this.#boot = boot;
    this.address = { host: member.address.host, port: RPC_PORT };
    world.network.bind(this);
  }

  get index(): number {
    return this.#member.index;
  }

  get state(): Host["state"] {
    if (!this.#dead) return "up";
    return this.#member.state === "silent" ? "silent" : "stopped";
  }

  runs(boot: number): boolean {
    return !this.#dead && this.#member.runs(boot);
  }

  datagram(): void {}

  /** The process died: its kernel resets, a silent host says nothing. */
  kill(): void {
    this.#dead = true;
    for (const { wire, side } of this.#open.values()) {
      this.#world.network.abandon(wire, side, this);
    }
    this.#open.clear();
  }

  listen(
    _bind: { readonly host: string; readonly port: number },
    accept: (sink: ByteSink) => ByteConnection,
  ): Listening {
    this.#accept = accept;
    return {
      port: RPC_PORT,
      stop: () => {
        this.#accept = undefined;
      },
    };
  }

  accepted(wire: Wire): void {
    const accept = this.#accept;
    if (accept === undefined) return;
    const key = {};
    let connection: ByteConnection | undefined;
    this.#open.set(key, { wire, side: 1 });
    wire.ends[1] = this.#end(key, () => connection);
    this.#member.run(() => {
      connection = accept(this.#sink(key));
    });
  }

  dial<C extends ByteConnection>(
    clock: Clock,
    address: string,
    opened: (sink: ByteSink) => C,
  ): Promise<C> {
    const { promise, resolve, reject } = Promise.withResolvers<C>();
    const to = splitHostPort(address);
    if (to === undefined) return Promise.reject(new RpcError("unreachable", address));
    if (this.#world.network.sendErrors.get(this.index) === "no-route") {
      return Promise.reject(new RpcError("unreachable", "no route"));
    }
    const key = {};
    let connection: C | undefined;
    let given = false;
    const cancel = clock.after(CONNECT_TIMEOUT_MS, () => {
      given = true;
      this.#close(key, "reset");
      reject(new RpcError("unreachable", `${address}: connect timed out`));
    });
    const end = this.#end(key, () => connection, {
      opened: () => {
        cancel();
        if (given) return;
        connection = opened(this.#sink(key));
        resolve(connection);
      },
      failed: (why) => {
        cancel();
        const reason = why === "refused" ? "refused" : "unreachable";
        reject(new RpcError(reason, `${address}: ${why}`));
      },
    });
    const wire = this.#world.network.connect(end, to);
    this.#open.set(key, { wire, side: 0 });
    return promise;
  }

  #end(
    key: object,
    connection: () => ByteConnection | undefined,
    dialled?: { opened(): void; failed(why: EndReason): void },
  ): End {
    return {
      host: this,
      boot: this.#boot,
      opened: () => this.#member.run(() => dialled?.opened()),
      data: (bytes) => this.#member.run(() => connection()?.received(bytes)),
      ended: (why) => {
        this.#open.delete(key);
        this.#member.run(() => {
          const known = connection();
          if (known !== undefined) known.close(why === "reset" ? "reset" : "closed by the peer");
          else dialled?.failed(why);
        });
      },
    };
  }

  #sink(key: object): ByteSink {
    return {
      write: (bytes) => {
        const open = this.#open.get(key);
        if (open === undefined) return -1;
        this.#world.network.write(open.wire, open.side, bytes);
        return bytes.length;
      },
      end: () => this.#close(key, "finish"),
      abort: () => this.#close(key, "reset"),
    };
  }

  #close(key: object, how: "finish" | "reset"): void {
    const open = this.#open.get(key);
    if (open === undefined) return;
    this.#open.delete(key);
    this.#world.network.close(open.wire, open.side, how);
  }
}
