/**
 * Bun's TCP sockets behind two functions: the only file of `cluster/rpc` that touches them.
 *
 * `write` returns what the kernel took and keeps nothing; a refused connect is told apart from every other failure,
 * because refusal is evidence that the process is gone. There is no connect timeout in the runtime; it is raced.
 */

import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { ByteSink } from "./connection.ts";
import { CONNECT_TIMEOUT_MS } from "./limits.ts";
import { parseHostPort, resolveAddress } from "./resolve.ts";
import { RpcError } from "./rpc-error.ts";

/** What a socket tells its connection. */
export interface ByteConnection {
  received(chunk: Uint8Array): void;
  drained(): void;
  close(why: string): void;
}

export interface Listening {
  readonly port: number;
  stop(): void;
}

/** What links need of a network; the simulator gives a virtual one. */
export interface RpcSockets {
  listen(
    bind: { readonly host: string; readonly port: number },
    accept: (sink: ByteSink) => ByteConnection,
  ): Listening;
  /** Rejects with `RpcError`: `refused` only when the host answered that nobody listens. */
  dial<C extends ByteConnection>(
    clock: Clock,
    address: string,
    opened: (sink: ByteSink) => C,
  ): Promise<C>;
}

/** Why a connection ended that the other side closed; a reset adds the system's words. */
export const CLOSED_BY_PEER = "closed by the peer";

interface Bound {
  connection?: ByteConnection;
}

interface RawSocket {
  write(bytes: Uint8Array): number;
  end(): unknown;
  terminate(): unknown;
}

export const sinkOf = (socket: RawSocket): ByteSink => ({
  write: (bytes) => socket.write(bytes),
  end: () => void socket.end(),
  abort: () => void socket.terminate(),
});

/** Accepts until stopped. Throws when the address cannot be bound. */
export function listen(
  bind: { readonly host: string; readonly port: number },
  accept: (sink: ByteSink) => ByteConnection,
): Listening {
  const server = Bun.listen<Bound>({
    hostname: bind.host === "" ? "0.0.0.0" : bind.host,
    port: bind.port,
    socket: {
      open(socket) {
        socket.data = {};
        socket.data.connection = accept(sinkOf(socket));
      },
      data: (socket, chunk) => socket.data.connection?.received(chunk),
      drain: (socket) => socket.data.connection?.drained(),
      close: (socket) => socket.data.connection?.close(CLOSED_BY_PEER),
      error: (socket, error) =>
        socket.data.connection?.close(`${CLOSED_BY_PEER}: ${errorMessage(error)}`),
    },
  });
  return { port: server.port, stop: () => server.stop(true) };
}

/** Connects to one literal address; `name` is the host as it was asked for. */
export type DialOne = <C extends ByteConnection>(
  to: { readonly host: string; readonly port: number; readonly name: string },
  opened: (sink: ByteSink) => C,
) => Promise<C>;

/**
 * Connects to one of the addresses behind `address`, tried in order. Rejects with `RpcError`: `refused` only when
 * every address refused.
 */
export async function dialEach<C extends ByteConnection>(
  address: string,
  opened: (sink: ByteSink) => C,
  dialOne: DialOne,
): Promise<C> {
  const candidates = await resolveAddress(address).catch((error) => {
    throw new RpcError("unreachable", errorMessage(error));
  });
  const { host: name } = parseHostPort(address);
  let failure = new RpcError("unreachable", `${address} has no address`);
  let allRefused = true;
  for (const { host, port } of candidates) {
    try {
      return await dialOne({ host, port, name }, opened);
    } catch (error) {
      failure = asDialError(address, error);
      if (failure.reason !== "refused") allRefused = false;
    }
  }
  throw failure.reason === "refused" && !allRefused
    ? new RpcError("unreachable", failure.message)
    : failure;
}

/** The same, plainly. */
export function dial<C extends ByteConnection>(
  clock: Clock,
  address: string,
  opened: (sink: ByteSink) => C,
): Promise<C> {
  return dialEach(address, opened, (to, made) => dialOne(clock, to.host, to.port, made));
}

async function dialOne<C extends ByteConnection>(
  clock: Clock,
  hostname: string,
  port: number,
  opened: (sink: ByteSink) => C,
): Promise<C> {
  const { promise, resolve, reject } = Promise.withResolvers<C>();
  let done = false;
  const cancelTimer = clock.after(CONNECT_TIMEOUT_MS, () => {
    done = true;
    reject(new RpcError("unreachable", "connect timed out"));
  });
  const failed = (error: unknown): void => {
    done = true;
    cancelTimer();
    reject(error);
  };
  Bun.connect<Bound>({
    hostname,
    port,
    data: {},
    socket: {
      open(socket) {
        cancelTimer();
        if (done) return void socket.end();
        done = true;
        const connection = opened(sinkOf(socket));
        socket.data.connection = connection;
        resolve(connection);
      },
      data: (socket, chunk) => socket.data.connection?.received(chunk),
      drain: (socket) => socket.data.connection?.drained(),
      close: (socket) => socket.data.connection?.close(CLOSED_BY_PEER),
      error: (socket, error) =>
        socket.data.connection?.close(`${CLOSED_BY_PEER}: ${errorMessage(error)}`),
      connectError: (_socket, error) => failed(error),
    },
  }).catch(failed);
  return promise;
}

function asDialError(address: string, error: unknown): RpcError {
  if (error instanceof RpcError) return new RpcError(error.reason, `${address}: ${error.message}`);
  const code =
    typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  return code === "ECONNREFUSED"
    ? new RpcError("refused", `${address}: connection refused`)
    : new RpcError("unreachable", `${address}: ${errorMessage(error)}`);
}

export const systemSockets: RpcSockets = { listen, dial };
