/** NOTE: a hint that rides on gossip ("handlers changed"). Losing one must never matter. */

import { type MemberId, WireError } from "../ports.ts";
import { defineMessage } from "./message.ts";

/** Largest body of a note in bytes. */
export const NOTE_BYTES_MAX = 512;

export interface Note {
  readonly kind: "note";
  /** What the hint is about; the listener's numbering. */
  readonly noteKind: number;
  readonly origin: MemberId;
  /** Origin's own count of notes, so that each is delivered once. */
  readonly counter: number;
  readonly bytes: Uint8Array;
}

export const note = defineMessage<Note>({
  number: 10,
  kind: "note",
  encode(to, record, ids) {
    to.u8(record.noteKind);
    to.raw(ids.bytesOf(record.origin));
    to.u32(record.counter);
    to.u16(record.bytes.length);
    to.raw(record.bytes);
  },
  decode(from, ids) {
    const noteKind = from.u8();
    const origin = ids.read(from);
    const counter = from.u32();
    const length = from.u16();
    if (length > NOTE_BYTES_MAX) throw new WireError("note too large");
    return { kind: "note", noteKind, origin, counter, bytes: from.raw(length).slice() };
  },
});
