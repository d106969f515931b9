/**
 * Topic handlers on every member: edits with the owners' consent, then replicated like all definitions.
 *
 * Every member holds all handlers. An edit is checked, gated on the liveness of the topic's owners, written here and
 * pushed to all members; it is answered when all owners have it on disk. A deleted topic is a tombstone in the same
 * table, under an empty handler ID; versions order deletions among edits, and the time of the edit, by the hybrid clock,
 * tells which events are older than the deletion and to be discarded. Source: reference cluster-behaviour.md U7, U18, U19, U21, U22.
 */

import type { HandlerSpec } from "#alert/handler.ts";
import type { HandlerDefinitions, HandlerEdit, HandlerTable, TopicDeletion } from "#alert/ports.ts";
import { errorMessage } from "#lib/errors.ts";
import { compareBytes } from "#lib/json.ts";
import {
  encodeHandler,
  type HandlerDefinition,
  handlerKey,
  handlerOfKey,
} from "../calls/handler-payloads.ts";
import { probeOwner } from "../calls/probe-owner.ts";
import { pushHandlers } from "../calls/push-handlers.ts";
import { syncHandlers } from "../calls/sync-handlers.ts";
import type { EventStamps } from "../event-stamps.ts";
import type { MemberId } from "../ports.ts";
import { ask, serve } from "../rpc/typed-calls.ts";
import { shownStatus } from "../shown-status.ts";
import {
  DefinitionReplication,
  type ReplicatedKind,
  type ReplicationBase,
  type ReplicationOptions,
} from "./definition-replication.ts";
import { handlerDefinitions, handlerState } from "./kinds.ts";
import { PROBE_TIMEOUT_MS, PUSH_TRIES } from "./limits.ts";

export interface ReplicationParts extends ReplicationBase {
  readonly table: HandlerTable;
  /** Home owners of a topic, which gate its handlers. */
  readonly owners: (topic: string) => readonly MemberId[];
  /**
   * Drops a topic's states on this member; also called for deletions made elsewhere. What is older than `deletion` is
   * discarded from now on.
   */
  readonly deleteTopic: (topic: string, deletion?: TopicDeletion) => Promise<void>;
  /** A deletion that an earlier start carried out. */
  readonly recallDeletion?: (topic: string, before: number) => void;
  /** The hybrid clock; absent: deletions drop what is there and nothing else. */
  readonly stamps?: Pick<EventStamps, "deletion" | "deletedElsewhere" | "deletedBefore">;
}

const DONE: HandlerEdit = { kind: "done" };

const HANDLERS: ReplicatedKind<HandlerSpec> = {
  noun: "handler",
  definitions: handlerDefinitions,
  state: handlerState,
  push: pushHandlers,
  sync: syncHandlers,
  encode: encodeHandler,
  named(key) {
    const { topic, id } = handlerOfKey(key);
    return { topic, handler: id };
  },
  staysWhenRemoved: true,
};

export class HandlerReplication implements HandlerDefinitions {
  readonly #parts: ReplicationParts;
  readonly #replication: DefinitionReplication<HandlerSpec>;
  #edits: Promise<unknown> = Promise.resolve();

  /** Reads the definitions from disk and attaches them. Throws `StorageError`. */
  constructor(parts: ReplicationParts, options: ReplicationOptions) {
    this.#parts = parts;
    this.#replication = new DefinitionReplication(parts, HANDLERS, options, {
      merged: (changes) => {
        for (const { now, before } of changes) this.#attach(now, before);
      },
      dropped: (definitions) => {
        for (const { key, value } of definitions) {
          if (value === null) continue;
          const { topic, id } = handlerOfKey(key);
          this.#parts.table.remove(topic, id);
        }
      },
    });
    for (const definition of this.#replication.all()) {
      if (definition.value !== null) parts.table.set(definition.value);
      else this.#recall(definition);
    }
  }

  /** Starts answering and repairing. Call it before RPC accepts connections. */
  open(): void {
    serve(this.#parts.rpc, probeOwner, () => null);
    this.#replication.open();
  }

  async close(): Promise<void> {
    this.#replication.close();
    await this.#edits;
  }

  list(topic: string): readonly HandlerSpec[] {
    return this.#specs()
      .filter((spec) => spec.topic === topic)
      .sort((a, b) => compareBytes(a.id, b.id));
  }

  topics(): readonly string[] {
    return [...new Set(this.#specs().map(({ topic }) => topic))].sort(compareBytes);
  }

  get(topic: string, id: string): HandlerSpec | undefined {
    return this.#replication.get(handlerKey(topic, id))?.value ?? undefined;
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
    const { deleteTopic, stamps } = this.#parts;
    const others = this.#replication.others();
    const deletion = others.length === 0 ? undefined : stamps?.deletion();
    await deleteTopic(topic, deletion);
    if (others.length === 0) return;
    const deleted = this.#replication.edit(handlerKey(topic, ""), null, deletion?.atMs);
    await this.#replication.commit([deleted]);
    await Promise.all(others.map((member) => this.#replication.push(member, [deleted], 1)));
  }

  /**
   * Called after every sync that went through: this member and that one hold the same definitions and have both carried
   * out the deletions that the other knew of.
   */
  onSynced(listener: (member: MemberId) => void): void {
    this.#replication.onSynced(listener);
  }

  /** Syncs until the member's table equals this one's (U6); false when that took longer than `boundMs`. */
  untilEqual(member: MemberId, boundMs: number): Promise<boolean> {
    return this.#replication.untilEqual(member, boundMs);
  }

  /** Equal on members whose tables are equal. */
  get digest(): string {
    return this.#replication.digest;
  }

  counters(): Readonly<Record<string, number>> {
    return this.#replication.counters();
  }

  #specs(): HandlerSpec[] {
    return [...this.#replication.all()].flatMap(({ value }) => value ?? []);
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
      const made = changes.map(({ id, spec }) =>
        this.#replication.edit(handlerKey(topic, id), spec),
      );
      for (const definition of made) this.#attach(definition);
      await this.#replication.commit(made);
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
    this.#replication.count("edits_refused_owner_down");
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
  async #spread(
    topic: string,
    made: readonly HandlerDefinition[],
    force: boolean,
  ): Promise<HandlerEdit> {
    const owners = new Set(this.#parts.owners(topic));
    const waits: Promise<MemberId | undefined>[] = [];
    for (const member of this.#replication.others()) {
      const isAwaited = owners.has(member) && !force;
      const pushed = this.#replication.push(member, made, isAwaited ? PUSH_TRIES : 1);
      if (isAwaited) waits.push(pushed.then((ok) => (ok ? undefined : member)));
    }
    const missing = (await Promise.all(waits)).find((id) => id !== undefined);
    if (missing === undefined) return DONE;
    return refused(
      `the handler was changed here, but owner ${missing} did not confirm it and gets it later`,
    );
  }

  /** What was raised before a topic was deleted is discarded after a start too. */
  #recall({ key, at }: HandlerDefinition): void {
    const { topic, id } = handlerOfKey(key);
    const before = id === "" ? this.#parts.stamps?.deletedBefore(topic, at) : undefined;
    if (before !== undefined) this.#parts.recallDeletion?.(topic, before);
  }

  #attach(definition: HandlerDefinition, before?: HandlerDefinition): void {
    const { key, value, version, at } = definition;
    const { topic, id } = handlerOfKey(key);
    if (id === "") {
      const { deleteTopic, recallDeletion, stamps } = this.#parts;
      const deletion = stamps?.deletedElsewhere(topic, at, version.member);
      const isBelieved = deletion?.isBelieved === true;
      if (deletion !== undefined && !isBelieved) recallDeletion?.(topic, deletion.before);
      void deleteTopic(topic, isBelieved ? deletion : undefined).catch((error) => {
        this.#parts.log.error("topic not deleted", { topic, err: errorMessage(error) });
      });
    } else if (value === null) this.#parts.table.remove(topic, id);
    else if (before === undefined || !Bun.deepEquals(before.value, value)) {
      this.#parts.table.set(value);
    }
  }
}

function refused(error: string): HandlerEdit {
  return { kind: "refused", error };
}

function alreadyExists(id: string): string {
  return `cannot register handler, handler with ID ${JSON.stringify(id)} already exists`;
}
