/**
 * Keeps requests away from addresses that the operator has blocked (`-blacklist-cidrs`).
 *
 * A name is looked up here and all its addresses are judged; the connection then goes to the address that was
 * judged, not to the name, which might by then mean another one.
 */

import { isIP } from "node:net";
import type { HandlerServices } from "#alert/handler.ts";

/** Who knows what is blocked. */
export type AddressGuard = Pick<HandlerServices, "isBlocked">;

/** The receiver's address may not be reached: final, whoever sends. */
export class BlockedAddress extends Error {
  override name = "BlockedAddress";
}

/** Is any address blocked at all? */
export function isRestricted(services: AddressGuard): boolean {
  return services.isBlocked !== undefined;
}

/** An address of the host that may be reached. Throws `BlockedAddress`, or the look-up's error. */
export async function allowedAddress(services: AddressGuard, host: string): Promise<string> {
  const literal = literalOf(host);
  const found =
    literal === undefined
      ? (await Bun.dns.lookup(host)).map(({ address }) => literalOf(address) ?? address)
      : [literal];
  const blocked = found.find((address) => services.isBlocked?.(address) === true);
  if (blocked !== undefined) throw new BlockedAddress(`address ${blocked} is blocked`);
  const [first] = found;
  if (first === undefined) throw new Error(`no address found for ${host}`);
  return first;
}

/** The address that a host literally is, without brackets and zone; IPv4 written as IPv6 is seen through. */
function literalOf(host: string): string | undefined {
  const bare = host.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  if (isIP(bare) === 0) return undefined;
  if (isIP(bare) === 4) return bare;
  // The URL parser writes every mapped address in one way: ::ffff:7f00:1.
  const tidy = URL.parse(`http://[${bare}]/`)?.hostname ?? "";
  const mapped = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(tidy);
  if (mapped === null) return bare;
  const [high, low] = [mapped[1] ?? "", mapped[2] ?? ""].map((part) => Number.parseInt(part, 16));
  return [(high ?? 0) >> 8, (high ?? 0) & 255, (low ?? 0) >> 8, (low ?? 0) & 255].join(".");
}
