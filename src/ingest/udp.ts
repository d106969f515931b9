/**
 * Line protocol in datagrams: one listener hands each datagram on as a body of its own.
 *
 * Datagrams wait in a bounded queue while one is with the engine. When the queue is full the newest is
 * dropped and counted (`dropped`), since UDP has no way to slow its sender down. A datagram with a bad line
 * is refused whole and counted, as everywhere. Times are in nanoseconds.
 */

import { createSocket, type Socket } from "node:dgram";
import { isIP } from "node:net";
import type { WriteChunk, WriteOutcome } from "#engine/ports.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import { DATAGRAM_BYTES_MAX, DATAGRAMS_WAITING } from "./limits.ts";

export interface UdpListenerOptions {
  /** `host:port`, `:port` or `host`; port 0 or none: any free one. */
  readonly bind: string;
  readonly db: string;
  readonly rp: string;
  /** Datagrams that may wait; 0 = `DATAGRAMS_WAITING`. */
  readonly buffer: number;
  /** SO_RCVBUF in bytes; 0 = the system's. */
  readonly readBuffer: number;
  readonly write: (chunk: WriteChunk) => Promise<WriteOutcome>;
  readonly log: Log;
}

/** With the original's names; `dropped` (queue full) is ours. */
export interface UdpCounters {
  points_rx: number;
  bytes_rx: number;
  points_parse_fail: number;
  read_fail: number;
  points_tx: number;
  tx_fail: number;
  dropped: number;
}

export class UdpListener {
  readonly counters: UdpCounters = {
    points_rx: 0,
    bytes_rx: 0,
    points_parse_fail: 0,
    read_fail: 0,
    points_tx: 0,
    tx_fail: 0,
    dropped: 0,
  };
  readonly #options: UdpListenerOptions;
  readonly #bufferMax: number;
  #socket: Socket | undefined;
  #waiting: Uint8Array[] = [];
  #head = 0;
  #writing: Promise<void> | undefined;

  constructor(options: UdpListenerOptions) {
    this.#options = options;
    this.#bufferMax = options.buffer > 0 ? options.buffer : DATAGRAMS_WAITING;
  }

  /** Starts listening and returns the bound port; throws when the address cannot be bound. */
  async open(): Promise<number> {
    const { bind } = this.#options;
    const socket = await bindSocket(splitBind(bind)).catch((error: unknown) => {
      throw new Error(`listen udp ${bind}: ${errorMessage(error)}`, { cause: error });
    });
    this.#socket = socket;
    socket.on("error", () => {
      this.counters.read_fail += 1;
    });
    socket.on("message", (message) => this.#receive(message));
    this.#setReadBuffer(socket);
    return socket.address().port;
  }

  #setReadBuffer(socket: Socket): void {
    const { readBuffer, log } = this.#options;
    if (readBuffer <= 0) return;
    try {
      socket.setRecvBufferSize(readBuffer);
    } catch (error) {
      log.warn("failed to set udp read buffer", { bytes: readBuffer, err: errorMessage(error) });
    }
  }

  /** Stops listening; resolves when the datagrams that waited are with the engine. */
  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) await new Promise<void>((done) => socket.close(() => done()));
    await this.#writing;
  }

  #receive(message: Uint8Array): void {
    this.counters.bytes_rx += message.length;
    if (
      message.length > DATAGRAM_BYTES_MAX ||
      this.#waiting.length - this.#head >= this.#bufferMax
    ) {
      this.counters.dropped += 1;
      return;
    }
    this.#waiting.push(message);
    this.#writing ??= this.#drain();
  }

  async #drain(): Promise<void> {
    while (this.#head < this.#waiting.length) {
      const body = this.#waiting[this.#head] as Uint8Array;
      this.#head += 1;
      if (this.#head > 64 && this.#head * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#head);
        this.#head = 0;
      }
      await this.#write(body);
    }
    this.#waiting = [];
    this.#head = 0;
    this.#writing = undefined;
  }

  async #write(body: Uint8Array): Promise<void> {
    const { db, rp, write, log } = this.#options;
    const outcome = await write({ db, rp, precision: "ns", body }).catch((error) => {
      log.error("failed to write points from udp", { err: errorMessage(error) });
      return undefined;
    });
    switch (outcome?.kind) {
      case "written":
        this.counters.points_rx += outcome.points;
        this.counters.points_tx += outcome.points;
        break;
      case "malformed":
        this.counters.points_parse_fail += outcome.errors.length;
        break;
      case "overloaded":
      case undefined:
        this.counters.tx_fail += 1;
        break;
      default:
        outcome satisfies never;
    }
  }
}

interface BindAddress {
  /** Empty: every address of this machine. */
  readonly host: string;
  readonly port: number;
}

async function bindSocket({ host, port }: BindAddress): Promise<Socket> {
  const type = isIP(host) === 6 || host === "" ? "udp6" : "udp4";
  try {
    return await bound(createSocket(type), { host, port });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // A machine without IPv6: all its addresses are IPv4 ones.
    if (host !== "" || code !== "EAFNOSUPPORT") throw error;
    return await bound(createSocket("udp4"), { host, port });
  }
}

async function bound(socket: Socket, { host, port }: BindAddress): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("error", reject);
  socket.bind({ port, ...(host === "" ? {} : { address: host }) }, resolve);
  try {
    await promise;
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.off("error", reject);
  return socket;
}

/** `host:port` in its parts, an empty port is 0; brackets around IPv6 hosts are taken off. */
export function splitBind(bind: string): BindAddress {
  const match = /^(.*?)(?::(\d*))?$/.exec(bind);
  const host = match?.[1] ?? "";
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(match?.[2] ?? 0) };
}
