/**
 * A member's own description on the wire, shared by ALIVE and SYNC: about 90 bytes with short names.
 *
 * Tables repeat the same descriptions for ever. The last one seen of each learned ID is kept with its bytes, so that
 * equal bytes give the same object without decoding and the same object its bytes without encoding.
 */

import { WireError } from "../ports.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { formatHostPort } from "./ip.ts";
import type { IdTable } from "./member-id.ts";
import { type Profile, readAddress, writeAddress } from "./message.ts";

/** Roles a member may carry; each at most 32 bytes. */
export const ROLES_MAX = 8;

const TCP_ONLY = 1;
const LEAVING = 2;
const RECLAIMED = 4;

export function writeProfile(to: ByteWriter, profile: Profile, ids: IdTable): void {
  const known = ids.known(profile.id);
  if (known?.described?.profile === profile) {
    to.raw(known.described.bytes);
    return;
  }
  const start = to.at;
  encode(to, profile, ids);
  if (known !== undefined) known.described = { profile, bytes: to.copy(start) };
}

export function readProfile(from: ByteReader, ids: IdTable): Profile {
  const start = from.at;
  const known = from.left < 16 ? undefined : ids.knownAt(from.bytes, start);
  if (known === undefined) return decode(from, ids);
  if (known.described !== undefined && from.skipIfNext(known.described.bytes)) {
    return known.described.profile;
  }
  const profile = decode(from, ids);
  known.described = { profile, bytes: from.bytes.slice(start, from.at) };
  return profile;
}

function encode(to: ByteWriter, profile: Profile, ids: IdTable): void {
  to.raw(ids.bytesOf(profile.id));
  to.u64(profile.boot);
  to.u8(
    (profile.tcpOnly ? TCP_ONLY : 0) |
      (profile.leaving ? LEAVING : 0) |
      (profile.reclaimed ? RECLAIMED : 0),
  );
  to.u8(profile.protocolMin);
  to.u8(profile.protocolMax);
  to.u16(profile.redundancy);
  to.u32(profile.joined);
  writeAddress(to, profile.gossip);
  to.text(profile.gossipText === formatHostPort(profile.gossip) ? "" : profile.gossipText);
  to.text(profile.rpc);
  to.text(profile.api);
  to.u8(profile.roles.length);
  for (const role of profile.roles) to.text(role);
}

function decode(from: ByteReader, ids: IdTable): Profile {
  const id = ids.read(from);
  const boot = from.u64();
  const flags = from.u8();
  const protocolMin = from.u8();
  const protocolMax = from.u8();
  const redundancy = from.u16();
  const joined = from.u32();
  const gossip = readAddress(from);
  const gossipText = from.text();
  const rpc = from.text();
  const api = from.text();
  return {
    id,
    boot,
    gossip,
    gossipText: gossipText === "" ? formatHostPort(gossip) : gossipText,
    rpc,
    api,
    roles: readRoles(from),
    protocolMin,
    protocolMax,
    redundancy,
    joined,
    tcpOnly: (flags & TCP_ONLY) !== 0,
    leaving: (flags & LEAVING) !== 0,
    reclaimed: (flags & RECLAIMED) !== 0,
  };
}

function readRoles(from: ByteReader): string[] {
  const count = from.u8();
  if (count > ROLES_MAX) throw new WireError("too many roles");
  const roles: string[] = [];
  for (let i = 0; i < count; i++) roles.push(from.text());
  return roles;
}

/** Same description, ignoring the boot number. */
export function sameProfile(a: Profile, b: Profile): boolean {
  if (a === b) return true;
  return (
    a.gossip.host === b.gossip.host &&
    a.gossip.port === b.gossip.port &&
    a.gossipText === b.gossipText &&
    a.rpc === b.rpc &&
    a.api === b.api &&
    a.roles.length === b.roles.length &&
    a.roles.every((role, i) => role === b.roles[i]) &&
    a.protocolMin === b.protocolMin &&
    a.protocolMax === b.protocolMax &&
    a.redundancy === b.redundancy &&
    a.joined === b.joined &&
    a.tcpOnly === b.tcpOnly &&
    a.leaving === b.leaving &&
    a.reclaimed === b.reclaimed
  );
}
