/**
 * Bun's TLS sockets for calls between members: both sides show a certificate of one authority.
 *
 * The dialler also checks that the certificate is for the host it dialled, as the member advertises it. Nothing of a
 * peer is read before its certificate was found good; one that shows none, or a bad one, is counted and closed.
 * Source: reference cluster-behaviour.md U28.
 */

import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { ByteSink } from "./connection.ts";
import { ACCEPTED_MAX, CONNECT_TIMEOUT_MS, HELLO_TIMEOUT_MS } from "./limits.ts";
import { RpcError } from "./rpc-error.ts";
import {
  type ByteConnection,
  CLOSED_BY_PEER,
  type DialOne,
  dialEach,
  type RpcSockets,
  sinkOf,
} from "./sockets.ts";

/** PEM texts. */
export interface RpcTls {
  /** The authority that signed every member's certificate. */
  readonly ca: string;
  /** With its chain. */
  readonly cert: string;
  readonly key: string;
}

interface TlsSocket {
  readonly authorized: boolean;
  write(bytes: Uint8Array): number;
  end(): unknown;
  terminate(): unknown;
}

interface Accepted {
  connection?: ByteConnection;
  /** Of the handshake's bound. */
  cancel?: Cancel;
}

/** `count` gets the reasons for which peers are turned away. */
export function tlsSockets(
  clock: Clock,
  { ca, cert, key }: RpcTls,
  count: (counter: string) => void,
): RpcSockets {
  const tls = { ca, cert, key, rejectUnauthorized: true };
  return {
    listen(bind, accept) {
      const shaking = new Set<TlsSocket>();
      const settled = (socket: TlsSocket & { data: Accepted }): void => {
        shaking.delete(socket);
        socket.data.cancel?.();
      };
      const server = Bun.listen<Accepted>({
        hostname: bind.host === "" ? "0.0.0.0" : bind.host,
        port: bind.port,
        tls: { ...tls, requestCert: true },
        socket: {
          open(socket) {
            socket.data = {};
            if (shaking.size >= ACCEPTED_MAX) {
              count("rpc_connections_refused_full");
              socket.terminate();
              return;
            }
            shaking.add(socket);
            socket.data.cancel = clock.after(HELLO_TIMEOUT_MS, () => {
              count("rpc_tls_timeouts");
              socket.terminate();
            });
          },
          handshake(socket, ok) {
            settled(socket);
            if (ok && socket.authorized) socket.data.connection = accept(sinkOf(socket));
            else {
              count("rpc_tls_refused");
              socket.terminate();
            }
          },
          data: (socket, chunk) => socket.data.connection?.received(chunk),
          drain: (socket) => socket.data.connection?.drained(),
          close(socket) {
            settled(socket);
            socket.data.connection?.close(CLOSED_BY_PEER);
          },
          error: (socket, error) =>
            socket.data.connection?.close(`${CLOSED_BY_PEER}: ${errorMessage(error)}`),
        },
      });
      return { port: server.port, stop: () => server.stop(true) };
    },
    dial: (_clock, address, opened) => dialEach(address, opened, connectWith(clock, tls)),
  };
}

interface ClientTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly rejectUnauthorized: boolean;
}

interface Dialled {
  connection?: ByteConnection;
}

function connectWith(clock: Clock, tls: ClientTls): DialOne {
  return <C extends ByteConnection>(
    to: { readonly host: string; readonly port: number; readonly name: string },
    opened: (sink: ByteSink) => C,
  ): Promise<C> => {
    const { promise, resolve, reject } = Promise.withResolvers<C>();
    let done = false;
    const settle = (): boolean => {
      const first = !done;
      done = true;
      cancelTimer();
      return first;
    };
    const failed = (error: unknown): void => {
      if (settle()) reject(error);
    };
    const cancelTimer = clock.after(CONNECT_TIMEOUT_MS, () =>
      failed(new RpcError("unreachable", "connect timed out")),
    );
    Bun.connect<Dialled>({
      hostname: to.host,
      port: to.port,
      data: {},
      tls: { ...tls, serverName: to.name },
      socket: {
        handshake(socket, ok, error) {
          const good = ok && socket.authorized;
          if (!good) failed(new RpcError("unreachable", `TLS: ${reasonOf(error)}`));
          if (!good || !settle()) {
            socket.terminate();
            return;
          }
          const connection = opened(sinkOf(socket));
          socket.data.connection = connection;
          resolve(connection);
        },
        data: (socket, chunk) => socket.data.connection?.received(chunk),
        drain: (socket) => socket.data.connection?.drained(),
        close(socket) {
          failed(new RpcError("unreachable", "TLS: closed during the handshake"));
          socket.data.connection?.close(CLOSED_BY_PEER);
        },
        error(socket, error) {
          failed(new RpcError("unreachable", `TLS: ${reasonOf(error)}`));
          socket.data.connection?.close(`${CLOSED_BY_PEER}: ${errorMessage(error)}`);
        },
        connectError: (_socket, error) => failed(error),
      },
    }).catch(failed);
    return promise;
  };
}

function reasonOf(error: Error | null | undefined): string {
  return error === null || error === undefined ? "the handshake failed" : errorMessage(error);
}
