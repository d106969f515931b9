/**
 * A table of definitions that every member holds: a last-writer-wins register per key.
 *
 * Versions are (Lamport counter, member ID), so every member resolves concurrent edits alike, without clocks. Deleting
 * leaves a tombstone. What a definition says is its owner's business. Pure; nothing here carries out or stores.
 * Source: reference cluster-behaviour.md §14.5, U7, U18.
 */

import { compareBytes } from "#lib/json.ts";
import { digestOf } from "../ownership/ranking.ts";
import type { MemberId } from "../ports.ts";

export interface Version {
  /** 0 = offered to a cluster that was joined: every edit made there wins. */
  readonly counter: number;
  readonly member: MemberId;
}

export interface Definition<V> {
  /** In memory, on disk and in pages. */
  readonly key: string;
  /** `null` = deleted. */
  readonly value: V | null;
  readonly version: Version;
  /** When it was edited, wall-clock ms; only decides when a tombstone is forgotten. */
  readonly at: number;
}

export type MergeResult<V> =
  /** Taken; `before` is what it replaced. */
  | { readonly kind: "taken"; readonly before: Definition<V> | undefined }
  /** Ours is the same or newer. */
  | { readonly kind: "kept" }
  /** A tombstone of the cluster met a definition that this member brought along: it lives, with a new version. */
  | { readonly kind: "revived"; readonly now: Definition<V> };

export class DefinitionTable<V> {
  readonly #self: () => MemberId;
  readonly #definitions = new Map<string, Definition<V>>();
  #counter = 0;
  #digest = 0n;

  constructor(self: () => MemberId) {
    this.#self = self;
  }

  /** Equal for equal tables. */
  get digest(): string {
    return this.#digest.toString(16);
  }

  get size(): number {
    return this.#definitions.size;
  }

  get(key: string): Definition<V> | undefined {
    return this.#definitions.get(key);
  }

  all(): IterableIterator<Definition<V>> {
    return this.#definitions.values();
  }

  /** An edit made here, newer than everything seen so far. */
  edit(key: string, value: V | null, at: number): Definition<V> {
    const version = { counter: this.#counter + 1, member: this.#self() };
    const definition = { key, value, version, at };
    this.put(definition);
    return definition;
  }

  /** Takes a definition of another member if it is newer. */
  merge(other: Definition<V>): MergeResult<V> {
    this.#counter = Math.max(this.#counter, other.version.counter);
    const mine = this.get(other.key);
    if (mine !== undefined && compareVersions(mine.version, other.version) >= 0) {
      return { kind: "kept" };
    }
    if (other.value === null && mine?.version.counter === 0 && mine.value !== null) {
      return { kind: "revived", now: this.edit(mine.key, mine.value, mine.at) };
    }
    this.put(other);
    return { kind: "taken", before: mine };
  }

  /** Sets without asking; for what was loaded from disk. */
  put(definition: Definition<V>): void {
    const before = this.#definitions.get(definition.key);
    if (before !== undefined) this.#digest ^= hashOf(before);
    this.#definitions.set(definition.key, definition);
    this.#digest ^= hashOf(definition);
    this.#counter = Math.max(this.#counter, definition.version.counter);
  }

  drop(definition: Definition<V>): void {
    if (this.#definitions.delete(definition.key)) this.#digest ^= hashOf(definition);
  }

  /**
   * This member joined a cluster: what it brings along yields to everything the cluster says, and what it had deleted is
   * none of the cluster's business. Returns the rewritten and the dropped definitions.
   */
  demote(): { readonly changed: readonly Definition<V>[]; readonly dropped: Definition<V>[] } {
    const changed: Definition<V>[] = [];
    const dropped: Definition<V>[] = [];
    for (const definition of [...this.#definitions.values()]) {
      if (definition.value === null) {
        this.drop(definition);
        dropped.push(definition);
        continue;
      }
      const offered = { ...definition, version: { counter: 0, member: this.#self() } };
      this.put(offered);
      changed.push(offered);
    }
    return { changed, dropped };
  }

  /** Up to `max` definitions after a key, in the order of keys; `more` tells whether others follow. */
  page(
    after: string,
    max: number,
  ): { readonly definitions: readonly Definition<V>[]; readonly more: boolean } {
    const keys = [...this.#definitions.keys()].sort(compareBytes);
    const rest = keys.filter((key) => after === "" || compareBytes(key, after) > 0);
    const chosen = rest.slice(0, max);
    const definitions = chosen.flatMap((key) => this.#definitions.get(key) ?? []);
    return { definitions, more: rest.length > max };
  }
}

export function compareVersions(a: Version, b: Version): number {
  return a.counter - b.counter || (a.member === b.member ? 0 : a.member < b.member ? -1 : 1);
}

function hashOf<V>({ key, version }: Definition<V>): bigint {
  return digestOf(key, String(version.counter), version.member);
}
