/** A receiver of SNMP v2c traps for tests: UDP on a free port, BER decoded by hand. */

import { createSocket, type Socket } from "node:dgram";

export interface SinkVariable {
  readonly oid: string;
  /** As in SMIv2: `Integer32`, `OctetString`, `Null`, `ObjectIdentifier`, `TimeTicks`, `Counter64`. */
  readonly type: string;
  readonly value: string;
}

export interface SinkTrap {
  /** 1 = SNMP v2c. */
  readonly version: number;
  readonly community: string;
  /** Tag of the message's body; 0xa7 = SNMPv2-Trap. */
  readonly pdu: number;
  readonly variables: readonly SinkVariable[];
}

export class SnmpSink {
  readonly traps: SinkTrap[] = [];
  readonly #socket: Socket;
  readonly #waiting: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", (datagram) => {
      this.traps.push(decodeTrap(datagram));
      for (const resolve of this.#waiting.splice(0)) resolve();
    });
  }

  static async open(host = "127.0.0.1"): Promise<SnmpSink> {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, host, resolve);
    });
    return new SnmpSink(socket);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Resolves when so many traps have come. */
  async received(count: number): Promise<void> {
    while (this.traps.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  close(): void {
    this.#socket.close();
  }
}

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

function decodeTrap(datagram: Buffer): SinkTrap {
  const [message] = elements(datagram);
  const [version, community, pdu] = elements(message?.content ?? Buffer.alloc(0));
  const [, , , variables] = elements(pdu?.content ?? Buffer.alloc(0));
  return {
    version: Number(integer(version?.content)),
    community: community?.content.toString() ?? "",
    pdu: pdu?.tag ?? 0,
    variables: elements(variables?.content ?? Buffer.alloc(0)).map(({ content }) => {
      const [oid, value] = elements(content);
      return { oid: oidOf(oid?.content), ...variableValue(value) };
    }),
  };
}

function elements(bytes: Buffer): readonly Element[] {
  const found: Element[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at++] ?? 0;
    let length = bytes[at++] ?? 0;
    if (length > 0x7f) {
      const size = length & 0x7f;
      length = bytes.readUIntBE(at, size);
      at += size;
    }
    if (at + length > bytes.length) throw new Error("BER element is longer than its container");
    found.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}

function variableValue(element: Element | undefined): Omit<SinkVariable, "oid"> {
  const content = element?.content ?? Buffer.alloc(0);
  switch (element?.tag) {
    case 0x02:
      return { type: "Integer32", value: String(integer(content)) };
    case 0x04:
      return { type: "OctetString", value: content.toString() };
    case 0x05:
      return { type: "Null", value: "" };
    case 0x06:
      return { type: "ObjectIdentifier", value: oidOf(content) };
    case 0x43:
      return { type: "TimeTicks", value: String(integer(content)) };
    case 0x46:
      return { type: "Counter64", value: String(integer(content)) };
    default:
      return { type: `tag ${element?.tag}`, value: content.toString("hex") };
  }
}

/** Two's complement; also of unsigned types, which have a leading zero where it is needed. */
function integer(content: Buffer = Buffer.alloc(0)): bigint {
  return content.length === 0
    ? 0n
    : BigInt.asIntN(8 * content.length, BigInt(`0x${content.toString("hex")}`));
}

function oidOf(content: Buffer = Buffer.alloc(0)): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte > 0x7f) continue;
    if (arcs.length === 0) {
      const root = Math.min(2, Math.floor(arc / 40));
      arcs.push(root, arc - 40 * root);
    } else arcs.push(arc);
    arc = 0;
  }
  return arcs.join(".");
}
