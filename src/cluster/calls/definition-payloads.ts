/**
 * What all replicated definitions share on the wire: the part of a definition that is not its value, and sync.
 *
 * A value is read by the call that knows what it defines.
 */

import type { Definition } from "../replicate/definition-table.ts";
import { wireCount, wireFlag, wireList, wireRecord, wireText } from "../rpc/define-call.ts";
import { readMember } from "./alert-payloads.ts";

/** Definitions in one call; further ones are the sender's fault. */
export const DEFINITIONS_MAX = 10_000;

export interface SyncRequest {
  /** Digest of the asker's table. */
  readonly digest: string;
  /** Key of the last definition already received; empty at first. */
  readonly after: string;
  /** The asker was away for longer than deletions are remembered. */
  readonly stale?: boolean;
}

export interface SyncAnswer<V> {
  /** The whole tables are equal; nothing follows. */
  readonly same: boolean;
  readonly definitions: readonly Definition<V>[];
  /** To be given as `after` next; empty when this was the last page. */
  readonly next: string;
}

/** `counter, member, edited at`, the tail of every definition. */
export function encodeEdit<V>({ version, at }: Definition<V>): readonly unknown[] {
  return [version.counter, version.member, at];
}

export function readEdit(counter: unknown, member: unknown, at: unknown) {
  return {
    version: { counter: wireCount(counter, "counter"), member: readMember(member) },
    at: wireCount(at, "at"),
  };
}

export function readPush<V>(
  input: unknown,
  read: (input: unknown) => Definition<V>,
): readonly Definition<V>[] {
  return readDefinitions(wireRecord(input, "push")["definitions"], read);
}

export function readSyncRequest(input: unknown): SyncRequest {
  const raw = wireRecord(input, "sync");
  return {
    digest: wireText(raw["digest"], "digest"),
    after: wireText(raw["after"], "after"),
    stale: raw["stale"] === true,
  };
}

export function readSyncAnswer<V>(
  input: unknown,
  read: (input: unknown) => Definition<V>,
): SyncAnswer<V> {
  const raw = wireRecord(input, "sync answer");
  return {
    same: wireFlag(raw["same"], "same"),
    definitions: readDefinitions(raw["definitions"], read),
    next: wireText(raw["next"], "next"),
  };
}

function readDefinitions<V>(
  input: unknown,
  read: (input: unknown) => Definition<V>,
): readonly Definition<V>[] {
  return wireList(input, "definitions", DEFINITIONS_MAX).map(read);
}
