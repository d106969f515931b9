/**
 * The client side of a bench: prepared HTTP requests over keep-alive connections, as fast as they are answered or at a
 * fixed rate.
 *
 * Raw sockets and requests made beforehand, because a client that works as hard as the server would be what is measured.
 * A connection sends its next request when the last one is answered. A refused body (503) is sent again after
 * the time that the answer names: nothing may be lost on the way.
 */

import type { Socket } from "bun";

/** A whole HTTP request and how many lines of line protocol are in it. */
export interface Prepared {
  readonly bytes: Uint8Array;
  readonly lines: number;
}

/** What one connection sends, in order. */
export type Feed = Iterable<Prepared>;

const ENCODER = new TextEncoder();

/** POST of `body` to a path with query; the socket decides about the host. */
export function post(path: string, body: Uint8Array, lines: number): Prepared {
  const head = ENCODER.encode(
    `POST ${path} HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain\r\n` +
      `Content-Length: ${body.length}\r\n\r\n`,
  );
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return { bytes, lines };
}

interface Answer {
  readonly status: number;
  /** From `Retry-After`, ms; 0 when absent. */
  readonly retryAfterMs: number;
  readonly body: string;
}

/** One connection, one request at a time. */
export class Connection {
  #socket: Socket | undefined;
  #request: Uint8Array = new Uint8Array();
  #written = 0;
  #received = "";
  #resolve: (answer: Answer) => void = () => {};
  #reject: (error: Error) => void = () => {};

  private constructor() {}

  static async open(base: string): Promise<Connection> {
    const { hostname, port } = new URL(base);
    const connection = new Connection();
    connection.#socket = await Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        data: (_, chunk) => connection.#read(chunk),
        drain: () => connection.#write(),
        close: () => connection.#reject(new Error("the server closed the connection")),
        error: (_, error) => connection.#reject(error),
      },
    });
    connection.#socket.setNoDelay(true);
    return connection;
  }

  send(request: Uint8Array): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#request = request;
      this.#written = 0;
      this.#received = "";
      this.#write();
    });
  }

  close(): void {
    this.#reject = () => {};
    this.#socket?.end();
  }

  #write(): void {
    const rest = this.#request.length - this.#written;
    if (rest === 0) return;
    const taken = this.#socket?.write(this.#request, this.#written, rest) ?? -1;
    if (taken < 0) this.#reject(new Error("the connection is closed"));
    else this.#written += taken;
  }

  #read(chunk: Buffer): void {
    this.#received += chunk.toString("latin1");
    const head = this.#received.indexOf("\r\n\r\n");
    if (head < 0) return;
    const body = this.#received.slice(head + 4);
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#received)?.[1] ?? "0";
    if (body.length < Number(length)) return;
    const seconds = /\r\nretry-after: *(\d+)/i.exec(this.#received)?.[1] ?? "0";
    const status = Number(this.#received.slice(9, 12));
    this.#resolve({ status, retryAfterMs: Number(seconds) * 1000, body });
  }
}

export interface DriveOptions {
  /** Over all connections; as fast as possible when absent. */
  readonly pointsPerSecond?: number;
  readonly stop?: () => boolean;
  /** Hears of every answered request, with ms from its first byte to its answer. */
  readonly onAnswer?: (ms: number) => void;
}

export interface Drive {
  readonly points: number;
  readonly seconds: number;
  /** Bodies that were sent again, because the server was busy. */
  readonly refused: number;
}

/** Sends all feeds, one connection for each; throws at the first answer that is neither 204 nor 503. */
export async function drive(
  base: string,
  feeds: readonly Feed[],
  options: DriveOptions = {},
): Promise<Drive> {
  const { pointsPerSecond, stop = () => false, onAnswer = () => {} } = options;
  const connections = await Promise.all(feeds.map(() => Connection.open(base)));
  let points = 0;
  let refused = 0;
  const start = performance.now();
  const msPerLine = pointsPerSecond === undefined ? 0 : (feeds.length * 1000) / pointsPerSecond;
  await Promise.all(feeds.map((feed, i) => run(feed, connections[i])));
  const seconds = (performance.now() - start) / 1000;
  for (const connection of connections) connection.close();
  return { points, seconds, refused };

  async function run(feed: Feed, connection: Connection | undefined): Promise<void> {
    let due = start;
    for (const { bytes, lines } of feed) {
      if (connection === undefined || stop()) return;
      const early = due - performance.now();
      if (msPerLine > 0 && early > 0.3) await Bun.sleep(early);
      due += lines * msPerLine;
      const sent = performance.now();
      await deliver(connection, bytes);
      onAnswer(performance.now() - sent);
      points += lines;
    }
  }

  async function deliver(connection: Connection, bytes: Uint8Array): Promise<void> {
    for (;;) {
      const { status, retryAfterMs, body } = await connection.send(bytes);
      if (status === 204) return;
      if (status !== 503) throw new Error(`the server answered ${status}: ${body.slice(0, 300)}`);
      refused++;
      await Bun.sleep(retryAfterMs);
    }
  }
}
