/**
 * What must hold of alerts (simulation.md §9, A7–A12 and E3–E7), from what producers published and endpoints took.
 *
 * Of the members' insides only what §9 names is looked at: tables compared between owners, and sizes at the end. What a
 * member knew is what was handed to it: batches, answers to pulls, and its own sends.
 */

import type { AlertEvent } from "#alert/event.ts";
import { DELIVERY_LIMITS } from "#alert/limits.ts";
import { LEFT } from "#cluster/messages/message.ts";
import type { MemberId } from "#cluster/ports.ts";
import type { AlertPlan } from "./alert-plan.ts";
import type { AlertProgram, AlertWitness } from "./alert-program.ts";
import { programOf } from "./alert-run.ts";
import type { Endpoints, Send } from "./endpoints.ts";
import { Explanations, isSilence } from "./explanations.ts";
import type { Fault, Plan } from "./plan.ts";
import type { SimMember, World } from "./sim-member.ts";

export interface Published {
  readonly topic: string;
  readonly id: string;
  readonly time: number;
  readonly level: number;
  readonly firstAt: number;
  /** When a producer last raised it. */
  lastAt: number;
  /** Processes that know it, as producer or owner: member and start. */
  readonly holders: Map<number, number>;
  readonly producers: Set<number>;
}

export interface AlertFrame {
  readonly plan: Plan;
  readonly alerts: AlertPlan;
  readonly members: readonly SimMember[];
  readonly endpoints: Endpoints;
  /** Home owners of a topic, by index. */
  readonly ownersOf: (topic: string) => readonly number[];
  readonly fail: (text: string) => void;
  readonly trace: (line: string) => void;
}

/** What one start of a member was told of completions in its cluster, by lane. */
interface Knowledge {
  readonly boot: number;
  readonly cluster: string;
  readonly done: Map<string, Stamp>;
  pulledAt: number;
  readonly up: Set<MemberId>;
}

interface Stamp {
  readonly time: number;
  readonly level: number;
}

/** A7: from the first publication to the send, ms. */
const HEALTHY_MS = 20;
/** A9: shorter pauses need not be noticed, ms. */
const STALL_MS = 800;
/** What ways and batches add to the distance of two producers, ms. */
const SLACK_MS = 1_000;

export class AlertChecker implements AlertWitness {
  readonly #world: World;
  readonly #frame: AlertFrame;
  readonly #published = new Map<string, Published>();
  readonly #knowledge = new Map<number, Knowledge>();
  readonly #explanations: Explanations;
  readonly counts = new Map<string, number>();
  #quietAt = Number.POSITIVE_INFINITY;

  constructor(world: World, frame: AlertFrame) {
    this.#world = world;
    this.#frame = frame;
    this.#explanations = new Explanations(frame);
    frame.endpoints.onSend = (send) => this.#sent(send);
  }

  // —— what happens ——

  published(member: SimMember, event: AlertEvent): void {
    const key = keyOf(event);
    let one = this.#published.get(key);
    if (one === undefined) {
      const { topic, id, level } = event;
      const firstAt = this.#world.clock.now;
      const holders = new Map<number, number>();
      const producers = new Set<number>();
      one = { topic, id, level, time: event.time.ms, firstAt, lastAt: firstAt, holders, producers };
      this.#published.set(key, one);
    }
    one.lastAt = this.#world.clock.now;
    one.holders.set(member.index, member.boot);
    one.producers.add(member.index);
    this.#frame.trace(`${member.index}: raises ${short(one)}`);
  }

  accepted(member: SimMember, event: AlertEvent): void {
    this.#published.get(keyOf(event))?.holders.set(member.index, member.boot);
  }

  heard(member: SimMember, batch: Parameters<AlertWitness["heard"]>[1]): void {
    const { done } = this.#of(member);
    if ("entries" in batch) for (const entry of batch.entries) learn(done, entry);
    else for (const notice of batch.notices) if (notice.kind === "done") learn(done, notice);
  }

  pulled(member: SimMember): void {
    this.#of(member).pulledAt = this.#world.clock.now;
  }

  link(member: SimMember, other: MemberId, state: "up" | "lost" | "refused"): void {
    const { up } = this.#of(member);
    if (state === "up") up.add(other);
    else up.delete(other);
  }

  busy(member: SimMember, from: MemberId): void {
    this.#count("calls-refused-busy");
    const caller = this.#frame.members.find(({ id }) => id === from);
    if (caller !== undefined)
      this.#explanations.refused(caller.index, member.index, this.#world.clock.now);
  }

  /** The core decided that this member sends now. */
  started(member: SimMember, event: AlertEvent, handler: string): void {
    const { now } = this.#world.clock;
    const at = `${(now / 1000).toFixed(3)} s, member ${member.index}, ${short(truthOf(event))} to ${handler}`;
    this.#frame.trace(`${member.index}: sends ${short(truthOf(event))} to ${handler}`);
    if (now > this.#quietAt) this.#frame.fail(`quiet at ${at}: a send starts`);
    // Who is alone tells everything that it raises, in the order of raising.
    const isAlone = (member.swim?.sizes.members ?? 1) === 1;
    const lane = `${event.topic}/${event.id}/${handler}`;
    const known = isAlone ? undefined : this.#of(member).done.get(lane);
    const order = known === undefined ? 1 : compare(stampOf(event), known);
    if (order === 0) this.#frame.fail(`A8 at ${at}: this member knew that it was done`);
    if (order < 0) this.#frame.fail(`A12 at ${at}: this member knew of a newer one that was done`);
    this.#checkWake(member, at);
  }

  finishedSend(member: SimMember, event: AlertEvent, handler: string): void {
    const { topic, id, time, level } = event;
    const stamp = { ms: time.ms, level };
    learn(this.#of(member).done, { topic, id, handler, stamp });
  }

  /** A9: after a stall nothing is sent before somebody was asked, for a bounded time. */
  #checkWake(member: SimMember, at: string): void {
    const { wokeAt, sleptMs } = member;
    if (sleptMs < STALL_MS) return;
    const { now } = this.#world.clock;
    const wait = Math.min(1_000, this.#frame.alerts.delayMs) - 5;
    const { pulledAt, up } = this.#of(member);
    if (now - wokeAt >= wait || pulledAt >= wokeAt) return;
    // Who said that it leaves is not asked any more.
    const isThere = (other: MemberId): boolean => {
      const entry = member.swim?.entry(other);
      return entry !== undefined && entry.rank < LEFT && entry.profile?.leaving !== true;
    };
    if (![...up].some(isThere)) return;
    this.#frame.fail(`A9 at ${at}: sent ${(now - wokeAt).toFixed(0)} ms after a stall, unasked`);
  }

  faultBegins(fault: Fault): void {
    const { clock } = this.#world;
    this.#explanations.add(fault, clock.now);
  }

  #sent(send: Send): void {
    if (!this.#published.has(nameOf(send)))
      this.#frame.fail(`A11: ${short(send)} was never raised`);
  }

  coreIsWell(core: readonly SimMember[]): void {
    this.#explanations.settled(this.#world.clock.now, core);
  }

  healed(): void {
    this.#explanations.healed(this.#world.clock.now);
  }

  quiet(): void {
    this.#quietAt = this.#world.clock.now;
  }

  // —— eventually ——

  /** Events of one ID go out one after the other. */
  get #longestLane(): number {
    const lanes = new Map<string, number>();
    for (const { topic, id } of this.#frame.alerts.events) {
      lanes.set(`${topic}/${id}`, (lanes.get(`${topic}/${id}`) ?? 0) + 1);
    }
    return Math.max(0, ...lanes.values());
  }

  /**
   * E4 counts R × D + 2 × answer time from a healthy start. What the faults left under way comes before: a send that hangs
   * is waited for up to six delays (U13) and then passes through the owners once more; all owners may have failed and rest
   * for up to 20 s; and events of one ID go out one after the other (U15), so the last of a lane waits for all its answers.
   */
  get tellBoundMs(): number {
    const { delayMs, answerMs, redundancy } = this.#frame.alerts;
    const owners = redundancy === 0 ? this.#frame.members.length : redundancy;
    return (owners + 6) * delayMs + (this.#longestLane + 2) * answerMs + 20_000;
  }

  /**
   * E4, E5: an event is told when an endpoint took it or a newer one of its ID. Asked for are those that a process knew
   * which is one of `holders` and lived on.
   */
  lost(holders: readonly SimMember[]): string | undefined {
    const newest = new Map<string, Stamp>();
    for (const send of this.#frame.endpoints.sends) {
      if (send.acceptedAt === undefined) continue;
      const lane = `${send.topic}/${send.id}/${send.handler}`;
      const known = newest.get(lane);
      if (known === undefined || compare(send, known) > 0) newest.set(lane, send);
    }
    const levels = this.#toldLevels();
    for (const one of this.#published.values()) {
      const alive = holders.find((m) => one.holders.get(m.index) === m.boot && m.state === "up");
      if (alive === undefined) continue;
      for (const handler of this.#frame.alerts.topics[one.topic] ?? []) {
        const told = newest.get(`${one.topic}/${one.id}/${handler}`);
        if (told !== undefined && compare(told, one) >= 0) continue;
        if (this.#wasSaid(one, handler, levels)) continue;
        return `E5: ${short(one)}, known to ${alive.index}, was not told to ${handler}`;
      }
    }
    return undefined;
  }

  /** Events that were told, by lane and level. */
  #toldLevels(): ReadonlyMap<string, readonly Published[]> {
    const told = new Map<string, Published[]>();
    for (const send of this.#frame.endpoints.sends) {
      const one = send.acceptedAt === undefined ? undefined : this.#published.get(nameOf(send));
      if (one === undefined) continue;
      const key = levelKey(one, send.handler);
      const list = told.get(key);
      if (list === undefined) told.set(key, [one]);
      else list.push(one);
    }
    return told;
  }

  /**
   * U16: what only some of the producers raise may be left to the lead, if that one says the same level within
   * `delay-per-member` of it; what a fault holds up may come that much later.
   */
  #wasSaid(
    one: Published,
    handler: string,
    told: ReadonlyMap<string, readonly Published[]>,
  ): boolean {
    if (!this.#isOwnWay(one)) return false;
    const { faults } = this.#frame.plan;
    const upheld = Math.max(0, ...faults.map((fault) => (isSilence(fault) ? fault.lengthMs : 0)));
    const apartMax = this.#frame.alerts.delayMs + upheld + SLACK_MS;
    const near = (other: Published): boolean =>
      other.firstAt - one.lastAt <= apartMax && one.firstAt - other.lastAt <= apartMax;
    return told.get(levelKey(one, handler))?.some(near) === true;
  }

  /** Did only some of the topic's producers raise it? */
  #isOwnWay(one: Published): boolean {
    const all = new Set<number>();
    for (const event of this.#frame.alerts.events) {
      if (event.topic === one.topic) for (const { member } of event.by) all.add(member);
    }
    return one.producers.size < all.size;
  }

  /**
   * E3, E6, E7: owners rank alike, hold equal tables, and nothing is left to do; the last holds for those too who were
   * removed, because they go on telling what they raised.
   */
  unequal(inside: readonly SimMember[]): string | undefined {
    for (const member of this.#frame.members) {
      const program = programOf(member);
      const busy = program === undefined ? undefined : busyWith(program);
      if (busy !== undefined) return `E7: member ${member.index} still has ${busy}`;
    }
    const programs = inside.flatMap((member) => programOf(member) ?? []);
    const [first] = programs;
    if (first === undefined) return undefined;
    const memberOf = (program: AlertProgram): number =>
      inside[programs.indexOf(program)]?.index ?? -1;
    for (const program of programs) {
      const who = `member ${memberOf(program)}`;
      if (program.replication.digest !== first.replication.digest) {
        return `E6: handlers of ${who} differ from those of ${memberOf(first)}`;
      }
      for (const topic of Object.keys(this.#frame.alerts.topics)) {
        const wrong = this.#unequalTopic(topic, program, first, inside, programs);
        if (wrong !== undefined) return `${wrong} at ${who}`;
      }
    }
    return undefined;
  }

  #unequalTopic(
    topic: string,
    program: AlertProgram,
    first: AlertProgram,
    inside: readonly SimMember[],
    programs: readonly AlertProgram[],
  ): string | undefined {
    const owners = program.ownership.owners(topic);
    const theirs = first.ownership.owners(topic);
    if (owners.ranking.join() !== theirs.ranking.join()) return `E3: ranking of ${topic} differs`;
    if (owners.acting.join() !== theirs.acting.join()) return `E3: owners of ${topic} differ`;
    const own = inside[programs.indexOf(program)];
    if (own === undefined || !owners.home.includes(own.id)) return undefined;
    const at = inside.findIndex(
      (member) => member.id === owners.home.find((id) => inside.some((m) => m.id === id)),
    );
    const other = programs[at];
    if (other === undefined) return undefined;
    for (const table of ["states", "completions"] as const) {
      const difference = differing(program[table](), other[table](), `${topic}/`);
      if (difference !== undefined) return `E6: ${table} of ${difference} differ`;
    }
    return undefined;
  }

  /** A7 and A11, over everything that was sent. */
  finished(): void {
    const byName = new Map<string, Send[]>();
    for (const send of this.#frame.endpoints.sends) {
      if (send.acceptedAt === undefined) continue;
      // Who was removed tells the world by itself.
      const name = `${nameOf(send)} ${send.handler} ${send.cluster}`;
      const list = byName.get(name);
      if (list === undefined) byName.set(name, [send]);
      else list.push(send);
    }
    for (const sends of byName.values()) this.#checkSends(sends);
    if (this.#frame.plan.style === "none") this.#checkHealthy(byName);
  }

  #checkSends(sends: readonly Send[]): void {
    const [first, ...extra] = sends;
    if (first === undefined) return;
    const published = this.#published.get(nameOf(first));
    for (const send of extra) {
      this.#count("extra-sends");
      if (published === undefined) continue;
      const earlier = sends.slice(0, sends.indexOf(send));
      if (this.#explanations.explains(earlier, send, published)) continue;
      this.#frame.fail(
        `A11 at ${(send.startedAt / 1000).toFixed(3)} s: ${short(send)} to ${send.handler} by ` +
          `${send.member} after ${earlier.map((s) => `${s.member} at ${(s.startedAt / 1000).toFixed(3)}`).join(", ")}, ` +
          "which no fault explains",
      );
    }
  }

  #checkHealthy(byName: ReadonlyMap<string, readonly Send[]>): void {
    const levels = this.#toldLevels();
    for (const one of this.#published.values()) {
      for (const handler of this.#frame.alerts.topics[one.topic] ?? []) {
        const cluster = this.#frame.members[0]?.swim?.clusterId ?? "";
        const sends = byName.get(`${nameOf(one)} ${handler} ${cluster}`) ?? [];
        const [send] = sends;
        const what = `${short(one)} to ${handler}`;
        if (send === undefined || sends.length !== 1) {
          if (send !== undefined) this.#frame.fail(`A7: ${what} was sent ${sends.length} times`);
          else if (
            !this.#isSuperseded(one, handler, byName) &&
            !this.#wasSaid(one, handler, levels)
          )
            this.#frame.fail(`A7: ${what} was not sent`);
          continue;
        }
        const sender = this.#frame.members[send.member];
        const home = programOf(sender)?.ownership.owners(one.topic).home[0];
        if (sender?.id !== home) this.#frame.fail(`A7: ${what} was not sent by the first owner`);
        const late = send.startedAt - this.#freeAt(one, send);
        // U16: what only some of the producers raise may be kept for the lead.
        if (late > HEALTHY_MS && !this.#isOwnWay(one))
          this.#frame.fail(`A7: ${what} was sent ${late.toFixed(1)} ms after it could be`);
      }
    }
  }

  /**
   * When an event could first be told: raised, nothing of its ID on the way to the handler (U15), and a place free in the
   * handler's queue. Both are promised by the reference, so the 20 ms of A7 count from there.
   */
  #freeAt(one: Published, send: Send): number {
    const others = this.#frame.endpoints.sends.filter(
      (other) => other !== send && other.handler === send.handler && other.member === send.member,
    );
    let at = one.firstAt;
    for (;;) {
      const now = at;
      const busy = others.filter((s) => s.startedAt <= now && endOf(s) > now);
      const lane = busy.filter((s) => s.topic === one.topic && s.id === one.id).map(endOf);
      if (lane.length > 0) at = Math.max(...lane);
      else if (busy.length >= DELIVERY_LIMITS.inFlightMax) at = Math.min(...busy.map(endOf));
      else return at;
      if (at >= send.startedAt) return at;
    }
  }

  /** A newer one of its ID was sent before it could be. */
  #isSuperseded(
    one: Published,
    handler: string,
    byName: ReadonlyMap<string, readonly Send[]>,
  ): boolean {
    for (const sends of byName.values()) {
      const [send] = sends;
      if (send === undefined || send.topic !== one.topic || send.id !== one.id) continue;
      if (send.handler === handler && compare(send, one) > 0 && send.startedAt - one.firstAt < 50)
        return true;
    }
    return false;
  }

  #of(member: SimMember): Knowledge {
    const known = this.#knowledge.get(member.index);
    const cluster = member.swim?.clusterId ?? "";
    if (known?.boot === member.boot && known.cluster === cluster) return known;
    const fresh = {
      boot: member.boot,
      cluster,
      done: new Map<string, Stamp>(),
      pulledAt: Number.NEGATIVE_INFINITY,
      up: new Set<MemberId>(),
    };
    this.#knowledge.set(member.index, fresh);
    return fresh;
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
}

function endOf({ answeredAt }: Send): number {
  return answeredAt ?? Number.POSITIVE_INFINITY;
}

function levelKey({ topic, id, level }: Published, handler: string): string {
  return `${topic}/${id}/${handler}/${level}`;
}

const QUIET_SIZES = ["events_held", "outbox_size", "lanes", "sends_in_flight"];

function busyWith(program: AlertProgram): string | undefined {
  const counters = program.ownership.counters();
  const busy = QUIET_SIZES.find((name) => (counters[name] ?? 0) > 0);
  return busy === undefined ? undefined : `${counters[busy]} ${busy}`;
}

function differing(
  a: ReadonlyMap<string, string>,
  b: ReadonlyMap<string, string>,
  prefix: string,
): string | undefined {
  for (const key of new Set([...a.keys(), ...b.keys()])) {
    if (key.startsWith(prefix) && a.get(key) !== b.get(key))
      return `${key} (${a.get(key)}, ${b.get(key)})`;
  }
  return undefined;
}

function learn(
  done: Map<string, Stamp>,
  entry: {
    readonly topic: string;
    readonly id: string;
    readonly handler: string;
    readonly stamp: { readonly ms: number; readonly level: number };
  },
): void {
  const lane = `${entry.topic}/${entry.id}/${entry.handler}`;
  const stamp = { time: entry.stamp.ms, level: entry.stamp.level };
  const known = done.get(lane);
  if (known === undefined || compare(stamp, known) > 0) done.set(lane, stamp);
}

function compare(a: Stamp, b: Stamp): number {
  return a.time - b.time || a.level - b.level;
}

function truthOf(event: AlertEvent) {
  return { topic: event.topic, id: event.id, time: event.time.ms, level: event.level };
}

function stampOf(event: AlertEvent): Stamp {
  return { time: event.time.ms, level: event.level };
}

function keyOf(event: AlertEvent): string {
  return nameOf(truthOf(event));
}

function nameOf(what: { topic: string; id: string; time: number; level: number }): string {
  return `${what.topic} ${what.id} ${what.time} ${what.level}`;
}

/** An event in messages: topic, ID, seconds of its data time since the beginning, level. */
function short(what: { topic: string; id: string; time: number; level: number }): string {
  return `${what.topic}/${what.id}@${((what.time % 10_000_000) / 1000).toFixed(3)}=${what.level}`;
}
