/**
 * All gossip records. Append only: numbers travel on the wire, so they never move and are never
 * reused. A record on the wire is `type u8 · length u16 · bytes`; unknown types are skipped.
 */

import { WireError } from "../ports.ts";
import { type Ack, ack } from "./ack.ts";
import { type Alive, alive } from "./alive.ts";
import { type Big, big } from "./big.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { type Dead, dead } from "./dead.ts";
import { type Left, left } from "./left.ts";
import type { IdTable } from "./member-id.ts";
import { type Nack, nack } from "./nack.ts";
import { type Note, note } from "./note.ts";
import { type Pad, pad } from "./pad.ts";
import { type Ping, ping } from "./ping.ts";
import { type PingReq, pingReq } from "./ping-req.ts";
import { type Removed, removed } from "./removed.ts";
import { type Suspect, suspect } from "./suspect.ts";
import { type Sync, sync } from "./sync.ts";

export type GossipRecord =
  | Ping
  | Ack
  | PingReq
  | Nack
  | Alive
  | Suspect
  | Dead
  | Left
  | Removed
  | Note
  | Big
  | Sync
  | Pad;

interface AnySpec {
  readonly number: number;
  readonly kind: GossipRecord["kind"];
  encode(to: ByteWriter, record: never, ids: IdTable): void;
  decode(from: ByteReader, ids: IdTable): GossipRecord;
}

/** In order of their numbers. */
export const messages: readonly AnySpec[] = [
  ping,
  ack,
  pingReq,
  nack,
  alive,
  suspect,
  dead,
  left,
  removed,
  note,
  big,
  sync,
  pad,
];

const byNumber: readonly (AnySpec | undefined)[] = [undefined, ...messages];
const byKind = new Map<string, AnySpec>(messages.map((spec) => [spec.kind, spec]));

/** Appends one framed record. Throws `WireError` when its fields do not fit their types. */
export function writeRecord(to: ByteWriter, record: GossipRecord, ids: IdTable): void {
  const spec = byKind.get(record.kind);
  if (spec === undefined) throw new WireError(`no codec for ${record.kind}`);
  to.u8(spec.number);
  const lengthAt = to.at;
  to.u16(0);
  spec.encode(to, record as never, ids);
  const length = to.at - lengthAt - 2;
  if (length > 65535) throw new WireError("record longer than 65,535 bytes");
  to.patchU16(lengthAt, length);
}

/** The next record, or `undefined` for an unknown type (skipped). Throws `WireError`. */
export function readRecord(from: ByteReader, ids: IdTable): GossipRecord | undefined {
  const number = from.u8();
  const length = from.u16();
  const spec = byNumber[number];
  if (spec === undefined) {
    from.skip(length);
    return undefined;
  }
  const end = from.narrow(length);
  const record = spec.decode(from, ids);
  if (from.left !== 0) throw new WireError("record has bytes left over");
  from.widen(end);
  return record;
}
