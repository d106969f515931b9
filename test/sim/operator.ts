/** The operator's commands in virtual time: `member add` over a virtual RPC hop, `member remove`, a graceful stop. */

import { decideJoin, idOf, makeOffer, parseOffer } from "#cluster/swim/join-rules.ts";
import { pair } from "./network.ts";
import type { SimMember, World } from "./sim-member.ts";

/** What faults ask of the operator; with alerts it goes through the daemon's own commands. */
export interface Operator {
  add(adder: SimMember, target: SimMember): void;
  /** `done` is told who has the removal on disk, and in which epoch. */
  remove(
    by: SimMember,
    target: SimMember,
    done: (taker: SimMember, epoch: number | undefined) => void,
  ): void;
  stop(member: SimMember): void;
  editHandler(at: SimMember, salt: number): void;
}

/** The operator of members that run nothing beside their membership. */
export function plainOperator(world: World, members: readonly SimMember[]): Operator {
  return {
    add: (adder, target) => add(world, adder, target),
    remove(by, target, done) {
      // Removing oneself: another member that can be reached takes the removal, as the daemon has it.
      const taker =
        by === target
          ? members.find((m) => m !== target && connected(world, target, m) && !m.paused)
          : by;
      if (taker?.swim === undefined || taker.swim.clusterId !== target.swim?.clusterId) {
        if (by === target || taker?.swim === undefined) return;
      }
      const epoch = taker.swim.entry(target.id)?.epoch;
      taker.whenDurable(() => done(taker, epoch));
      taker.input({ kind: "remove", id: target.id });
    },
    stop: (member) => stopGracefully(world, member),
    editHandler: () => {},
  };
}

/** One way of an RPC, milliseconds. */
const HOP_MS = 1;

/** Adds `target` through `adder`; `done` says whether both have it on disk. */
export function add(
  world: World,
  adder: SimMember,
  target: SimMember,
  done: (ok: boolean, error?: string) => void = () => {},
): void {
  const offering = adder.swim;
  if (offering === undefined || adder.paused || !connected(world, adder, target)) {
    done(false, "unreachable");
    return;
  }
  const offer = makeOffer(offering.clusterId, adder.id, offering.table());
  const json: unknown = JSON.parse(JSON.stringify(offer));
  world.clock.after(HOP_MS, () => {
    const { swim } = target;
    if (swim === undefined || target.paused) return done(false, "unreachable");
    const parsed = parseOffer(json);
    const { id, clusterId, initialized, epoch } = swim;
    const state = { id, clusterId, initialized, epoch, adding: false, gossip: target.address };
    const decision = decideJoin(state, parsed.offer, parsed.entries);
    if (decision.kind === "refuse" || decision.kind === "yields") {
      return done(false, decision.kind === "refuse" ? decision.error : "yields");
    }
    const answer = (): void => {
      const own = target.swim?.table().find((entry) => idOf(entry) === target.id);
      world.clock.after(HOP_MS, () => {
        if (adder.swim === undefined || adder.paused || own === undefined || own.rank === 4) {
          return done(false, "adder gone");
        }
        // As the daemon has it: the answer came late, and this member belongs to another cluster meanwhile.
        if (adder.swim.clusterId !== parsed.offer.clusterId)
          return done(false, "removed meanwhile");
        adder.whenDurable(() => done(true));
        adder.input({ kind: "admit", version: own.version, profile: own.profile });
      });
    };
    if (decision.kind === "already") return answer();
    target.whenDurable(answer);
    target.input({ kind: "adopt", offer: decision.adoption });
  });
}

/** Whether calls pass between two members and the second one runs. */
export function connected(world: World, a: SimMember, b: SimMember): boolean {
  const { cut, cutTcp } = world.network;
  const names = [pair(a, b), pair(b, a)];
  return b.state === "up" && names.every((name) => !cut.has(name) && !cutTcp.has(name));
}

/** SIGTERM: leaving, 200 ms of hand-over, LEFT, then the process ends. */
export function stopGracefully(world: World, member: SimMember): void {
  if (member.swim === undefined) return;
  member.input({ kind: "leave" });
  world.clock.after(200, () => {
    if (member.swim !== undefined) member.input({ kind: "depart" });
  });
  world.clock.after(1_500, () => member.crash(false));
}
