/**
 * The gossip datagram socket on Bun.
 *
 * Two facts of the runtime shape it (gossip.md §12, each with a test): a datagram to a closed port makes the
 * *next* send, to whomever, fail with ECONNREFUSED without sending; and the `error` callback must exist and names no
 * peer. So a refused send is repeated at once, and the callback is only counted.
 */

import type { Address } from "../ports.ts";
import type { SendFailure } from "../swim/io.ts";

/** How often a send is repeated because an earlier datagram was refused. */
const REFUSED_REPEATS = 4;

export interface UdpOptions {
  /** Literal address and port; port 0 picks one. */
  readonly bind: Address;
  readonly onDatagram: (from: Address, bytes: Uint8Array) => void;
  readonly count: (reason: string) => void;
}

export interface UdpSocket {
  readonly port: number;
  /** Undefined when the kernel took it. */
  send(to: Address, bytes: Uint8Array): SendFailure | undefined;
  close(): void;
}

/** Rejects when the address cannot be bound. */
export async function openUdp(options: UdpOptions): Promise<UdpSocket> {
  const socket = await Bun.udpSocket({
    hostname: options.bind.host,
    port: options.bind.port,
    socket: {
      data: (_socket, bytes, port, host) => options.onDatagram({ host, port }, bytes),
      error: () => options.count("udp-socket-errors"),
    },
  });
  return {
    port: socket.port,
    close: () => socket.close(),
    send(to, bytes) {
      for (let attempt = 0; ; attempt++) {
        try {
          return socket.send(bytes, to.port, to.host) ? undefined : "full";
        } catch (error) {
          const failure = failureOf(error);
          if (failure !== "refused" || attempt >= REFUSED_REPEATS) return failure;
          options.count("udp-sends-repeated");
        }
      }
    },
  };
}

function failureOf(error: unknown): SendFailure {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ECONNREFUSED":
      return "refused";
    case "EPERM":
    case "EACCES":
      return "not-permitted";
    case "EMSGSIZE":
      return "too-large";
    case "ENOBUFS":
    case "EAGAIN":
      return "full";
    default:
      return "no-route";
  }
}
