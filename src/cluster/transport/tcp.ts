/**
 * Gossip connections on Bun's sockets: accepts, dials, and turns what happens into inputs for the core.
 *
 * The runtime keeps nothing of a write that the kernel did not take, so unsent bytes wait here until
 * `drain`, up to a bound. Names are resolved at every dial and all answers are tried; a dial counts as
 * refused only when every address refused.
 */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { splitHostPort } from "../messages/ip.ts";
import type { Address } from "../ports.ts";
import type { EndReason, Input } from "../swim/io.ts";

/** Bytes waiting for a slow peer before its connection is reset: two of the largest tables. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

interface RawSocket {
  readonly remoteAddress: string;
  readonly remotePort: number;
  write(bytes: Uint8Array): number;
  end(): unknown;
  terminate(): unknown;
}

interface State {
  readonly connection: number;
}

interface Connection {
  socket: RawSocket | undefined;
  waiting: Uint8Array[];
  waitingBytes: number;
  finishing: boolean;
}

export interface TcpOptions {
  /** Literal address and port; the port of the datagram socket. */
  readonly bind: Address;
  readonly input: (input: Input) => void;
  readonly count: (reason: string) => void;
}

export class TcpHost {
  readonly #options: TcpOptions;
  readonly #connections = new Map<number, Connection>();
  #server: { stop(force: boolean): void } | undefined;
  #accepted = 0;
  #closed = false;

  constructor(options: TcpOptions) {
    this.#options = options;
  }

  /** Throws when the address cannot be bound. */
  listen(): void {
    this.#server = Bun.listen<State>({
      hostname: this.#options.bind.host,
      port: this.#options.bind.port,
      socket: {
        open: (socket) => {
          const connection = --this.#accepted;
          socket.data = { connection };
          this.#connections.set(connection, connectionOf(socket));
          const from = { host: socket.remoteAddress, port: socket.remotePort };
          this.#options.input({ kind: "accepted", connection, from });
        },
        data: (socket, bytes) => this.#data(socket.data.connection, bytes),
        drain: (socket) => this.#drain(socket.data.connection),
        close: (socket) => this.#ended(socket.data.connection, "closed"),
        error: (socket) => this.#ended(socket.data.connection, "reset"),
      },
    });
  }

  open(connection: number, to: string): void {
    this.#connections.set(connection, {
      socket: undefined,
      waiting: [],
      waitingBytes: 0,
      finishing: false,
    });
    this.#dial(connection, to).catch(() => this.#ended(connection, "no-route"));
  }

  write(connection: number, bytes: Uint8Array): void {
    const state = this.#connections.get(connection);
    if (state === undefined || state.finishing) return;
    state.waiting.push(bytes);
    state.waitingBytes += bytes.length;
    if (state.waitingBytes > WAITING_BYTES_MAX) {
      this.#options.count("tcp-peer-too-slow");
      this.close(connection, "reset");
      this.#options.input({ kind: "ended", connection, why: "reset" });
      return;
    }
    if (state.waiting.length === 1) this.#drain(connection);
  }

  close(connection: number, how: "finish" | "reset"): void {
    const state = this.#connections.get(connection);
    if (state === undefined) return;
    if (how === "finish" && state.waiting.length > 0) {
      state.finishing = true;
      return;
    }
    this.#connections.delete(connection);
    if (how === "finish") state.socket?.end();
    else state.socket?.terminate();
  }

  /** Closes everything at once. */
  stop(): void {
    this.#closed = true;
    this.#server?.stop(true);
    for (const state of this.#connections.values()) state.socket?.terminate();
    this.#connections.clear();
  }

  #data(connection: number, bytes: Uint8Array): void {
    if (this.#connections.has(connection)) {
      this.#options.input({ kind: "data", connection, bytes });
    }
  }

  #drain(connection: number): void {
    const state = this.#connections.get(connection);
    if (state?.socket === undefined) return;
    for (let head = state.waiting[0]; head !== undefined; head = state.waiting[0]) {
      const taken = state.socket.write(head);
      if (taken < 0) return;
      state.waitingBytes -= taken;
      if (taken < head.length) {
        state.waiting[0] = head.subarray(taken);
        return;
      }
      state.waiting.shift();
    }
    if (!state.finishing) return;
    this.#connections.delete(connection);
    state.socket.end();
  }

  #ended(connection: number, why: EndReason): void {
    const state = this.#connections.get(connection);
    if (state === undefined) return;
    this.#connections.delete(connection);
    if (!state.finishing && !this.#closed) {
      this.#options.input({ kind: "ended", connection, why });
    }
  }

  async #dial(connection: number, to: string): Promise<void> {
    const candidates = await resolveAll(to);
    if (candidates.length === 0) {
      this.#ended(connection, "unresolved");
      return;
    }
    let refused = 0;
    for (const address of candidates) {
      if (!this.#connections.has(connection) || this.#closed) return;
      const outcome = await this.#connect(connection, address);
      if (outcome === "opened") return;
      if (outcome === "refused") refused++;
    }
    this.#ended(connection, refused === candidates.length ? "refused" : "no-route");
  }

  async #connect(connection: number, to: Address): Promise<"opened" | "refused" | "failed"> {
    try {
      await Bun.connect<State>({
        hostname: to.host,
        port: to.port,
        data: { connection },
        socket: {
          open: (socket) => this.#opened(connection, socket),
          data: (_socket, bytes) => this.#data(connection, bytes),
          drain: () => this.#drain(connection),
          close: () => this.#ended(connection, "closed"),
          error: () => this.#ended(connection, "reset"),
          // The promise rejects with the same error.
          connectError: () => {},
        },
      });
      return "opened";
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      return code === "ECONNREFUSED" ? "refused" : "failed";
    }
  }

  #opened(connection: number, socket: RawSocket): void {
    const state = this.#connections.get(connection);
    if (state === undefined || this.#closed) {
      socket.terminate();
      return;
    }
    state.socket = socket;
    this.#options.input({ kind: "opened", connection });
    this.#drain(connection);
  }
}

function connectionOf(socket: RawSocket): Connection {
  return { socket, waiting: [], waitingBytes: 0, finishing: false };
}

/** All literal addresses behind `host:port`; none when it does not resolve. */
export async function resolveAll(text: string): Promise<readonly Address[]> {
  const address = splitHostPort(text);
  if (address === undefined) return [];
  if (isIP(address.host) !== 0) return [address];
  try {
    const found = await lookup(address.host, { all: true });
    return found.map((answer) => ({ host: answer.address, port: address.port }));
  } catch {
    return [];
  }
}
