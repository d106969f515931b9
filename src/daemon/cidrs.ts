/** Address ranges that outgoing requests must not reach (`-blacklist-cidrs`). */

import { BlockList, isIP } from "node:net";

/** What the word `private` stands for. Source: RFC 1918, RFC 4193, RFC 6598, RFC 3927, RFC 4291. */
const PRIVATE = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "0.0.0.0/8",
  "::1/128",
  "fc00::/7",
  "fe80::/10",
];

/** Parses a comma-separated list of `address/bits`, or `private`. Throws `Error` naming the bad part. */
export function parseCidrs(text: string): BlockList {
  const list = new BlockList();
  for (const part of text.split(",")) {
    const cidr = part.trim();
    if (cidr === "") continue;
    for (const range of cidr === "private" ? PRIVATE : [cidr]) addRange(list, range);
  }
  return list;
}

function addRange(list: BlockList, range: string): void {
  const [address = "", bits = ""] = range.split("/");
  const version = isIP(address);
  const max = version === 4 ? 32 : 128;
  if (
    version === 0 ||
    !/^\d{1,3}$/.test(bits) ||
    Number(bits) > max ||
    range.split("/").length !== 2
  )
    throw new Error(`invalid CIDR address: ${range}`);
  list.addSubnet(address, Number(bits), version === 4 ? "ipv4" : "ipv6");
}

/** True when an address literal lies in the list; IPv4 addresses written as IPv6 are seen through. */
export function isBlocked(list: BlockList, address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  const literal = mapped ?? address;
  const version = isIP(literal);
  return version !== 0 && list.check(literal, version === 4 ? "ipv4" : "ipv6");
}
