/** Local receivers and services for the tests of handler kinds. */

import type { AlertEvent } from "#alert/event.ts";
import type { Handler, HandlerServices } from "#alert/handler.ts";
import { HandlerKinds } from "#alert/handler-kinds.ts";
import type { Outcome } from "#alert/outcome.ts";
import { systemClock } from "#daemon/system.ts";
import { HANDLER_KINDS } from "#handlers/registry.ts";
import { silentLog } from "#lib/log.ts";
import { delivery } from "../alert/support.ts";

export interface Received {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An HTTP receiver on a free port that remembers what it got. */
export class HttpReceiver {
  readonly received: Received[] = [];
  /** What it answers; a request can be left waiting. */
  answer: (request: Received) => Response | Promise<Response> = () => new Response("");
  readonly #server;

  readonly #scheme: string;

  /** With a certificate it speaks TLS. */
  constructor(tls?: { readonly cert: string; readonly key: string }) {
    this.#scheme = tls === undefined ? "http" : "https";
    this.#server = Bun.serve({
      ...(tls === undefined ? {} : { tls }),
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      fetch: async (request) => {
        const url = new URL(request.url);
        const one: Received = {
          method: request.method,
          path: url.pathname + url.search,
          headers: Object.fromEntries(request.headers),
          body: await request.text(),
        };
        this.received.push(one);
        return this.answer(one);
      },
    });
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.#server.port}`;
  }

  close(): void {
    this.#server.stop(true);
  }
}

/** A TCP receiver that remembers each connection's bytes and may answer. */
export class TcpReceiver {
  readonly received: string[] = [];
  readonly #server;
  readonly #closed: (() => void)[] = [];

  constructor(answer: (text: string) => string | undefined = () => undefined) {
    const { received } = this;
    const closed = this.#closed;
    this.#server = Bun.listen<{ text: string }>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open(socket) {
          socket.data = { text: "" };
        },
        data(socket, chunk) {
          socket.data.text += chunk.toString();
          const said = answer(socket.data.text);
          if (said === undefined) return;
          socket.write(said);
          socket.end();
        },
        close(socket) {
          received.push(socket.data.text);
          for (const done of closed.splice(0)) done();
        },
      },
    });
  }

  get address(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  /** Resolves when the next connection has closed. */
  nextClosed(): Promise<void> {
    return new Promise((resolve) => this.#closed.push(resolve));
  }

  close(): void {
    this.#server.stop(true);
  }
}

/** A port on which nobody listens. */
export function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

export interface TestServices extends HandlerServices {
  readonly published: AlertEvent[];
}

export function services(
  sections: Readonly<Record<string, unknown>> = {},
  clock = systemClock,
): TestServices {
  const published: AlertEvent[] = [];
  return {
    clock,
    log: silentLog,
    server: {
      ...{ hostname: "box", clusterId: "c1", serverId: "s1" },
      apiUrl: "http://box:9092/kapacitor/v1",
    },
    section: (name) => sections[name],
    publish: (event) => published.push(event),
    published,
  };
}

const kinds = new HandlerKinds(HANDLER_KINDS);

/** Opens a handler as the API would; throws the check's text. */
export function open(
  kind: string,
  options: Readonly<Record<string, unknown>>,
  using: HandlerServices,
): Handler {
  const checked = kinds.check({ id: "h", topic: "t", match: "", kind, options });
  if (!checked.ok) throw new Error(checked.error);
  return checked.handler.kind.open(checked.handler.options, using);
}

export function send(
  handler: Handler,
  event: Partial<AlertEvent> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<Outcome> {
  return handler.send(delivery(event), signal);
}
