/**
 * Sends SNMP v2c traps: one datagram each. Nothing answers, so success is that the datagram was handed to the network.
 */

import { lookup } from "node:dns/promises";
import { errorMessage } from "#lib/errors.ts";
import { refusal, SendError, textOf, trouble, troubleText } from "./send-error.ts";
import { abortable } from "./shared-connection.ts";

export interface TrapTarget {
  readonly host: string;
  readonly port: number;
  readonly community: string;
  /** How often a datagram that the network did not take is tried again. */
  readonly retries: number;
}

/** One variable; integers are within their type's range. */
export type TrapVariable =
  | { readonly oid: string; readonly type: "counter64"; readonly value: bigint }
  | { readonly oid: string; readonly type: "integer"; readonly value: number }
  | { readonly oid: string; readonly type: "null" }
  | { readonly oid: string; readonly type: "octets"; readonly value: string }
  | { readonly oid: string; readonly type: "ticks"; readonly value: number };

export interface Trap {
  /** Hundredths of a second that `sysUpTime` shows. */
  readonly upTime: number;
  readonly oid: string;
  readonly variables: readonly TrapVariable[];
}

/** Arcs of an OID, each at most this large. */
const ARC_MAX = 0xffff_ffff;
const ARCS_MAX = 128;

/** Numbers with dots, with or without a leading one: `.1.3.6.1`. `undefined` when it is none. */
export function parseOid(text: string): string | undefined {
  const oid = text.trim().replace(/^\./, "");
  if (!/^[0-2](\.\d{1,10})+$/.test(oid)) return undefined;
  const arcs = oid.split(".").map(Number);
  if (arcs.length > ARCS_MAX || arcs.some((arc) => arc > ARC_MAX)) return undefined;
  const [root = 0, second = 0] = arcs;
  return root < 2 && second > 39 ? undefined : arcs.join(".");
}

/** Resolves when the datagram is on its way; else throws `SendError` or the signal's reason. */
export async function sendTrap(
  { host, port, community, retries }: TrapTarget,
  trap: Trap,
  signal: AbortSignal,
): Promise<void> {
  const { address, family } = await abortable(resolve(host), signal);
  for (let attempt = 0; ; attempt++) {
    try {
      await abortable(sendOnce({ address, family, port, community }, trap), signal);
      return;
    } catch (error) {
      signal.throwIfAborted();
      const failed = asSendError(error);
      if (!failed.retryable || attempt >= retries) throw failed;
    }
  }
}

interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** The first IPv4 address, else the first IPv6 one: receivers of traps often listen on IPv4 alone. */
async function resolve(host: string): Promise<Address> {
  try {
    const all = await lookup(host, { all: true });
    const found = all.find(({ family }) => family === 4) ?? all[0];
    if (found === undefined) throw trouble("unknown host");
    return { address: found.address, family: found.family === 6 ? 6 : 4 };
  } catch (error) {
    if (error instanceof SendError) throw error;
    throw trouble(troubleText(error), error);
  }
}

async function sendOnce(
  to: Address & { readonly port: number; readonly community: string },
  trap: Trap,
): Promise<void> {
  const snmp = (await import("net-snmp")).default;
  const session = snmp.createSession(to.address, to.community, {
    version: snmp.Version2c,
    transport: to.family === 6 ? "udp6" : "udp4",
    trapPort: to.port,
    retries: 0,
  });
  const types = snmp.ObjectType;
  const varbinds = trap.variables.map((variable) => {
    const { oid } = variable;
    switch (variable.type) {
      case "counter64":
        return { oid, type: types.Counter64, value: bytesOf(variable.value) };
      case "integer":
        return { oid, type: types.Integer, value: variable.value };
      case "null":
        return { oid, type: types.Null, value: null };
      case "octets":
        return { oid, type: types.OctetString, value: Buffer.from(variable.value) };
      case "ticks":
        return { oid, type: types.TimeTicks, value: variable.value };
    }
  });
  try {
    await new Promise<void>((resolve, reject) => {
      session.on("error", reject);
      session.trap(trap.oid, varbinds, { upTime: trap.upTime }, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  } finally {
    session.close();
  }
}

/** Big-endian two's complement in as few bytes as possible. */
function bytesOf(value: bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
}

function asSendError(error: unknown): SendError {
  if (error instanceof SendError) return error;
  if (textOf(error, "code") === "EMSGSIZE" || /EMSGSIZE/.test(errorMessage(error))) {
    return refusal("the trap does not fit into a datagram", error);
  }
  return trouble(troubleText(error), error);
}
