/**
 * Several members' ownership cores in one process: virtual time, a network that delays, cuts and repeats, disks that lose
 * what was not synced, and endpoints outside of the members that write the ground truth.
 *
 * Everything follows from the seed. Every batch and page is encoded and decoded. Membership is an oracle: who is dead
 * becomes known after the delays that the detector needs (reference gossip.md §7).
 */

import type { AlertEvent } from "#alert/event.ts";
import type { Level } from "#alert/level.ts";
import { announceInline } from "#cluster/calls/announce-inline.ts";
import { deliverAlerts, encodeBatch } from "#cluster/calls/deliver-alerts.ts";
import { encodePullAnswer, pullCompletions } from "#cluster/calls/pull-completions.ts";
import type { CompletionRow } from "#cluster/ownership/completions.ts";
import { OwnershipCore } from "#cluster/ownership/core.ts";
import { batchTimeoutMs } from "#cluster/ownership/limits.ts";
import type { CompletionEntry } from "#cluster/ownership/notices.ts";
import type { Output } from "#cluster/ownership/outputs.ts";
import { TimerHeap } from "#cluster/ownership/timer-heap.ts";
import type { ClusterView, MemberId, MemberStatus } from "#cluster/ports.ts";
import { memberIdFromBytes } from "#cluster/transport/hello.ts";
import { SeededRandom } from "#lib/random.ts";

export interface SimOptions {
  readonly seed: number;
  readonly members: number;
  readonly redundancy?: number;
  readonly delayMs?: number;
  readonly handlers?: readonly string[];
  /** Largest time an endpoint takes, ms. */
  readonly endpointMs?: number;
  /** Probability that a delivered batch's acknowledgement is lost. */
  readonly ackLoss?: number;
  /** Answers a send: does the endpoint accept it? */
  readonly accepts?: (send: Send) => boolean;
  /** Handlers try again: for a turn while another owner can, else every second, 60 times. */
  readonly retries?: boolean;
  /** Refuses a send for good. */
  readonly rejects?: (send: Send) => boolean;
  /** A send that never ends. */
  readonly hangs?: (send: Send) => boolean;
  /** Sends of one member at once; further ones are queued. Default: no bound. */
  readonly atOnce?: number;
  /** Handlers that a member has; default: all of `handlers`. */
  readonly handlersOf?: (member: number, topic: string) => readonly string[];
}

/** One request as an endpoint saw it. */
export interface Send {
  readonly member: number;
  readonly topic: string;
  readonly id: string;
  readonly at: number;
  readonly level: Level;
  readonly handler: string;
  /** Data time, ms. */
  readonly time: number;
  ended: number | undefined;
  accepted: boolean;
}

interface Call {
  readonly from: Sim;
  readonly fromBoot: number;
  readonly to: Sim;
  readonly toBoot: number;
  readonly started: number;
  /** Runs at the receiver; returns the answer. */
  readonly serve: (core: OwnershipCore) => unknown;
  /** Runs at the caller; `undefined` = failed. */
  readonly done: (core: OwnershipCore, answer: unknown) => void;
}

interface Sim {
  readonly index: number;
  readonly id: MemberId;
  core: OwnershipCore | undefined;
  boot: number;
  paused: boolean;
  pausedAt: number;
  stalledMs: number;
  /** What arrived during a pause. */
  inbox: (() => void)[];
  tickSet: number;
  statuses: Map<MemberId, { status: MemberStatus; crashEvidence: boolean }>;
  members: readonly number[];
  readonly pending: Map<string, { event: AlertEvent; local: boolean }>;
  readonly completions: Map<string, CompletionRow>;
  accepted: number;
  /** Inline topics and the handlers of each. */
  readonly inline: Map<string, string>;
  /** Events of inline topics that were raised here and shared. */
  readonly recorded: string[];
  /** Starts that wait for a free place, and sends under way. */
  queue: Extract<Output, { kind: "start" }>[];
  busy: number;
  diskAt: number;
  left: boolean;
}

const isInline = (topic: string): boolean => topic.startsWith("main:");

const SILENCE_MS = 4000;
const STALL_MS = 600;

export class Simulation {
  readonly sends: Send[] = [];
  readonly sims: Sim[] = [];
  readonly random: SeededRandom;
  readonly options: SimOptions;
  readonly delayMs: number;
  now = 0;
  trace = 0;
  readonly #heap = new TimerHeap();
  readonly #cuts = new Set<string>();
  readonly #known = new Map<string, string>();
  readonly #versions = new Map<string, number>();
  readonly #linkUp = new Set<string>();

  constructor(options: SimOptions) {
    this.options = options;
    this.delayMs = options.delayMs ?? 10_000;
    this.random = new SeededRandom(options.seed);
    for (let index = 0; index < options.members; index++) this.sims.push(this.#newSim(index));
    for (const sim of this.sims) this.#start(sim);
    this.#reconcile();
  }

  at(time: number, run: () => void): void {
    this.#heap.set(Math.max(time, this.now), run);
  }

  /** Runs until virtual time `end`. */
  run(end: number): void {
    for (let next = this.#heap.nextAt(); next !== undefined && next <= end; ) {
      this.now = next;
      this.#heap.runDue(next);
      next = this.#heap.nextAt();
    }
    this.now = end;
  }

  sim(index: number): Sim {
    const sim = this.sims[index];
    if (sim === undefined) throw new Error(`no member ${index}`);
    return sim;
  }

  core(index: number): OwnershipCore {
    const { core } = this.sim(index);
    if (core === undefined) throw new Error(`member ${index} is down`);
    return core;
  }

  /** The members' indices in rank order for a topic. */
  ranking(topic: string): number[] {
    const some = this.sims.find((sim) => sim.core !== undefined);
    const ids = some?.core?.owners(topic).ranking ?? [];
    return ids.map((id) => this.sims.findIndex((sim) => sim.id === id));
  }

  counter(index: number, name: string): number {
    return this.core(index).counters()[name] ?? 0;
  }

  /** Sum over the members that are up. */
  total(name: string): number {
    let sum = 0;
    for (const sim of this.sims) sum += sim.core?.counters()[name] ?? 0;
    return sum;
  }

  publish(index: number, event: AlertEvent, scope: "cluster" | "local" = "cluster"): void {
    const sim = this.sim(index);
    this.#input(sim, (core, now) => core.publish(event, scope, now));
  }

  openInline(index: number, topic: string, set = "slack"): void {
    this.sim(index).inline.set(topic, set);
    this.#input(this.sim(index), (core, now) => core.openInline(topic, set, now));
  }

  closeInline(index: number, topic: string): void {
    const sim = this.sim(index);
    this.#input(sim, (core, now) => core.closeInline(topic, now));
    sim.inline.delete(topic);
  }

  kill(index: number): void {
    const sim = this.sim(index);
    sim.core = undefined;
    sim.inbox = [];
    sim.paused = false;
    this.#reconcile();
  }

  restart(index: number): void {
    const sim = this.sim(index);
    if (sim.core !== undefined) return;
    this.#start(sim);
    this.#reconcile();
  }

  pause(index: number): void {
    const sim = this.sim(index);
    if (sim.core === undefined || sim.paused) return;
    sim.paused = true;
    sim.pausedAt = this.now;
    this.#reconcile();
  }

  resume(index: number): void {
    const sim = this.sim(index);
    if (!sim.paused) return;
    sim.paused = false;
    const slept = this.now - sim.pausedAt;
    if (slept > STALL_MS) {
      sim.stalledMs += slept;
      this.#input(sim, (core, now) => core.stalled(now, slept));
    }
    const inbox = sim.inbox;
    sim.inbox = [];
    for (const run of inbox) run();
    this.#input(sim, (core, now) => core.tick(now));
    this.#reconcile();
  }

  leave(index: number): void {
    const sim = this.sim(index);
    for (const other of this.sims) {
      this.#soon(1, 20, () => this.#setStatus(other, sim, "leaving", false));
    }
    this.#input(sim, (core, now) => core.leave("leaving", now));
  }

  /** `member remove` of a live member: it hands over, then everybody is told. */
  remove(index: number): void {
    const sim = this.sim(index);
    this.#input(sim, (core, now) => core.leave("removed", now));
    const others = sim.members.filter((other) => other !== index);
    const check = (): void => {
      if (sim.left) this.setMembers(others);
      else this.#soon(5, 6, check);
    };
    check();
  }

  cut(a: number, b: number): void {
    this.#cuts.add(`${a} ${b}`).add(`${b} ${a}`);
    this.#reconcile();
  }

  /** Separates a group from everybody else. */
  isolate(group: readonly number[]): void {
    for (const a of group) {
      for (const { index } of this.sims) if (!group.includes(index)) this.cut(a, index);
    }
  }

  heal(): void {
    this.#cuts.clear();
    this.#reconcile();
  }

  /** Changes the table everywhere, as `member add` and `member remove` do. */
  setMembers(indices: readonly number[]): void {
    for (const sim of this.sims) {
      // Who is added or removed learns of it first: it is asked before anybody else is told.
      const isFirst = sim.members.length === 1 || !indices.includes(sim.index);
      this.#soon(isFirst ? 0 : 1, isFirst ? 0 : 50, () => {
        sim.members = indices.includes(sim.index) ? indices : [sim.index];
        this.#input(sim, (core, now) => core.setView(this.#view(sim), now));
        this.#reconcile();
      });
    }
  }

  /** Events of a topic, ready to be published. */
  event(topic: string, id: string, time: number, level: Level = 3): AlertEvent {
    return {
      topic,
      id,
      message: `${id} is ${level}`,
      details: "",
      time: { ms: time, ns: 0 },
      duration: 0,
      level,
      name: "cpu",
      taskName: "t",
      category: "",
      group: "nil",
      tags: { host: id },
      fields: { value: time },
      recoverable: true,
      series: null,
      hops: 0,
    };
  }

  #newSim(index: number): Sim {
    const bytes = this.random.bytes(16);
    return {
      index,
      id: memberIdFromBytes(bytes),
      core: undefined,
      boot: 0,
      paused: false,
      pausedAt: 0,
      stalledMs: 0,
      inbox: [],
      tickSet: Number.POSITIVE_INFINITY,
      statuses: new Map(),
      members: Array.from({ length: this.options.members }, (_, i) => i),
      pending: new Map(),
      completions: new Map(),
      accepted: 0,
      inline: new Map(),
      recorded: [],
      queue: [],
      busy: 0,
      diskAt: 0,
      left: false,
    };
  }

  #start(sim: Sim): void {
    sim.boot++;
    sim.stalledMs = 0;
    sim.left = false;
    sim.queue = [];
    sim.busy = 0;
    sim.statuses = new Map();
    sim.tickSet = Number.POSITIVE_INFINITY;
    const boot = sim.boot;
    const { handlers = ["h"], handlersOf } = this.options;
    sim.core = new OwnershipCore(
      {
        accept: (event) => {
          sim.accepted++;
          return handlersOf?.(sim.index, event.topic) ?? handlers;
        },
        acceptCopy: (event) => (sim.inline.has(event.topic) ? handlers : []),
        record: (event) => sim.recorded.push(`${event.id} ${event.time.ms}`),
        isQueued: (ticket) => sim.queue.some((start) => start.ticket === ticket),
        withdraw: (ticket) => this.#withdraw(sim, ticket),
      },
      new SeededRandom(this.options.seed ^ (sim.index * 7919 + boot)),
      { boot: `${sim.index}.${boot}`, delayMs: this.delayMs, fullSyncMs: 20_000, isInline },
      { view: this.#view(sim), now: this.#coreNow(sim), completions: completionsOf(sim) },
    );
    for (const { index } of this.sims) {
      this.#known.delete(`${sim.index} ${index}`);
      this.#linkUp.delete(`${sim.index} ${index}`);
    }
    const pending = [...sim.pending].map(([row, { event, local }]) => ({ row, event, local }));
    this.#input(sim, (core, now) => {
      for (const [topic, set] of sim.inline) core.openInline(topic, set, now);
      core.inlineReady(now);
      core.recover(pending, now);
    });
  }

  #coreNow(sim: Sim): number {
    return this.now - sim.stalledMs;
  }

  #view(sim: Sim): ClusterView {
    return {
      clusterId: "sim",
      localId: sim.id,
      initialized: sim.members.length > 1,
      members: sim.members.map((index) => {
        const { id } = this.sim(index);
        const seen = sim.statuses.get(id) ?? { status: "alive", crashEvidence: false };
        return {
          id,
          gossipAddress: "",
          rpcAddress: "",
          apiAddress: "",
          roles: [],
          joined: index,
          redundancy: this.options.redundancy ?? 0,
          ...seen,
        };
      }),
    };
  }

  /** Gives an input to a member, now or when it wakes; nothing if it died meanwhile. */
  #input(sim: Sim, run: (core: OwnershipCore, now: number) => void): void {
    if (sim.core === undefined) return;
    if (sim.paused) {
      const { boot } = sim;
      sim.inbox.push(() => {
        if (sim.boot === boot) this.#input(sim, run);
      });
      return;
    }
    run(sim.core, this.#coreNow(sim));
    this.trace = (Math.imul(this.trace, 31) + Math.round(this.now * 1000) + sim.index) | 0;
    this.#perform(sim, sim.core);
  }

  #perform(sim: Sim, core: OwnershipCore): void {
    for (const output of core.flush(this.#coreNow(sim))) this.#output(sim, output);
    const next = core.nextAt();
    if (next === undefined) return;
    const at = next + sim.stalledMs;
    if (at >= sim.tickSet && sim.tickSet > this.now) return;
    sim.tickSet = at;
    const { boot } = sim;
    this.at(at, () => {
      if (sim.boot !== boot || sim.tickSet > this.now) return;
      sim.tickSet = Number.POSITIVE_INFINITY;
      // Adding and subtracting stalls may lose the last bit: never tick before the time that was asked for.
      if (!sim.paused) this.#input(sim, (running, now) => running.tick(Math.max(now, next)));
    });
  }

  #output(sim: Sim, output: Output): void {
    switch (output.kind) {
      case "batch": {
        const wire = JSON.stringify(encodeBatch(output.batch));
        this.#call(sim, output.to, {
          serve: (core) =>
            core.received(sim.id, deliverAlerts.parseRequest(JSON.parse(wire)), this.#time(core)),
          done: (core, answer) =>
            answer === undefined
              ? core.undelivered(output.to, output.number, this.#coreNow(sim), "failed")
              : core.delivered(output.to, output.number, this.#coreNow(sim)),
        });
        return;
      }
      case "pull": {
        const wire = JSON.stringify(output.request);
        this.#call(sim, output.from, {
          serve: (core) => {
            const request = pullCompletions.parseRequest(JSON.parse(wire));
            return JSON.stringify(encodePullAnswer(core.answerPull(sim.id, request)));
          },
          done: (core, answer) =>
            core.pulled(
              output.from,
              typeof answer === "string"
                ? pullCompletions.parseAnswer(JSON.parse(answer))
                : undefined,
              this.#coreNow(sim),
            ),
        });
        return;
      }
      case "announce": {
        const wire = JSON.stringify(output.announcement);
        this.#call(sim, output.to, {
          serve: (core) => {
            const said = announceInline.parseRequest(JSON.parse(wire));
            return JSON.stringify(core.announced(sim.id, said, this.#time(core)));
          },
          done: (core, answer) =>
            core.announcementAnswered(
              output.to,
              typeof answer === "string"
                ? announceInline.parseAnswer(JSON.parse(answer))
                : undefined,
              this.#coreNow(sim),
            ),
        });
        return;
      }
      case "start":
        sim.queue.push(output);
        this.#startQueued(sim);
        return;
      case "cancel":
        this.#withdraw(sim, output.ticket);
        return;
      case "write":
        this.#write(sim, output);
        return;
      case "left":
        sim.left = true;
        return;
    }
  }

  #time(core: OwnershipCore): number {
    const sim = this.sims.find((other) => other.core === core);
    return sim === undefined ? this.now : this.#coreNow(sim);
  }

  #withdraw(sim: Sim, ticket: number): boolean {
    const at = sim.queue.findIndex((start) => start.ticket === ticket);
    if (at >= 0) sim.queue.splice(at, 1);
    return at >= 0;
  }

  #startQueued(sim: Sim): void {
    while (sim.busy < (this.options.atOnce ?? Number.POSITIVE_INFINITY)) {
      const start = sim.queue.shift();
      if (start === undefined) return;
      sim.busy++;
      this.#startSend(sim, start);
    }
  }

  #startSend(sim: Sim, start: Extract<Output, { kind: "start" }>, attempt = 1): void {
    const { ticket, event, handler, brief } = start;
    const send: Send = {
      member: sim.index,
      topic: event.topic,
      id: event.id,
      at: this.now,
      time: event.time.ms,
      level: event.level,
      handler,
      ended: undefined,
      accepted: false,
    };
    this.sends.push(send);
    if (this.options.hangs?.(send) === true) return;
    const { boot } = sim;
    this.#soon(0.5, this.options.endpointMs ?? 5, () => {
      send.ended = this.now;
      send.accepted = this.options.accepts?.(send) ?? true;
      if (sim.boot !== boot) return;
      const rejected = this.options.rejects?.(send) === true;
      const again = this.options.retries === true && !send.accepted && !rejected;
      if (again && attempt < (brief ? 3 : 60)) {
        const pauseMs = brief ? 200 * attempt : 1000;
        this.#soon(pauseMs, pauseMs, () => {
          if (sim.boot === boot) this.#startSend(sim, start, attempt + 1);
        });
        return;
      }
      const end = again && brief ? "turn over" : send.accepted;
      this.#input(sim, (core, now) => {
        sim.busy--;
        this.#startQueued(sim);
        core.sendFinished(ticket, end, now);
      });
    });
  }

  #write(sim: Sim, { number, writes }: Extract<Output, { kind: "write" }>): void {
    const { boot } = sim;
    // Commits become durable in order.
    sim.diskAt = Math.max(sim.diskAt, this.now + 0.2 + this.random.float() * 20);
    this.at(sim.diskAt, () => {
      if (sim.boot !== boot || sim.core === undefined) return;
      for (const write of writes) {
        if (write.kind === "put-pending") sim.pending.set(write.key, write);
        else if (write.kind === "remove-pending") sim.pending.delete(write.key);
        else if (write.kind === "put-completions") {
          sim.completions.set(JSON.stringify([write.row.topic, write.row.id]), write.row);
        } else sim.completions.delete(JSON.stringify([write.topic, write.id]));
      }
      this.#input(sim, (core, now) => core.written(number, true, now));
    });
  }

  #call(from: Sim, to: MemberId, parts: Pick<Call, "serve" | "done">): void {
    const target = this.sims.find((sim) => sim.id === to);
    if (target === undefined) return;
    const boots = { fromBoot: from.boot, toBoot: target.boot };
    this.#deliver({ from, to: target, started: this.now, ...boots, ...parts });
  }

  #deliver(call: Call): void {
    this.#soon(0.1, 0.6, () => {
      const { to, from } = call;
      if (to.core === undefined || to.boot !== call.toBoot || !this.#isLinked(from, to)) {
        this.#fail(call);
      } else if (this.#isCut(from, to)) {
        if (this.now - call.started > SILENCE_MS) this.#fail(call);
        else this.#soon(100, 300, () => this.#deliver(call));
      } else this.#serve(call);
    });
  }

  #serve(call: Call): void {
    let answered = false;
    const timeout = batchTimeoutMs(this.delayMs);
    this.#soon(timeout, timeout + 1, () => {
      if (answered) return;
      answered = true;
      this.#finish(call, undefined);
    });
    this.#input(call.to, (core) => {
      const answer = call.serve(core) ?? null;
      // A connection that breaks between the two: carried out, but the caller sees a failure.
      const broken = this.random.float() < (this.options.ackLoss ?? 0);
      this.#answer(call, () => {
        if (answered) return;
        answered = true;
        this.#finish(call, broken ? undefined : answer);
      });
    });
  }

  #answer(call: Call, arrive: () => void): void {
    this.#soon(0.1, 0.6, () => {
      if (!this.#isCut(call.from, call.to)) arrive();
      else if (this.now - call.started <= SILENCE_MS) this.#answer(call, arrive);
    });
  }

  #fail(call: Call): void {
    this.#soon(0.1, 1, () => this.#finish(call, undefined));
  }

  #finish(call: Call, answer: unknown): void {
    if (call.from.boot !== call.fromBoot) return;
    this.#input(call.from, (core) => call.done(core, answer));
  }

  /** A connection that one side has given up carries nothing. */
  #isLinked(a: Sim, b: Sim): boolean {
    return this.#linkUp.has(`${a.index} ${b.index}`) && this.#linkUp.has(`${b.index} ${a.index}`);
  }

  #isCut(a: Sim, b: Sim): boolean {
    return this.#cuts.has(`${a.index} ${b.index}`);
  }

  #soon(minMs: number, maxMs: number, run: () => void): void {
    this.at(this.now + minMs + this.random.float() * (maxMs - minMs), run);
  }

  /** Lets every member find out, in its time, what changed about every other one. */
  #reconcile(): void {
    for (const a of this.sims) {
      if (a.core === undefined) continue;
      for (const b of this.sims) if (a !== b) this.#observe(a, b);
    }
  }

  #observe(a: Sim, b: Sim): void {
    const pair = `${a.index} ${b.index}`;
    if (!a.members.includes(b.index) || !b.members.includes(a.index)) {
      this.#known.delete(pair);
      this.#linkUp.delete(pair);
      return;
    }
    const silent = this.#isCut(a, b) || b.paused || a.paused;
    const state =
      b.core === undefined && !this.#isCut(a, b)
        ? "dead"
        : silent || b.core === undefined
          ? "silent"
          : `ok ${b.boot}`;
    if (this.#known.get(pair) === state) return;
    this.#known.set(pair, state);
    const version = (this.#versions.get(pair) ?? 0) + 1;
    this.#versions.set(pair, version);
    const { boot } = a;
    const then = (min: number, max: number, run: () => void): void =>
      this.#soon(min, max, () => {
        if (this.#versions.get(pair) === version && a.boot === boot) run();
      });
    if (state === "dead") {
      then(0.5, 1, () => this.#setLink(a, b, "lost"));
      then(110, 130, () => this.#setLink(a, b, "refused"));
      then(1500, 2100, () => this.#setStatus(a, b, "dead", true));
    } else if (state === "silent") {
      then(SILENCE_MS, SILENCE_MS + 500, () => this.#setLink(a, b, "lost"));
      then(3000, 4500, () => this.#setStatus(a, b, "dead", false));
    } else {
      if (this.#linkUp.has(pair) && this.#bootSeen.get(pair) !== b.boot) {
        then(0.5, 1, () => this.#setLink(a, b, "lost"));
      }
      // A connection comes up on both sides at nearly the same time.
      const wait = 5 + 395 * halfDigest(this.options.seed, a, b);
      then(wait, wait, () => {
        this.#bootSeen.set(pair, b.boot);
        this.#setLink(a, b, "up");
      });
      then(100, 900, () => this.#setStatus(a, b, "alive", false));
    }
  }

  readonly #bootSeen = new Map<string, number>();

  #setLink(a: Sim, b: Sim, state: "up" | "lost" | "refused"): void {
    const pair = `${a.index} ${b.index}`;
    const isUp = this.#linkUp.has(pair);
    if ((state === "up") === isUp && state !== "refused") return;
    if (state === "up") this.#linkUp.add(pair);
    else this.#linkUp.delete(pair);
    this.#input(a, (core, now) => core.link(b.id, state, now));
  }

  #setStatus(a: Sim, b: Sim, status: MemberStatus, crashEvidence: boolean): void {
    const seen = a.statuses.get(b.id);
    if ((seen?.status ?? "alive") === status) return;
    a.statuses.set(b.id, { status, crashEvidence });
    this.#input(a, (core, now) => core.setView(this.#view(a), now));
  }
}

/** A number in [0, 1) that is the same for both directions of a pair. */
function halfDigest(seed: number, a: Sim, b: Sim): number {
  const [low, high] = a.index < b.index ? [a, b] : [b, a];
  return new SeededRandom(
    seed ^ (low.index * 131 + high.index * 17 + low.boot + high.boot),
  ).float();
}

function completionsOf(sim: Sim): CompletionEntry[] {
  const completions: CompletionEntry[] = [];
  for (const { topic, id, handlers } of sim.completions.values()) {
    for (const [handler, { stamp, by }] of Object.entries(handlers)) {
      completions.push({ topic, id, handler, stamp, by });
    }
  }
  return completions;
}
