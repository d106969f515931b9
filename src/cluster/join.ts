/**
 * `member add` and `member remove` as the operator sees them: calls, waiting, and the error lines (U6, U27).
 *
 * Add: offer → target persists and answers → we persist → gossip and a full sync → wait until the new
 * member was heard of itself and holds the same handlers. Every step may be repeated: an add that a crash cut short is finished by running it
 * again. What may join what is decided in `swim/join-rules.ts`.
 */

import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import { ADD_WAIT_MS, HANDOVER_MS } from "./limits.ts";
import { ALIVE, DEAD, LEFT, REMOVED } from "./messages/message.ts";
import type { MemberId, Rpc } from "./ports.ts";
import { entryFromJson, entryToJson } from "./swim/image.ts";
import type { Input } from "./swim/io.ts";
import { decideJoin, idOf, type JoinAnswer, makeOffer, parseOffer } from "./swim/join-rules.ts";
import type { Swim } from "./swim/swim.ts";
import { parseMemberId } from "./transport/hello.ts";

/** For the target to persist and answer, milliseconds. */
const OFFER_MS = 10_000;
/** Offers under way at once; further adds wait for a lane, that is for another member's disk. */
const ADDS_AT_ONCE = 32;
/** For another member to record a removal, milliseconds; the hand-over comes before it. */
const REMOVE_MS = 10_000;
/** For gossip to tell a member that it was removed, when the connection to the one that did it is lost, milliseconds. */
const NEWS_MS = 500;
/** How many others a member asks to record its own removal. */
const TAKERS_MAX = 3;
const REMOVED_MEANWHILE = "this member was removed meanwhile";

export interface JoinHost {
  readonly swim: Swim;
  readonly clock: Clock;
  readonly log: Log;
  readonly rpc: Rpc;
  input(input: Input): void;
  /** Feeds an input that persists; resolves when it is on disk. */
  durable(input: Input): Promise<void>;
  /** Resolves true as soon as the predicate holds after a step, false after `waitMs`. */
  until(holds: () => boolean, waitMs: number): Promise<boolean>;
  /** The cluster ID changed: `cluster.id` and what hangs on it. */
  clusterIdChanged(): Promise<void>;
  /** The member is alive here: waits until it holds what this one does. Bounded; rejects when it does not. */
  caughtUp(member: MemberId): Promise<void>;
  /** Passes on pending work; bounded, never rejects. */
  handOver(why: "leaving" | "removed"): Promise<void>;
}

export class Join {
  readonly #host: JoinHost;
  /** Removals run one after the other, and not while members are added. */
  #removals: Promise<void> = Promise.resolve();
  /** Several adds run at once, one after the other in each lane. */
  readonly #lanes: Promise<void>[] = Array.from({ length: ADDS_AT_ONCE }, () => Promise.resolve());
  #nextLane = 0;
  #adding = 0;

  constructor(host: JoinHost) {
    this.#host = host;
    host.rpc.handle("join-offer", (_from, payload) => this.#answerOffer(payload));
    host.rpc.handle("remove-member", (_from, payload) => this.#answerRemove(payload));
    host.rpc.handle("hand-over", async () => {
      await this.#host.handOver("removed");
      return null;
    });
  }

  /** Throws `Error` with one line for the operator. */
  async add(rpcAddress: string): Promise<void> {
    this.#adding++;
    const { initialized, clusterId } = this.#host.swim;
    try {
      const lane = this.#nextLane++ % ADDS_AT_ONCE;
      const admitted = Promise.all([this.#removals, this.#lanes[lane]]).then(() => {
        // The operator meant the cluster that this member was in, not one that it would begin now.
        if (initialized && this.#host.swim.clusterId !== clusterId)
          throw new Error(REMOVED_MEANWHILE);
        return this.#admit(rpcAddress);
      });
      this.#lanes[lane] = admitted.then(
        () => {},
        () => {},
      );
      await this.#awaitAlive(await admitted);
    } finally {
      this.#adding--;
    }
  }

  remove(id: string): Promise<void> {
    const mine = Promise.all([this.#removals, ...this.#lanes]).then(() => this.#remove(id));
    this.#removals = mine.catch(() => {});
    return mine;
  }

  /** Both sides persist the membership; resolves to the new member's ID. */
  async #admit(rpcAddress: string): Promise<string> {
    const { swim, rpc } = this.#host;
    const cluster = swim.clusterId;
    const offer = makeOffer(cluster, swim.id, swim.table());
    let answer: JoinAnswer;
    try {
      answer = parseAnswer(await rpc.callAddress(rpcAddress, "join-offer", offer, OFFER_MS));
    } catch (error) {
      throw new Error(`could not reach member at ${rpcAddress}: ${errorMessage(error)}`);
    }
    if (!answer.ok) throw new Error(answer.error);
    if ("yields" in answer) return answer.id;
    const entry = entryFromJson(answer.member);
    if (entry.rank !== ALIVE) throw new Error(`member at ${rpcAddress} answered nonsense`);
    const { version, profile } = entry;
    // It answered for the cluster it was offered.
    if (swim.clusterId !== cluster) throw new Error(REMOVED_MEANWHILE);
    await this.#host.durable({ kind: "admit", version, profile });
    if (swim.clusterId !== cluster) throw new Error(REMOVED_MEANWHILE);
    return profile.id;
  }

  /** Alive in our view, and heard of itself: not only by its answer. */
  async #awaitAlive(id: string): Promise<void> {
    const { swim } = this.#host;
    const member = parseMemberId(id);
    const entry = () => (member === undefined ? undefined : swim.entry(member));
    const heard = (): boolean => {
      const { rank, heardAt = Number.NEGATIVE_INFINITY } = entry() ?? {};
      return rank === REMOVED || (rank === ALIVE && heardAt > Number.NEGATIVE_INFINITY);
    };
    if (!(await this.#host.until(heard, ADD_WAIT_MS))) {
      const seconds = ADD_WAIT_MS / 1000;
      throw new Error(`member ${id} was added but is not alive after ${seconds}s`);
    }
    if (entry()?.rank === REMOVED) throw new Error(`member ${id} was removed meanwhile`);
    if (member !== undefined) await this.#host.caughtUp(member);
  }

  async #answerOffer(payload: unknown): Promise<JoinAnswer> {
    const { swim, log } = this.#host;
    const { offer, entries } = parseOffer(payload);
    const { id, clusterId, initialized, epoch, profile } = swim;
    const decision = decideJoin(
      { id, clusterId, initialized, epoch, adding: this.#adding > 0, gossip: profile.gossip },
      offer,
      entries,
    );
    if (decision.kind === "refuse") return { ok: false, error: decision.error };
    if (decision.kind === "yields") return { ok: true, yields: true, id };
    if (decision.kind === "adopt") {
      log.info("joining cluster", { cluster: offer.clusterId, member: offer.adder });
      await this.#host.durable({ kind: "adopt", offer: decision.adoption });
      await this.#host.clusterIdChanged();
    }
    const own = swim.table().find((entry) => idOf(entry) === id);
    if (own === undefined) return { ok: false, error: `member ${id} is not ready` };
    return { ok: true, member: entryToJson(own) };
  }

  async #remove(text: string): Promise<void> {
    const { swim, rpc, log } = this.#host;
    const id = parseMemberId(text);
    const entry = id === undefined ? undefined : swim.entry(id);
    if (id === undefined || entry === undefined || entry.rank === REMOVED) {
      throw new Error(`unknown member ${text}`);
    }
    if (id === swim.id) return this.#removeSelf();
    const cluster = swim.clusterId;
    if (entry.rank !== DEAD && entry.rank !== LEFT) {
      try {
        await rpc.call(id, "hand-over", null, HANDOVER_MS);
      } catch (error) {
        log.warn("removed member did not hand over", { member: id, err: errorMessage(error) });
      }
    }
    if (swim.clusterId !== cluster) throw new Error(REMOVED_MEANWHILE);
    if (swim.entry(id)?.rank !== REMOVED) await this.#host.durable({ kind: "remove", id });
  }

  async #removeSelf(): Promise<void> {
    const { swim, log } = this.#host;
    await this.#host.handOver("removed");
    const others = [...swim.entries()].filter((e) => e.id !== swim.id && e.rank !== REMOVED);
    const alive = others.filter((entry) => entry.rank < DEAD);
    const cluster = swim.clusterId;
    if (alive.length > 0) {
      await this.#askOthers(
        alive.slice(0, TAKERS_MAX).map((entry) => entry.id),
        cluster,
      );
      const told = await this.#host.until(() => swim.clusterId !== cluster, REMOVE_MS);
      if (!told) this.#host.input({ kind: "removed", epoch: swim.epoch });
      return;
    }
    if (others.length > 0) {
      log.warn("no other member is alive to hear of this removal; remove it there too", {
        member: swim.id,
      });
    }
    await this.#host.durable({ kind: "remove", id: swim.id });
  }

  async #askOthers(takers: readonly MemberId[], cluster: string): Promise<void> {
    const { swim, rpc } = this.#host;
    let last = "no member answered";
    for (const taker of takers) {
      try {
        await rpc.call(taker, "remove-member", { id: swim.id }, REMOVE_MS);
        return;
      } catch (error) {
        // Who took it closes the connection that its answer would come by, before or after gossip tells us.
        if (await this.#host.until(() => swim.clusterId !== cluster, NEWS_MS)) return;
        last = errorMessage(error);
      }
    }
    throw new Error(`could not remove member ${swim.id}: ${last}`);
  }

  async #answerRemove(payload: unknown): Promise<null> {
    const { swim } = this.#host;
    const text = (payload as { readonly id?: unknown } | null)?.id;
    const id = typeof text === "string" ? parseMemberId(text) : undefined;
    const entry = id === undefined ? undefined : swim.entry(id);
    if (id === undefined || entry === undefined || id === swim.id) {
      throw new Error(`unknown member ${String(text)}`);
    }
    if (entry.rank !== REMOVED) await this.#host.durable({ kind: "remove", id });
    return null;
  }
}

function parseAnswer(input: unknown): JoinAnswer {
  const answer = input as Partial<Record<string, unknown>> | null;
  if (typeof answer !== "object" || answer === null) throw new Error("bad answer");
  if (answer["ok"] === false) return { ok: false, error: String(answer["error"]) };
  if (answer["yields"] === true) return { ok: true, yields: true, id: String(answer["id"]) };
  // The entry is checked where it is used.
  return { ok: true, member: answer["member"] as never };
}
