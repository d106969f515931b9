/**
 * The listening socket of the API: plain or TLS, over Bun's server.
 *
 * The app answers everything; what the runtime answers itself (malformed requests, headers beyond its
 * own limit) has an empty body and cannot be changed here.
 */

import type { App } from "./app.ts";
import { errorResponse } from "./errors.ts";
import { IDLE_TIMEOUT_S, RUNTIME_BODY_BYTES_MAX } from "./limits.ts";
import type { ServerTls } from "./tls.ts";

export interface ListenOptions {
  /** Empty listens on all addresses, v4 and v6. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls?: ServerTls;
}

export interface Listening {
  readonly port: number;
  /**
   * Stops taking connections and lets running requests finish for at most `graceMs`; then cuts them.
   * `wait` is the clock's timer, so that tests need no real time.
   */
  close(graceMs: number, wait: (ms: number) => Promise<void>): Promise<void>;
}

/** Starts listening. Throws `Error` when the address is taken or the certificate is bad. */
export function listen(app: App, options: ListenOptions): Listening {
  const server = Bun.serve({
    ...(options.host === "" ? {} : { hostname: options.host }),
    port: options.port,
    idleTimeout: IDLE_TIMEOUT_S,
    maxRequestBodySize: RUNTIME_BODY_BYTES_MAX,
    development: false,
    // Without this, `development: false` shares the port: a second daemon would silently take half the traffic.
    reusePort: false,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    fetch: (request, bun) =>
      app.handle(request, {
        get address() {
          return bun.requestIP(request)?.address.replace(/^::ffff:/, "") ?? "-";
        },
        keepOpen: () => bun.timeout(request, 0),
      }),
    error: (error) => errorResponse(error),
  });
  return {
    port: server.port ?? options.port,
    async close(graceMs, wait) {
      await Promise.race([server.stop(), wait(graceMs)]);
      await server.stop(true);
    },
  };
}
