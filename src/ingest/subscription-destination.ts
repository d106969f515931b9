/**
 * Where an InfluxDB subscription sends points: `<protocol>://[~subscriber:<token>@]<host>:<port><path>`.
 *
 * Tokens name their owner, so that one InfluxDB's tokens can be told from another's: unpadded base64url of
 * `<influxdb name>;` and random bytes.
 */

import type { Random } from "#lib/random.ts";
import { TOKEN_RANDOM_BYTES } from "./limits.ts";

/** The user name that goes with a subscription token. */
export const SUBSCRIBER = "~subscriber";

export interface Destination {
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
  /** `undefined`: no user part; "": a user part that is no token of ours. */
  readonly token: string | undefined;
}

/** Takes a destination apart; `undefined` when it cannot be one. */
export function parseDestination(text: string): Destination | undefined {
  const url = URL.parse(text);
  if (url === null || url.hostname === "") return undefined;
  const protocol = url.protocol.slice(0, -1);
  const standard = protocol === "https" ? 443 : 80;
  const port = url.port === "" ? standard : Number(url.port);
  const isToken = url.username === SUBSCRIBER || url.username === "%7Esubscriber";
  const anyUser = url.username !== "" || url.password !== "";
  const token = isToken ? url.password : anyUser ? "" : undefined;
  return { protocol, host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port, token };
}

/** The text of a destination; `path` is appended as it is. */
export function formatDestination(to: Destination, path: string): string {
  const user = to.token === undefined ? "" : `${SUBSCRIBER}:${to.token}@`;
  const host = to.host.includes(":") ? `[${to.host}]` : to.host;
  return `${to.protocol}://${user}${host}:${to.port}${path}`;
}

/** True for two spellings of one host name or address. */
export function sameHost(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

export function makeToken(owner: string, random: Random): string {
  const secret = random.bytes(TOKEN_RANDOM_BYTES);
  return Buffer.concat([Buffer.from(`${owner};`), secret]).toString("base64url");
}

/** The influxdb name in a token, or `undefined`. */
export function tokenOwner(token: string): string | undefined {
  const bytes = Buffer.from(token, "base64url");
  const end = bytes.indexOf(";");
  return end < 0 ? undefined : bytes.toString("utf8", 0, end);
}
