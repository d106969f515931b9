/**
 * The world that is told: endpoints outside of the members. They write the ground truth (simulation.md §7).
 *
 * A request takes time on both ways. What an endpoint does, per handler and member, is set by faults: it answers late,
 * refuses, hangs, or takes the event and its answer is lost.
 */

import type { AlertEvent } from "#alert/event.ts";
import { type Outcome, SENT } from "#alert/outcome.ts";
import type { Random } from "#lib/random.ts";
import type { SimMember, World } from "./sim-member.ts";

export type EndpointMood =
  | { readonly kind: "well" }
  | { readonly kind: "slow"; readonly ms: number }
  | { readonly kind: "refuses" }
  | { readonly kind: "hangs" }
  /** Takes the event; the sender never hears of it. */
  | { readonly kind: "mute" };

/** One request as an endpoint saw it. */
export interface Send {
  readonly member: number;
  readonly boot: number;
  /** Cluster the sender belonged to. */
  readonly cluster: string;
  readonly topic: string;
  readonly id: string;
  /** Data time, ms. */
  readonly time: number;
  readonly level: number;
  readonly handler: string;
  readonly startedAt: number;
  /** When the endpoint took it; `undefined` until then, or if it never did. */
  acceptedAt: number | undefined;
  /** When the sender heard of it. */
  answeredAt: number | undefined;
}

const WELL: EndpointMood = { kind: "well" };

export class Endpoints {
  readonly sends: Send[] = [];
  /** Sees every request as it is made. */
  onSend: (send: Send, event: AlertEvent) => void = () => {};
  readonly #world: World;
  readonly #random: Random;
  readonly #moods = new Map<string, EndpointMood>();
  /** A well endpoint answers within this, ms. */
  answerMs = 20;
  /** All there are. */
  names: readonly string[] = [];

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  /** `member` undefined: towards everybody. */
  setMood(handler: string, member: number | undefined, mood: EndpointMood | undefined): void {
    const key = `${handler}/${member ?? "*"}`;
    if (mood === undefined) this.#moods.delete(key);
    else this.#moods.set(key, mood);
  }

  heal(): void {
    this.#moods.clear();
  }

  #mood(handler: string, member: number): EndpointMood {
    return (
      this.#moods.get(`${handler}/${member}`) ??
      this.#moods.get(`${handler}/*`) ??
      this.#moods.get("*/*") ??
      WELL
    );
  }

  request(
    member: SimMember,
    boot: number,
    what: { readonly name: string; readonly event: AlertEvent; readonly signal: AbortSignal },
  ): Promise<Outcome> {
    const { clock } = this.#world;
    const { name, event } = what;
    const send: Send = {
      member: member.index,
      boot,
      cluster: member.swim?.clusterId ?? "",
      topic: event.topic,
      id: event.id,
      time: event.time.ms,
      level: event.level,
      handler: name,
      startedAt: clock.now,
      acceptedAt: undefined,
      answeredAt: undefined,
    };
    this.sends.push(send);
    this.onSend(send, event);
    const mood = this.#mood(name, member.index);
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    if (mood.kind === "hangs") return promise;
    const takes = mood.kind === "slow" ? mood.ms : 0.5 + this.#random.float() * this.answerMs;
    const there = takes * this.#random.float();
    const accepts = mood.kind !== "refuses";
    clock.after(there, () => {
      // A request that was broken off on the way may or may not have arrived; here it did not.
      if (!accepts || what.signal.aborted) return;
      send.acceptedAt = clock.now;
    });
    if (mood.kind === "mute") return promise;
    clock.after(takes, () => {
      if (!member.runs(boot)) return;
      member.run(() => {
        send.answeredAt = clock.now;
        resolve(accepts ? SENT : { kind: "retry", error: "503" });
      });
    });
    return promise;
  }
}
