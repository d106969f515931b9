/**
 * The alert side of a run: publishes the plan's events on its members, and knows what came of them.
 *
 * Ground truth is what producers published and what endpoints took (simulation.md §7). `AlertChecker` compares the two;
 * here they are written down, together with the faults that happened, because an extra send must be explained by one.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { PlantedAlertBug } from "#cluster/ownership/planted.ts";
import { SeededRandom } from "#lib/random.ts";
import { AlertChecker } from "./alert-checker.ts";
import type { AlertPlan, RaisedEvent } from "./alert-plan.ts";
import { AlertProgram } from "./alert-program.ts";
import type { Checker } from "./checker.ts";
import { Endpoints } from "./endpoints.ts";
import type { Stage } from "./faults.ts";
import type { Operator } from "./operator.ts";
import type { Fault, Plan } from "./plan.ts";
import { RPC_PORT } from "./rpc-wires.ts";
import type { Program, SimMember, World } from "./sim-member.ts";

export type { PlantedAlertBug };

/** Data time of the beginning, ms. */
const DATA_TIME = 1_700_000_000_000;

interface Frame {
  readonly plan: Plan;
  readonly checker: Checker;
  readonly planted: ReadonlySet<string>;
  readonly trace: (line: string) => void;
}

export class AlertRun {
  readonly plan: AlertPlan;
  readonly #frame: Frame;
  #world: World | undefined;
  #members: readonly SimMember[] = [];
  #endpoints: Endpoints | undefined;
  #check: AlertChecker | undefined;
  readonly #programs: AlertProgram[] = [];
  #handlersMade = 0;

  constructor(plan: AlertPlan, frame: Frame) {
    this.plan = plan;
    this.#frame = frame;
  }

  /** Called once the world exists, before any member starts. */
  open(world: World, members: readonly SimMember[]): void {
    this.#world = world;
    this.#members = members;
    const endpoints = new Endpoints(world, new SeededRandom(world.seed ^ 0x165667b1));
    endpoints.answerMs = this.plan.answerMs;
    endpoints.names = Object.values(this.plan.topics).flat();
    this.#endpoints = endpoints;
    this.#check = new AlertChecker(world, {
      ...{ plan: this.#frame.plan, alerts: this.plan, members, endpoints },
      ownersOf: (topic) => {
        const some = members.map(programOf).find((program) => program !== undefined);
        const home = some?.ownership.owners(topic).home ?? [];
        return home.map((id) => members.findIndex((member) => member.id === id));
      },
      fail: (text) => this.#frame.checker.fail(text),
      trace: this.#frame.trace,
    });
  }

  get endpoints(): Endpoints | undefined {
    return this.#endpoints;
  }

  get #checker(): AlertChecker {
    if (this.#check === undefined) throw new Error("not opened");
    return this.#check;
  }

  program(world: World, member: SimMember, boot: number): Program {
    if (this.#endpoints === undefined) throw new Error("not opened");
    const { delayMs, fullSyncMs } = this.plan;
    const program = new AlertProgram(world, member, boot, {
      platter: member.platter,
      options: {
        delayMs,
        fullSyncMs,
        planted: this.#frame.planted as ReadonlySet<PlantedAlertBug>,
      },
      endpoints: this.#endpoints,
      witness: this.#checker,
    });
    this.#programs.push(program);
    return program;
  }

  // —— the operator ——

  readonly operator: Operator = {
    add: (adder, target) => {
      const { host } = target.address;
      adder.run(() => {
        programOf(adder)
          ?.join.add(`${host}:${RPC_PORT}`)
          .catch((error: Error) => this.#frame.trace(`add failed: ${error.message}`));
      });
    },
    remove: (by, target, done) => {
      by.run(() => {
        const epoch = by.swim?.entry(target.id)?.epoch;
        programOf(by)
          ?.join.remove(target.id)
          .then(
            () => {
              if (by !== target) done(by, epoch);
            },
            (error: Error) => this.#frame.trace(`remove failed: ${error.message}`),
          );
      });
    },
    stop: (member) => {
      const { boot } = member;
      member.run(() => {
        void programOf(member)
          ?.stop()
          .then(() => {
            if (member.boot === boot) member.crash(false);
          });
      });
    },
    editHandler: (at, salt) => {
      at.run(() => {
        const replication = programOf(at)?.replication;
        const id = `x${salt % 3}`;
        if (replication === undefined) return;
        const spec = this.#spec("edited", id);
        const force = salt % 2 === 0;
        const edit =
          replication.get("edited", id) === undefined
            ? replication.create(spec, force)
            : replication.delete("edited", id, force);
        void edit.catch(() => {});
      });
    },
  };

  #spec(topic: string, id: string) {
    return { id, topic, kind: "endpoint", match: "", options: { name: id } };
  }

  // —— phases ——

  /** While forming: makes the handlers and waits until all members have them. */
  unready(): string | undefined {
    const [first] = this.#members;
    const replication = programOf(first)?.replication;
    if (first === undefined || replication === undefined) return "the first member does not run";
    if (this.#handlersMade === 0) {
      this.#handlersMade = 1;
      first.run(() => {
        for (const [topic, handlers] of Object.entries(this.plan.topics)) {
          for (const id of handlers) void replication.create(this.#spec(topic, id), true);
        }
      });
      return "handlers are being made";
    }
    for (const member of this.#members) {
      const program = programOf(member);
      if (program?.ready !== true) return `member ${member.index} is not ready`;
      for (const [topic, handlers] of Object.entries(this.plan.topics)) {
        if (program.replication.list(topic).length === handlers.length) continue;
        return `member ${member.index} lacks handlers of ${topic}`;
      }
    }
    return undefined;
  }

  begin(start: number): void {
    for (const event of this.plan.events) {
      for (const { member, after } of event.by) {
        this.#world?.clock.at(start + event.at + after, () => this.raise(member, event));
      }
    }
  }

  /** A task on this member raises the event, if the member runs tasks. */
  raise(index: number, raised: RaisedEvent): void {
    const member = this.#members[index];
    member?.run(() => {
      const program = programOf(member);
      if (program?.ready !== true) return;
      const event = eventOf(raised);
      this.#checker.published(member, event);
      program.publish(event);
    });
  }

  faultBegins(fault: Fault): void {
    this.#checker.faultBegins(fault);
  }

  /** From now on faults do not end by themselves. */
  settles(core: readonly SimMember[]): void {
    this.#checker.coreIsWell(core);
  }

  /** The core is well. */
  settling(): void {
    this.#endpoints?.heal();
  }

  healed(): void {
    this.#endpoints?.heal();
    this.#checker.healed();
  }

  quiet(): void {
    this.#checker.quiet();
  }

  /** E4 within a core that is well. */
  untold(core: readonly SimMember[]): string | undefined {
    return this.#checker.lost(core);
  }

  get tellBoundMs(): number {
    return this.#checker.tellBoundMs;
  }

  get settleBoundMs(): number {
    return this.tellBoundMs + 2.5 * this.plan.fullSyncMs;
  }

  /** E3 to E7 over everybody. */
  unsettled(stage: Stage): string | undefined {
    return this.#checker.lost(this.#members) ?? this.#checker.unequal(this.#inside(stage));
  }

  rested(stage: Stage): void {
    const wrong = this.unsettled(stage);
    if (wrong !== undefined) this.#frame.checker.fail(`after the quiet: ${wrong}`);
    this.#checker.finished();
  }

  #inside(stage: Stage): readonly SimMember[] {
    return this.#members.filter((member) => member.swim?.clusterId === stage.clusterId);
  }

  collect(counters: Record<string, number>): void {
    for (const { ownership, rpc, replication, topicSync } of this.#programs) {
      for (const part of [ownership, rpc, replication, topicSync]) {
        for (const [name, value] of Object.entries(part.counters())) {
          counters[name] = (counters[name] ?? 0) + value;
        }
      }
    }
    for (const [name, value] of this.#checker.counts) {
      counters[name] = (counters[name] ?? 0) + value;
    }
  }
}

export function programOf(member: SimMember | undefined): AlertProgram | undefined {
  const program = member?.program;
  return program instanceof AlertProgram ? program : undefined;
}

export function eventOf({ at, topic, id, level }: RaisedEvent): AlertEvent {
  return {
    ...{ topic, id, level, name: "cpu", taskName: "task", category: "", group: "nil" },
    message: `${id} is ${level}`,
    details: "",
    time: { ms: DATA_TIME + at, ns: 0 },
    duration: 0,
    tags: {},
    fields: { value: at },
    recoverable: true,
    series: null,
    hops: 0,
  };
}
