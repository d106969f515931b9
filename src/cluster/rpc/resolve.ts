/**
 * From an advertised `host:port` text to addresses one can dial.
 *
 * Names are resolved by whoever dials, each time, and all answers are tried (reference gossip.md §12).
 */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { type Address, WireError } from "../ports.ts";

/** Splits `host:port`, `[v6]:port`; an empty host means loopback. Throws `WireError` with the reason. */
export function parseHostPort(text: string): Address {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65535) {
    throw new WireError(`address ${JSON.stringify(text)} is not host:port`);
  }
  const host = match[1] ?? match[2] ?? "";
  return { host: host === "" ? "127.0.0.1" : host, port };
}

/** All literal addresses of a `host:port` text, in the resolver's order. Throws `WireError` when there is none. */
export async function resolveAddress(text: string): Promise<readonly Address[]> {
  const { host, port } = parseHostPort(text);
  if (isIP(host) !== 0) return [{ host, port }];
  try {
    const found = await lookup(host, { all: true });
    if (found.length > 0) return found.map(({ address }) => ({ host: address, port }));
  } catch {
    // Falls through to the one error text.
  }
  throw new WireError(`name ${host} does not resolve`);
}
