/** Keys and checks that many sections have in common. */

import { type Field, flag, text } from "../field.ts";

/** The client side of TLS, as every section that calls out spells it. */
export const tlsClientFields = {
  "ssl-ca": text("", { doc: "PEM file of the authority that signed the server's certificate." }),
  "ssl-cert": text("", { doc: "PEM file of the client's certificate." }),
  "ssl-key": text("", { doc: "PEM file of the client's private key." }),
  "insecure-skip-verify": flag(false, { doc: "Accept any server certificate." }),
} satisfies Record<string, Field<string> | Field<boolean>>;

export const globalField = (): Field<boolean> =>
  flag(false, { doc: "Attach to every alert node that names no handler of this kind." });

export const stateChangesOnlyField = (): Field<boolean> =>
  flag(false, { doc: "With global, send only when the level changes." });

/** The first text that is not empty; for checks in order. */
export function firstProblem<T>(
  items: readonly T[],
  check: (item: T, index: number) => string | undefined,
): string | undefined {
  for (const [index, item] of items.entries()) {
    const problem = check(item, index);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** What is wrong with `host:port` (host may be empty), or undefined. */
export function addressProblem(address: string): string | undefined {
  const split = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(address);
  if (split === null) {
    const colons = address.split(":").length > 2;
    return `address ${address}: ${colons ? "too many colons" : "missing port"} in address`;
  }
  const port = split[3] ?? "";
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535)
    return `address ${address}: the port must be a number from 0 to 65535`;
  return undefined;
}

/** Splits a checked `host:port`; brackets of IPv6 are taken off. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return { host, port: Number(address.slice(colon + 1)) };
}

/** What is wrong with a client certificate given by half, or undefined. */
export function keyPairProblem(element: {
  readonly "ssl-cert": string;
  readonly "ssl-key": string;
}): string | undefined {
  const both = (element["ssl-cert"] === "") === (element["ssl-key"] === "");
  return both ? undefined : "must set both ssl-cert and ssl-key, or neither";
}
