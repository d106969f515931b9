/**
 * The replicated table of topic handlers: a last-writer-wins register per (topic, handler ID).
 *
 * Versions are (Lamport counter, member ID), so every member resolves concurrent edits alike, without clocks. Deleting
 * leaves a tombstone. A definition with an empty ID is a deleted topic. Pure; nothing here attaches or stores.
 * Source: reference cluster-behaviour.md §14.5, U7, U18.
 */

import type { HandlerSpec } from "#alert/handler.ts";
import { compareBytes } from "#lib/json.ts";
import { digestOf } from "../ownership/ranking.ts";
import type { MemberId } from "../ports.ts";

export interface Version {
  /** 0 = offered to a cluster that was joined: every edit made there wins. */
  readonly counter: number;
  readonly member: MemberId;
}

export interface Definition {
  readonly topic: string;
  readonly id: string;
  /** `null` = deleted. */
  readonly spec: HandlerSpec | null;
  readonly version: Version;
  /** When it was edited, wall-clock ms; only decides when a tombstone is forgotten. */
  readonly at: number;
}

export type MergeResult =
  /** Taken; `before` is what it replaced. */
  | { readonly kind: "taken"; readonly before: Definition | undefined }
  /** Ours is the same or newer. */
  | { readonly kind: "kept" }
  /** A tombstone of the cluster met a handler that this member brought along: it lives, with a new version. */
  | { readonly kind: "revived"; readonly now: Definition };

export class DefinitionTable {
  readonly #self: () => MemberId;
  readonly #definitions = new Map<string, Definition>();
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

  get(topic: string, id: string): Definition | undefined {
    return this.#definitions.get(definitionKey(topic, id));
  }

  all(): IterableIterator<Definition> {
    return this.#definitions.values();
  }

  /** An edit made here, newer than everything seen so far. */
  edit(topic: string, id: string, spec: HandlerSpec | null, at: number): Definition {
    const version = { counter: this.#counter + 1, member: this.#self() };
    const definition = { topic, id, spec, version, at };
    this.put(definition);
    return definition;
  }

  /** Takes a definition of another member if it is newer. */
  merge(other: Definition): MergeResult {
    this.#counter = Math.max(this.#counter, other.version.counter);
    const mine = this.get(other.topic, other.id);
    if (mine !== undefined && compareVersions(mine.version, other.version) >= 0) {
      return { kind: "kept" };
    }
    if (other.spec === null && mine?.version.counter === 0 && mine.spec !== null) {
      return { kind: "revived", now: this.edit(mine.topic, mine.id, mine.spec, mine.at) };
    }
    this.put(other);
    return { kind: "taken", before: mine };
  }

  /** Sets without asking; for what was loaded from disk. */
  put(definition: Definition): void {
    const key = definitionKey(definition.topic, definition.id);
    const before = this.#definitions.get(key);
    if (before !== undefined) this.#digest ^= hashOf(before);
    this.#definitions.set(key, definition);
    this.#digest ^= hashOf(definition);
    this.#counter = Math.max(this.#counter, definition.version.counter);
  }

  drop(definition: Definition): void {
    if (this.#definitions.delete(definitionKey(definition.topic, definition.id))) {
      this.#digest ^= hashOf(definition);
    }
  }

  /**
   * This member joined a cluster: what it brings along yields to everything the cluster says, and what it had deleted is
   * none of the cluster's business. Returns the rewritten and the dropped definitions.
   */
  demote(): { readonly changed: readonly Definition[]; readonly dropped: readonly Definition[] } {
    const changed: Definition[] = [];
    const dropped: Definition[] = [];
    for (const definition of [...this.#definitions.values()]) {
      if (definition.spec === null) {
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

  /** Up to `max` definitions after a key, in the order of keys; `next` is empty at the end. */
  page(
    after: string,
    max: number,
  ): { readonly definitions: readonly Definition[]; readonly next: string } {
    const keys = [...this.#definitions.keys()].sort(compareBytes);
    const rest = keys.filter((key) => after === "" || compareBytes(key, after) > 0);
    const chosen = rest.slice(0, max);
    const definitions = chosen.flatMap((key) => this.#definitions.get(key) ?? []);
    return { definitions, next: rest.length > max ? (chosen.at(-1) ?? "") : "" };
  }
}

export function compareVersions(a: Version, b: Version): number {
  return a.counter - b.counter || (a.member === b.member ? 0 : a.member < b.member ? -1 : 1);
}

/** Key in memory, on disk and in pages. */
export function definitionKey(topic: string, id: string): string {
  return JSON.stringify([topic, id]);
}

function hashOf({ topic, id, version }: Definition): bigint {
  return digestOf(topic, id, String(version.counter), version.member);
}
