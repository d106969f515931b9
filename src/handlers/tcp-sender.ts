/**
 * Sends bytes over one TCP connection and, where the protocol wants it, reads a short answer.
 */

import type { HandlerServices } from "#alert/handler.ts";
import { type Outcome, SENT } from "#alert/outcome.ts";
import { allowedAddress, BlockedAddress, isRestricted } from "./allowed-address.ts";
import { connectionError } from "./http-sender.ts";
import { ANSWER_BYTES_MAX } from "./limits.ts";

export interface TcpMessage {
  /** `host:port`. */
  readonly address: string;
  readonly data: string;
  /** Judges what the receiver said until it closed or `complete` said stop; absent: nothing is read. */
  readonly answer?: {
    complete(text: string): boolean;
    judge(text: string): Outcome;
  };
}

/** Splits `host:port` and `[v6]:port`; `undefined` when it is neither. */
export function hostAndPort(
  address: string,
): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(address);
  if (match === null) return undefined;
  const port = Number(match[3]);
  const host = match[1] ?? match[2] ?? "";
  return port > 0 && port <= 65_535 ? { host: host === "" ? "localhost" : host, port } : undefined;
}

export async function sendTcp(
  services: HandlerServices,
  message: TcpMessage,
  signal: AbortSignal,
): Promise<Outcome> {
  const target = hostAndPort(message.address);
  if (target === undefined) {
    return { kind: "rejected", error: `invalid TCP address ${JSON.stringify(message.address)}` };
  }
  try {
    signal.throwIfAborted();
    const { port } = target;
    const host = isRestricted(services) ? await allowedAddress(services, target.host) : target.host;
    return await exchange({ host, port }, message, signal);
  } catch (error) {
    if (error instanceof BlockedAddress) {
      return { kind: "rejected", error: `${message.address}: ${error.message}` };
    }
    return { kind: "retry", error: `${message.address}: ${connectionError(error, signal)}` };
  }
}

function exchange(
  target: { readonly host: string; readonly port: number },
  { data, answer }: TcpMessage,
  signal: AbortSignal,
): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  let rest = new TextEncoder().encode(data);
  let heard = "";
  const decoder = new TextDecoder();
  const write = (socket: Bun.Socket<undefined>): void => {
    const taken = socket.write(rest);
    if (taken < 0) return;
    rest = rest.subarray(taken);
    if (rest.length > 0 || answer !== undefined) return;
    // Before end(): that may call close() at once.
    resolve(SENT);
    socket.end();
  };
  const connecting = Bun.connect<undefined>({
    hostname: target.host,
    port: target.port,
    data: undefined,
    socket: {
      open: write,
      drain: (socket) => {
        if (rest.length > 0) write(socket);
      },
      data(socket, chunk) {
        heard = (heard + decoder.decode(chunk, { stream: true })).slice(0, ANSWER_BYTES_MAX);
        if (answer?.complete(heard) !== true) return;
        resolve(answer.judge(heard));
        socket.end();
      },
      close() {
        if (answer !== undefined && rest.length === 0) resolve(answer.judge(heard));
        else reject(new Error("connection closed before everything was sent"));
      },
      error: (_socket, error) => reject(error),
      connectError: (_socket, error) => reject(error),
    },
  });
  connecting.catch(reject);
  const abort = (): void => {
    reject(signal.reason);
    connecting.then(
      (socket) => socket.terminate(),
      () => {},
    );
  };
  signal.addEventListener("abort", abort, { once: true });
  return promise.finally(() => signal.removeEventListener("abort", abort));
}
