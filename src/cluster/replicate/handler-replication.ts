/**
 * Topic handlers on every member: edits with the owners' consent, pushed at once, repaired by sync.
 *
 * Every member holds all definitions. An edit is checked, gated on the liveness of the topic's owners, written here and
 * pushed to all members; it is answered when all owners have it on disk. What a push missed, a sync finds: every
 * interval with one random member, and with every member that a connection comes up to. On joining a cluster the
 * cluster's definitions win over those brought along. Source: reference cluster-behaviour.md U7, U18, U19, U21, U22.
 */

import type { HandlerSpec } from "#alert/handler.ts";
import type { HandlerDefinitions, HandlerEdit, HandlerTable } from "#alert/ports.ts";
import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import { compareBytes } from "#lib/json.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { put, remove, type Store, type Write } from "#storage/store.ts";
import { encodeDefinition } from "../calls/handler-payloads.ts";
import { probeOwner } from "../calls/probe-owner.ts";
import { pushHandlers } from "../calls/push-handlers.ts";
import { type SyncAnswer, type SyncRequest, syncHandlers } from "../calls/sync-handlers.ts";
import type { ClusterView, MemberId, Rpc } from "../ports.ts";
import { ask, serve } from "../rpc/typed-calls.ts";
import { shownStatus } from "../shown-status.ts";
import { type Definition, DefinitionTable, definitionKey } from "./definition-table.ts";
import { handlerDefinitions, REPLICATION_STATE, replicationState } from "./kinds.ts";
import {
  CONTACT_EVERY_MS,
  EQUAL_PAUSE_MS,
  PROBE_TIMEOUT_MS,
  PUSH_TIMEOUT_MS,
  PUSH_TRIES,
  SYNC_PAGE_MAX,
  SYNC_RETRY_MS,
  SYNC_TIMEOUT_MS,
  TOMBSTONE_MS,
} from "./limits.ts";

export interface ReplicationParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: Store;
  readonly rpc: Rpc;
  readonly membership: {
    view(): ClusterView;
    onChange(listener: (view: ClusterView) => void): void;
  };
  readonly table: HandlerTable;
  /** Home owners of a topic, which gate its handlers. */
  readonly owners: (topic: string) => readonly MemberId[];
  /** Drops a topic's states on this member; also called for deletions made elsewhere. */
  readonly deleteTopic: (topic: string) => Promise<void>;
}

export interface ReplicationOptions {
  /** `[alert] full-sync-interval`, ms. */
  readonly fullSyncMs: number;
}

const DONE: HandlerEdit = { kind: "done" };

export class HandlerReplication implements HandlerDefinitions {
  readonly #parts: ReplicationParts;
  readonly #options: ReplicationOptions;
  readonly #definitions: DefinitionTable;
  readonly #counters: Record<string, number> = {};
  readonly #syncing = new Set<MemberId>();
  readonly #linked = new Set<MemberId>();
  readonly #retries = new Map<MemberId, Cancel>();
  readonly #synced: ((member: MemberId) => void)[] = [];
  #clusterId: string;
  #contactAt: number;
  #contactStoredAt: number;
  /** Away for longer than tombstones live: the first sync replaces the table. */
  #bootstrap: boolean;
  #edits: Promise<unknown> = Promise.resolve();
  #cancelSync: Cancel = () => {};
  #closed = false;

  /** Reads the definitions from disk and attaches them. Throws `StorageError`. */
  constructor(parts: ReplicationParts, options: ReplicationOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#definitions = new DefinitionTable(() => parts.membership.view().localId);
    const state = parts.store.table(replicationState).get(REPLICATION_STATE);
    this.#clusterId = state?.clusterId ?? parts.membership.view().clusterId;
    this.#contactAt = state?.contactAt ?? 0;
    this.#contactStoredAt = this.#contactAt;
    this.#bootstrap = this.#contactAt > 0 && this.#wallMs() - this.#contactAt > TOMBSTONE_MS;
    for (const [, definition] of parts.store.table(handlerDefinitions).entries()) {
      this.#definitions.put(definition);
      if (definition.spec !== null) parts.table.set(definition.spec);
    }
  }

  /** Starts answering and repairing. Call it before RPC accepts connections. */
  open(): void {
    const { membership, rpc } = this.#parts;
    serve(rpc, pushHandlers, async (from, definitions) => {
      await this.#mergeAll(definitions, from);
      return null;
    });
    serve(rpc, syncHandlers, (_from, request) => this.#answerSync(request));
    serve(rpc, probeOwner, () => null);
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

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelSync();
    for (const cancel of this.#retries.values()) cancel();
    this.#retries.clear();
    await this.#edits;
  }

  list(topic: string): readonly HandlerSpec[] {
    const specs: HandlerSpec[] = [];
    for (const { spec } of this.#definitions.all()) if (spec?.topic === topic) specs.push(spec);
    return specs.sort((a, b) => compareBytes(a.id, b.id));
  }

  topics(): readonly string[] {
    const topics = new Set<string>();
    for (const { spec } of this.#definitions.all()) if (spec !== null) topics.add(spec.topic);
    return [...topics].sort(compareBytes);
  }

  get(topic: string, id: string): HandlerSpec | undefined {
    return this.#definitions.get(topic, id)?.spec ?? undefined;
  }

  create(spec: HandlerSpec, force: boolean): Promise<HandlerEdit> {
    return this.#edit(spec.topic, force, () => {
      if (this.get(spec.topic, spec.id) !== undefined) return refused(alreadyExists(spec.id));
      const wrong = this.#parts.table.check(spec);
      return wrong === undefined ? [{ id: spec.id, spec }] : refused(wrong);
    });
  }

  replace(topic: string, id: string, spec: HandlerSpec, force: boolean): Promise<HandlerEdit> {
    return this.#edit(topic, force, () => {
      const old = this.get(topic, id);
      if (old === undefined) return refused(`unknown handler: ${JSON.stringify(id)}`);
      if (spec.topic !== topic) return refused("a handler cannot move to another topic");
      const renamed = spec.id !== id;
      if (renamed && this.get(topic, spec.id) !== undefined) return refused(alreadyExists(spec.id));
      const wrong = this.#parts.table.check(spec);
      if (wrong !== undefined) return refused(wrong);
      if (!renamed && Bun.deepEquals(old, spec)) return [];
      const set = { id: spec.id, spec };
      return renamed ? [{ id, spec: null }, set] : [set];
    });
  }

  delete(topic: string, id: string, force: boolean): Promise<HandlerEdit> {
    return this.#edit(topic, force, () =>
      this.get(topic, id) === undefined ? [] : [{ id, spec: null }],
    );
  }

  /** Drops a topic's states on all members; those that are away learn it when they return. */
  async deleteTopic(topic: string): Promise<void> {
    await this.#parts.deleteTopic(topic);
    if (this.#others().length === 0) return;
    const deleted = this.#definitions.edit(topic, "", null, this.#wallMs());
    await this.#store([deleted]);
    await Promise.all(this.#others().map((member) => this.#push(member, [deleted], 1)));
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
    const { clock, rpc } = this.#parts;
    const end = clock.monoMs() + boundMs;
    while (!this.#closed && clock.monoMs() < end) {
      const payload: SyncRequest = { digest: this.#definitions.digest, after: "" };
      const timeoutMs = Math.min(SYNC_TIMEOUT_MS, Math.max(1, end - clock.monoMs()));
      const isSame = await ask(rpc, syncHandlers, member, { payload, timeoutMs }).then(
        ({ same }) => same,
        () => false,
      );
      if (isSame) return true;
      await this.#sync(member);
      await new Promise<void>((resolve) => void clock.after(EQUAL_PAUSE_MS, resolve));
    }
    return false;
  }

  /** Equal on members whose tables are equal. */
  get digest(): string {
    return this.#definitions.digest;
  }

  counters(): Readonly<Record<string, number>> {
    const sinceContact = this.#contactAt === 0 ? 0 : this.#wallMs() - this.#contactAt;
    return {
      handler_definitions: this.#definitions.size,
      handler_last_sync_age_ms: Math.max(0, sinceContact),
      ...this.#counters,
    };
  }

  #count(counter: string): void {
    this.#counters[counter] = (this.#counters[counter] ?? 0) + 1;
  }

  #wallMs(): number {
    return Math.max(0, this.#parts.clock.now().ms);
  }

  #others(): readonly MemberId[] {
    const view = this.#parts.membership.view();
    return view.members.map(({ id }) => id).filter((id) => id !== view.localId);
  }

  /**
   * Edits run one after the other. `decide` is asked before the owners are probed, because what is wrong with the request
   * is told first, and again after, because the table may have changed meanwhile.
   */
  #edit(
    topic: string,
    force: boolean,
    decide: () =>
      | HandlerEdit
      | readonly { readonly id: string; readonly spec: HandlerSpec | null }[],
  ): Promise<HandlerEdit> {
    const run = async (): Promise<HandlerEdit> => {
      const first = decide();
      if ("kind" in first) return first;
      const gate = force ? DONE : await this.#probeOwners(topic);
      if (gate.kind === "refused") return gate;
      const changes = decide();
      if ("kind" in changes) return changes;
      if (changes.length === 0) return DONE;
      const at = this.#wallMs();
      const made = changes.map(({ id, spec }) => this.#definitions.edit(topic, id, spec, at));
      for (const definition of made) this.#attach(definition);
      await this.#store(made);
      return this.#spread(topic, made, force);
    };
    const result = this.#edits.then(run);
    this.#edits = result.catch(() => {});
    return result;
  }

  /** U21: all home owners must answer now. */
  async #probeOwners(topic: string): Promise<HandlerEdit> {
    const { rpc, membership, owners } = this.#parts;
    const self = membership.view().localId;
    const probes = owners(topic)
      .filter((id) => id !== self)
      .map(async (id) => {
        const how = { payload: null, timeoutMs: PROBE_TIMEOUT_MS };
        const isThere = await ask(rpc, probeOwner, id, how).then(
          () => true,
          () => false,
        );
        return isThere ? undefined : id;
      });
    const missing = (await Promise.all(probes)).find((id) => id !== undefined);
    if (missing === undefined) return DONE;
    this.#count("handler_edits_refused_owner_down");
    return refused(
      `could not verify liveness of topic owners: status of ${missing} is ${this.#statusOf(missing)}`,
    );
  }

  /** A member that gossip still calls alive but that did not answer is under suspicion. */
  #statusOf(member: MemberId): string {
    const { members } = this.#parts.membership.view();
    const status = members.find(({ id }) => id === member)?.status ?? "removed";
    return status === "alive" ? "suspect" : shownStatus(status);
  }

  /** Resolves when all owners have it on disk; the other members are told without waiting. */
  async #spread(topic: string, made: readonly Definition[], force: boolean): Promise<HandlerEdit> {
    const owners = new Set(this.#parts.owners(topic));
    const waits: Promise<MemberId | undefined>[] = [];
    for (const member of this.#others()) {
      const isAwaited = owners.has(member) && !force;
      const pushed = this.#push(member, made, isAwaited ? PUSH_TRIES : 1);
      if (isAwaited) waits.push(pushed.then((ok) => (ok ? undefined : member)));
    }
    const missing = (await Promise.all(waits)).find((id) => id !== undefined);
    if (missing === undefined) return DONE;
    return refused(
      `the handler was changed here, but owner ${missing} did not confirm it and gets it later`,
    );
  }

  async #push(member: MemberId, made: readonly Definition[], tries: number): Promise<boolean> {
    const payload = { definitions: made.map(encodeDefinition) };
    for (let i = 0; i < tries && !this.#closed; i++) {
      try {
        const how = { payload, timeoutMs: PUSH_TIMEOUT_MS };
        await ask(this.#parts.rpc, pushHandlers, member, how);
        return true;
      } catch (error) {
        this.#count("handler_pushes_failed");
        this.#parts.log.debug("handlers not pushed", { member, err: errorMessage(error) });
      }
    }
    return false;
  }

  async #mergeAll(definitions: readonly Definition[], from: MemberId): Promise<void> {
    const changed: Definition[] = [];
    const revived: Definition[] = [];
    for (const definition of definitions) {
      if (this.#isExpired(definition)) continue;
      const result = this.#definitions.merge(definition);
      if (result.kind === "kept") continue;
      if (result.kind === "revived") {
        revived.push(result.now);
        continue;
      }
      changed.push(definition);
      this.#logReplaced(result.before, definition);
      this.#attach(definition, result.before);
    }
    if (changed.length + revived.length === 0) return;
    this.#count("handler_merges");
    await this.#store([...changed, ...revived]);
    if (revived.length > 0) void this.#push(from, revived, 1);
  }

  /** An edit that lost is shown in full, with both members, because nobody else remembers it. */
  #logReplaced(before: Definition | undefined, after: Definition): void {
    if (before?.spec == null || Bun.deepEquals(before.spec, after.spec)) return;
    const wasOffered = before.version.counter === 0;
    const isConcurrent = before.version.counter === after.version.counter;
    if (!wasOffered && !isConcurrent) return;
    const { topic, id: handler } = before;
    const message = wasOffered
      ? "handler replaced by the cluster's"
      : "concurrent edit of a handler lost";
    this.#parts.log.warn(message, {
      topic,
      handler,
      member: before.version.member,
      winner: after.version.member,
      replaced: JSON.stringify(before.spec, (_key, value) =>
        typeof value === "bigint" ? String(value) : value,
      ),
    });
  }

  #attach(definition: Definition, before?: Definition): void {
    const { topic, id, spec } = definition;
    if (id === "") {
      void this.#parts.deleteTopic(topic).catch((error) => {
        this.#parts.log.error("topic not deleted", { topic, err: errorMessage(error) });
      });
    } else if (spec === null) this.#parts.table.remove(topic, id);
    else if (before === undefined || !Bun.deepEquals(before.spec, spec))
      this.#parts.table.set(spec);
  }

  #isExpired({ spec, at }: Definition): boolean {
    return spec === null && this.#wallMs() - at > TOMBSTONE_MS;
  }

  async #store(changed: readonly Definition[], more: readonly Write[] = []): Promise<void> {
    const writes = changed.map((one) =>
      put(handlerDefinitions, definitionKey(one.topic, one.id), one),
    );
    await this.#parts.store.commit([...writes, ...more]);
  }

  /** A cluster ID that changed means that this member joined (members are there) or was removed (it is alone). */
  #follow(view: ClusterView): void {
    if (view.clusterId === this.#clusterId) return;
    this.#clusterId = view.clusterId;
    this.#bootstrap = false;
    const { changed, dropped } =
      view.members.length > 1 ? this.#definitions.demote() : { changed: [], dropped: [] };
    const gone = dropped.map((one) => remove(handlerDefinitions, definitionKey(one.topic, one.id)));
    this.#contactAt = 0;
    this.#store(changed, [...gone, this.#stateWrite()]).catch((error) => {
      this.#parts.log.error("handlers not written", { err: errorMessage(error) });
    });
  }

  #stateWrite(): Write {
    this.#contactStoredAt = this.#contactAt;
    const state = { clusterId: this.#clusterId, contactAt: this.#contactAt };
    return put(replicationState, REPLICATION_STATE, state);
  }

  #armSync(): void {
    const wait = this.#options.fullSyncMs * (0.9 + 0.2 * this.#parts.random.float());
    this.#cancelSync = this.#parts.clock.after(wait, () => {
      this.#forgetExpired();
      const linked = [...this.#linked];
      const member = linked[this.#parts.random.below(Math.max(1, linked.length))];
      if (member !== undefined) this.#syncSoon(member, 0);
      this.#armSync();
    });
  }

  #forgetExpired(): void {
    const expired = [...this.#definitions.all()].filter((one) => this.#isExpired(one));
    if (expired.length === 0) return;
    for (const definition of expired) this.#definitions.drop(definition);
    const writes = expired.map((one) =>
      remove(handlerDefinitions, definitionKey(one.topic, one.id)),
    );
    this.#parts.store.commit(writes).catch((error) => {
      this.#parts.log.error("tombstones not removed", { err: errorMessage(error) });
    });
  }

  #syncSoon(member: MemberId, delayMs: number): void {
    if (this.#closed || this.#retries.has(member)) return;
    const cancel = this.#parts.clock.after(delayMs, () => {
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
      this.#count("handler_syncs_failed");
      this.#parts.log.debug("handlers not synced", { member, err: errorMessage(error) });
      if (this.#linked.has(member)) this.#syncSoon(member, SYNC_RETRY_MS);
    } finally {
      this.#syncing.delete(member);
    }
  }

  async #pullAll(member: MemberId): Promise<"same" | readonly Definition[]> {
    const all: Definition[] = [];
    const { digest } = this.#definitions;
    let after = "";
    do {
      const payload: SyncRequest = { digest, after };
      const how = { payload, timeoutMs: SYNC_TIMEOUT_MS };
      const answer = await ask(this.#parts.rpc, syncHandlers, member, how);
      if (answer.same) return "same";
      all.push(...answer.definitions);
      after = answer.next;
    } while (after !== "" && !this.#closed);
    return all;
  }

  #answerSync({ digest, after }: SyncRequest): unknown {
    const same = after === "" && digest === this.#definitions.digest;
    const page = same
      ? { definitions: [], next: "" }
      : this.#definitions.page(after, SYNC_PAGE_MAX);
    return {
      same,
      definitions: page.definitions.map(encodeDefinition),
      next: page.next,
    } satisfies Record<keyof SyncAnswer, unknown>;
  }

  async #giveBack(member: MemberId, theirs: readonly Definition[]): Promise<void> {
    const known = new Map(theirs.map((one) => [definitionKey(one.topic, one.id), one.version]));
    const missing = [...this.#definitions.all()].filter((one) => {
      const version = known.get(definitionKey(one.topic, one.id));
      return version === undefined || !Bun.deepEquals(version, one.version);
    });
    this.#count("handler_digest_differences");
    for (let at = 0; at < missing.length; at += SYNC_PAGE_MAX) {
      await this.#push(member, missing.slice(at, at + SYNC_PAGE_MAX), 1);
    }
  }

  /** Away for longer than tombstones live: what the others do not have was deleted meanwhile. */
  async #replaceAll(theirs: readonly Definition[], member: MemberId): Promise<void> {
    const known = new Set(theirs.map((one) => definitionKey(one.topic, one.id)));
    const unknown = [...this.#definitions.all()].filter(
      (one) => !known.has(definitionKey(one.topic, one.id)),
    );
    for (const definition of unknown) {
      this.#definitions.drop(definition);
      if (definition.spec === null) continue;
      this.#parts.table.remove(definition.topic, definition.id);
      const { topic, id: handler } = definition;
      this.#parts.log.warn("handler dropped: this member was away for too long", {
        topic,
        handler,
      });
    }
    const gone = unknown.map((one) => remove(handlerDefinitions, definitionKey(one.topic, one.id)));
    await this.#parts.store.commit(gone);
    await this.#mergeAll(theirs, member);
  }

  async #contacted(): Promise<void> {
    this.#contactAt = this.#wallMs();
    this.#count("handler_syncs");
    if (this.#contactAt - this.#contactStoredAt < CONTACT_EVERY_MS) return;
    await this.#parts.store.commit([this.#stateWrite()]);
  }
}

function refused(error: string): HandlerEdit {
  return { kind: "refused", error };
}

function alreadyExists(id: string): string {
  return `cannot register handler, handler with ID ${JSON.stringify(id)} already exists`;
}
