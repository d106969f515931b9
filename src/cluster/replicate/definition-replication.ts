/**
 * Definitions on every member, whatever they define: pushed when they are made, repaired by sync.
 *
 * What a push missed, a sync finds: every interval with one random member, and with every member that a connection
 * comes up to; only a digest travels while tables are equal. On joining a cluster the cluster's definitions win over
 * those brought along. Who may edit, and what a definition does, is up to whoever owns the table.
 * Source: reference cluster-behaviour.md §14.5, U7, U18, U19.
 */

import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { type Kind, put, remove, type Store, type Write } from "#storage/store.ts";
import type { SyncAnswer, SyncRequest } from "../calls/definition-payloads.ts";
import type { ClusterView, MemberId, Rpc } from "../ports.ts";
import { encodePayload } from "../rpc/codec.ts";
import type { Call } from "../rpc/define-call.ts";
import { RpcError } from "../rpc/rpc-error.ts";
import { ask, serve } from "../rpc/typed-calls.ts";
import { type Definition, DefinitionTable } from "./definition-table.ts";
import { REPLICATION_STATE, type ReplicationState } from "./kinds.ts";
import {
  CONTACT_EVERY_MS,
  EQUAL_PAUSE_MS,
  PUSH_TIMEOUT_MS,
  SYNC_PAGE_BYTES,
  SYNC_PAGE_MAX,
  SYNC_RETRY_MS,
  SYNC_TIMEOUT_MS,
  TOMBSTONE_MS,
} from "./limits.ts";

/** What members need to be connected and told apart. */
export interface ReplicationBase {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: Store;
  readonly rpc: Rpc;
  readonly membership: {
    view(): ClusterView;
    onChange(listener: (view: ClusterView) => void): void;
  };
}

export interface ReplicationOptions {
  /** `[alert] full-sync-interval`, ms. */
  readonly fullSyncMs: number;
}

/** One kind of definitions: its name, where it is kept, and how it travels. */
export interface ReplicatedKind<V> {
  /** Singular, for log lines and counters. */
  readonly noun: string;
  readonly definitions: Kind<Definition<V>>;
  readonly state: Kind<ReplicationState>;
  readonly push: Call<readonly Definition<V>[], null>;
  readonly sync: Call<SyncRequest, SyncAnswer<V>>;
  readonly encode: (definition: Definition<V>) => unknown;
  /** What a log line says of a key. */
  readonly named: (key: string) => Readonly<Record<string, string>>;
  /** Does a member that was removed from its cluster keep them as its own? Else they are dropped. */
  readonly staysWhenRemoved: boolean;
}

/** What the owner of the table does with changes that were not made by it. */
export interface DefinitionEffects<V> {
  /** Definitions of other members took effect. What is returned is waited for before the sender is answered. */
  merged(changes: readonly Merged<V>[]): Promise<void> | void;
  /** These are gone without a tombstone: this member was away for too long, or was removed from its cluster. */
  dropped(definitions: readonly Definition<V>[], why: "away" | "removed"): void;
}

export interface Merged<V> {
  readonly now: Definition<V>;
  readonly before: Definition<V> | undefined;
}

export class DefinitionReplication<V> {
  readonly #base: ReplicationBase;
  readonly #kind: ReplicatedKind<V>;
  readonly #options: ReplicationOptions;
  readonly #effects: DefinitionEffects<V>;
  readonly #table: DefinitionTable<V>;
  readonly #counters: Record<string, number> = {};
  readonly #syncing = new Set<MemberId>();
  readonly #linked = new Set<MemberId>();
  readonly #retries = new Map<MemberId, Cancel>();
  readonly #synced: ((member: MemberId) => void)[] = [];
  #clusterId: string;
  /** Does anybody else belong to the cluster? */
  #isShared: boolean;
  #contactAt: number;
  #contactStoredAt: number;
  /** Away for longer than tombstones live: the first sync replaces the table. */
  #bootstrap: boolean;
  #cancelSync: Cancel = () => {};
  #closed = false;

  /** Reads the definitions from disk. Throws `StorageError`. */
  constructor(
    base: ReplicationBase,
    kind: ReplicatedKind<V>,
    options: ReplicationOptions,
    effects: DefinitionEffects<V>,
  ) {
    this.#base = base;
    this.#kind = kind;
    this.#options = options;
    this.#effects = effects;
    this.#table = new DefinitionTable(() => base.membership.view().localId);
    const view = base.membership.view();
    const state = base.store.table(kind.state).get(REPLICATION_STATE);
    this.#clusterId = state?.clusterId ?? view.clusterId;
    this.#isShared = state?.shared ?? false;
    this.#contactAt = state?.contactAt ?? 0;
    this.#contactStoredAt = this.#contactAt;
    this.#bootstrap = this.#contactAt > 0 && this.wallMs() - this.#contactAt > TOMBSTONE_MS;
    for (const [, definition] of base.store.table(kind.definitions).entries()) {
      this.#table.put(definition);
    }
  }

  /** Starts answering and repairing. Call it before RPC accepts connections. */
  open(): void {
    const { membership, rpc } = this.#base;
    serve(rpc, this.#kind.push, async (from, definitions) => {
      await this.#mergeAll(definitions, from);
      return null;
    });
    serve(rpc, this.#kind.sync, (_from, request) => this.#answerSync(request));
    rpc.onLink((member, state) => {
      if (state === "up") {
        this.#linked.add(member);
        this.#syncSoon(member, 0);
      } else this.#linked.delete(member);
    });
    membership.onChange((view) => this.#follow(view));
    this.#follow(membership.view());
    this.#armSync();
  }

  close(): void {
    this.#closed = true;
    this.#cancelSync();
    for (const cancel of this.#retries.values()) cancel();
    this.#retries.clear();
  }

  get(key: string): Definition<V> | undefined {
    return this.#table.get(key);
  }

  /** Tombstones too. */
  all(): IterableIterator<Definition<V>> {
    return this.#table.all();
  }

  get size(): number {
    return this.#table.size;
  }

  /** Equal on members whose tables are equal. */
  get digest(): string {
    return this.#table.digest;
  }

  /** An edit made here, in memory; `commit` makes it durable. `at`: when, if the editor has its own idea of that, ms. */
  edit(key: string, value: V | null, at = this.wallMs()): Definition<V> {
    return this.#table.edit(key, value, at);
  }

  /** Puts definitions on disk, together with `more`. Rejects with `StorageError`. */
  async commit(made: readonly Definition<V>[], more: readonly Write[] = []): Promise<void> {
    const writes = made.map((one) => put(this.#kind.definitions, one.key, one));
    await this.#base.store.commit([...writes, ...more]);
  }

  /** True when the member has them on disk; tried this often. */
  async push(member: MemberId, made: readonly Definition<V>[], tries: number): Promise<boolean> {
    const payload = { definitions: made.map(this.#kind.encode) };
    for (let i = 0; i < tries && !this.#closed; i++) {
      try {
        const how = { payload, timeoutMs: PUSH_TIMEOUT_MS };
        await ask(this.#base.rpc, this.#kind.push, member, how);
        return true;
      } catch (error) {
        this.count("pushes_failed");
        this.#debug("not pushed", member, error);
      }
    }
    return false;
  }

  /** The other members, well or not. */
  others(): readonly MemberId[] {
    const view = this.#base.membership.view();
    return view.members.map(({ id }) => id).filter((id) => id !== view.localId);
  }

  /**
   * Called after every sync that went through: this member and that one hold the same definitions and have both carried
   * out the deletions that the other knew of.
   */
  onSynced(listener: (member: MemberId) => void): void {
    this.#synced.push(listener);
  }

  /** Syncs until the member's table equals this one's (U6); false when that took longer than `boundMs`. */
  async untilEqual(member: MemberId, boundMs: number): Promise<boolean> {
    const { clock, rpc } = this.#base;
    const end = clock.monoMs() + boundMs;
    while (!this.#closed && clock.monoMs() < end) {
      const payload: SyncRequest = { digest: this.#table.digest, after: "" };
      const timeoutMs = Math.min(SYNC_TIMEOUT_MS, Math.max(1, end - clock.monoMs()));
      const isSame = await ask(rpc, this.#kind.sync, member, { payload, timeoutMs }).then(
        ({ same }) => same,
        () => false,
      );
      if (isSame) return true;
      await this.#sync(member);
      await new Promise<void>((resolve) => void clock.after(EQUAL_PAUSE_MS, resolve));
    }
    return false;
  }

  counters(): Readonly<Record<string, number>> {
    const { noun } = this.#kind;
    const sinceContact = this.#contactAt === 0 ? 0 : this.wallMs() - this.#contactAt;
    return {
      [`${noun}_definitions`]: this.#table.size,
      [`${noun}_last_sync_age_ms`]: Math.max(0, sinceContact),
      ...this.#counters,
    };
  }

  count(what: string): void {
    const counter = `${this.#kind.noun}_${what}`;
    this.#counters[counter] = (this.#counters[counter] ?? 0) + 1;
  }

  wallMs(): number {
    return Math.max(0, this.#base.clock.now().ms);
  }

  #debug(what: string, member: MemberId, error: unknown): void {
    const message = `${this.#kind.noun}s ${what}`;
    this.#base.log.debug(message, { member, err: errorMessage(error) });
  }

  async #mergeAll(definitions: readonly Definition<V>[], from: MemberId): Promise<void> {
    const merged: Merged<V>[] = [];
    const revived: Definition<V>[] = [];
    for (const definition of definitions) {
      // An old tombstone is not kept for its own sake, but what it deleted must not come back by way of us.
      if (this.#isExpired(definition) && this.#table.get(definition.key)?.value == null) continue;
      const result = this.#table.merge(definition);
      if (result.kind === "kept") continue;
      if (result.kind === "revived") {
        revived.push(result.now);
        continue;
      }
      merged.push({ now: definition, before: result.before });
      this.#logReplaced(result.before, definition);
    }
    if (merged.length + revived.length === 0) return;
    this.count("merges");
    const effects = this.#effects.merged(merged);
    await this.commit([...merged.map(({ now }) => now), ...revived]);
    await effects;
    if (revived.length > 0) void this.push(from, revived, 1);
  }

  /** An edit that lost is shown in full, with both members, because nobody else remembers it. */
  #logReplaced(before: Definition<V> | undefined, after: Definition<V>): void {
    if (before?.value == null || Bun.deepEquals(before.value, after.value)) return;
    const wasOffered = before.version.counter === 0;
    const isConcurrent = before.version.counter === after.version.counter;
    if (!wasOffered && !isConcurrent) return;
    const { noun, named } = this.#kind;
    const message = wasOffered
      ? `${noun} replaced by the cluster's`
      : `concurrent edit of a ${noun} lost`;
    this.#base.log.warn(message, {
      ...named(before.key),
      member: before.version.member,
      winner: after.version.member,
      replaced: JSON.stringify(before.value, (_key, value) =>
        typeof value === "bigint" ? String(value) : value,
      ),
    });
  }

  #isExpired({ value, at }: Definition<V>): boolean {
    return value === null && this.wallMs() - at > TOMBSTONE_MS;
  }

  /** A cluster ID that changed means that this member joined (members are there) or was removed (it is alone). */
  #follow(view: ClusterView): void {
    const wasShared = this.#isShared;
    this.#isShared = view.members.length > 1;
    if (view.clusterId === this.#clusterId) {
      if (wasShared !== this.#isShared) this.#rewrite([], []);
      return;
    }
    this.#clusterId = view.clusterId;
    this.#bootstrap = false;
    this.#contactAt = 0;
    if (this.#isShared) {
      const { changed, dropped } = this.#table.demote();
      this.#rewrite(changed, dropped);
    } else if (wasShared && !this.#kind.staysWhenRemoved) {
      const gone = [...this.#table.all()];
      for (const definition of gone) this.#table.drop(definition);
      this.#rewrite([], gone);
      this.#effects.dropped(gone, "removed");
    } else this.#rewrite([], []);
  }

  #rewrite(changed: readonly Definition<V>[], gone: readonly Definition<V>[]): void {
    this.commit(changed, [...this.#removals(gone), this.#stateWrite()]).catch((error) => {
      const message = `${this.#kind.noun}s not written`;
      this.#base.log.error(message, { err: errorMessage(error) });
    });
  }

  #removals(gone: readonly Definition<V>[]): Write[] {
    return gone.map(({ key }) => remove(this.#kind.definitions, key));
  }

  #stateWrite(): Write {
    this.#contactStoredAt = this.#contactAt;
    return put(this.#kind.state, REPLICATION_STATE, {
      clusterId: this.#clusterId,
      contactAt: this.#contactAt,
      shared: this.#isShared,
    });
  }

  #armSync(): void {
    const wait = this.#options.fullSyncMs * (0.9 + 0.2 * this.#base.random.float());
    this.#cancelSync = this.#base.clock.after(wait, () => {
      this.#forgetExpired();
      const linked = [...this.#linked];
      const member = linked[this.#base.random.below(Math.max(1, linked.length))];
      if (member !== undefined) this.#syncSoon(member, 0);
      this.#armSync();
    });
  }

  #forgetExpired(): void {
    const expired = [...this.#table.all()].filter((one) => this.#isExpired(one));
    if (expired.length === 0) return;
    for (const definition of expired) this.#table.drop(definition);
    this.#base.store.commit(this.#removals(expired)).catch((error) => {
      this.#base.log.error("tombstones not removed", { err: errorMessage(error) });
    });
  }

  #syncSoon(member: MemberId, delayMs: number): void {
    if (this.#closed || this.#retries.has(member)) return;
    const cancel = this.#base.clock.after(delayMs, () => {
      this.#retries.delete(member);
      void this.#sync(member);
    });
    this.#retries.set(member, cancel);
  }

  /** Takes what the member has newer, and gives it what it lacks. Never rejects. */
  async #sync(member: MemberId): Promise<void> {
    if (this.#syncing.has(member) || this.#closed) return;
    this.#syncing.add(member);
    try {
      const theirs = await this.#pullAll(member);
      if (theirs !== "same") {
        if (this.#bootstrap) await this.#replaceAll(theirs, member);
        else await this.#mergeAll(theirs, member);
        await this.#giveBack(member, theirs);
      }
      this.#bootstrap = false;
      await this.#contacted();
      for (const listener of this.#synced) listener(member);
    } catch (error) {
      this.count("syncs_failed");
      this.#debug("not synced", member, error);
      if (this.#linked.has(member)) this.#syncSoon(member, SYNC_RETRY_MS);
    } finally {
      this.#syncing.delete(member);
    }
  }

  async #pullAll(member: MemberId): Promise<"same" | readonly Definition<V>[]> {
    const all: Definition<V>[] = [];
    const { digest } = this.#table;
    let after = "";
    do {
      const payload: SyncRequest = { digest, after, stale: this.#bootstrap };
      const how = { payload, timeoutMs: SYNC_TIMEOUT_MS };
      const answer = await ask(this.#base.rpc, this.#kind.sync, member, how);
      if (answer.same) return "same";
      all.push(...answer.definitions);
      after = answer.next;
    } while (after !== "" && !this.#closed);
    return all;
  }

  #answerSync({ digest, after, stale = false }: SyncRequest): unknown {
    const same = after === "" && digest === this.#table.digest;
    if (same) return { same, definitions: [], next: "" };
    // Who asked would take from us what was deleted while we were away. Two that were away have nobody better to ask.
    if (this.#bootstrap && !stale) {
      throw new RpcError("busy", "away for too long, must hear from others first");
    }
    const { definitions, more } = this.#table.page(after, SYNC_PAGE_MAX);
    const page = this.#portion(definitions, 0);
    const isCut = more || page.length < definitions.length;
    return {
      same,
      definitions: page.map(this.#kind.encode),
      next: isCut ? (page.at(-1)?.key ?? "") : "",
    } satisfies Record<keyof SyncAnswer<V>, unknown>;
  }

  /** From a position as many as fit in one call; at least one. */
  #portion(definitions: readonly Definition<V>[], from: number): readonly Definition<V>[] {
    let bytes = 0;
    let to = from;
    while (to < definitions.length && to - from < SYNC_PAGE_MAX) {
      const next = definitions[to];
      if (next === undefined) break;
      bytes += encodePayload(this.#kind.encode(next)).length;
      if (to > from && bytes > SYNC_PAGE_BYTES) break;
      to++;
    }
    return definitions.slice(from, to);
  }

  async #giveBack(member: MemberId, theirs: readonly Definition<V>[]): Promise<void> {
    const known = new Map(theirs.map(({ key, version }) => [key, version]));
    const missing = [...this.#table.all()].filter(({ key, version }) => {
      const other = known.get(key);
      return other === undefined || !Bun.deepEquals(other, version);
    });
    this.count("digest_differences");
    for (let at = 0; at < missing.length; ) {
      const portion = this.#portion(missing, at);
      await this.push(member, portion, 1);
      at += portion.length;
    }
  }

  /** Away for longer than tombstones live: what the others do not have was deleted meanwhile. */
  async #replaceAll(theirs: readonly Definition<V>[], member: MemberId): Promise<void> {
    const known = new Set(theirs.map(({ key }) => key));
    const unknown = [...this.#table.all()].filter(({ key }) => !known.has(key));
    const { noun, named } = this.#kind;
    for (const definition of unknown) {
      this.#table.drop(definition);
      if (definition.value === null) continue;
      this.#base.log.warn(`${noun} dropped: this member was away for too long`, {
        ...named(definition.key),
      });
    }
    this.#effects.dropped(unknown, "away");
    await this.#base.store.commit(this.#removals(unknown));
    await this.#mergeAll(theirs, member);
  }

  async #contacted(): Promise<void> {
    this.#contactAt = this.wallMs();
    this.count("syncs");
    if (this.#contactAt - this.#contactStoredAt < CONTACT_EVERY_MS) return;
    await this.#base.store.commit([this.#stateWrite()]);
  }
}
