/**
 * The acceptance scenarios of the cluster (reference cluster-behaviour.md §16), each as setup and expectation.
 *
 * Three members, the task on all, two owners per topic, one handler, unless said otherwise. Every one is run over many
 * seeds; the exact output of commands is the subject of `test/e2e`, here it is what members do.
 */

import type { SimMember } from "./sim-member.ts";
import { Town, type TownOptions } from "./town.ts";

export interface Scenario {
  /** Its number in the reference. */
  readonly number: number;
  readonly name: string;
  readonly expected: string;
  readonly options?: TownOptions;
  play(town: Town): void;
}

/** What went wrong, as sentences. */
export function playScenario(scenario: Scenario, seed: number): readonly string[] {
  const town = new Town(seed * 1_009 + scenario.number, scenario.options);
  scenario.play(town);
  return town.wrong;
}

/** Forms the cluster with one handler on topic `t`. */
function ready(town: Town): void {
  town.form();
  const error = town.define(town.handler("t", "h"), town.at(0));
  town.expect(`the handler is defined: ${error}`, error === undefined);
  town.run(1_000 + town.random.float() * 500);
}

function exactly(town: Town, count: number, filter: Parameters<Town["arrivals"]>[0] = {}): void {
  const got = town.arrivals(filter).length;
  town.expect(`${got} arrivals of ${JSON.stringify(filter)}, wanted ${count}`, got === count);
}

/** Raises `count` changes of many IDs, a few milliseconds apart. */
function changes(town: Town, count: number, gapMs: number, on?: () => readonly SimMember[]): void {
  for (let i = 0; i < count; i++) {
    const level = (1 + (Math.floor(i / 50) % 3)) as 1 | 2 | 3;
    town.raise({ id: `id${i % 50}`, level }, on?.() ?? town.members);
    town.run(gapMs);
  }
}

function each(town: Town, count: number): void {
  const told = new Set(town.arrivals().map(({ id, time }) => `${id} ${time}`));
  town.expect(`${told.size} of ${count} changes arrived`, told.size === count);
}

function settled(town: Town): void {
  const busy = ["events_held", "outbox_size", "sends_in_flight"];
  const left = busy.filter((name) => town.counter(name) > 0);
  town.expect(`nothing is left to do (${left.join()})`, left.length === 0);
}

/** Takes the alerts away from a member at the moment its request is taken by the endpoint. */
function killWhenAccepted(town: Town, victim: SimMember): void {
  town.until("the request arrives", 5_000, () =>
    town.endpoints.sends.some((s) => s.member === victim.index && s.acceptedAt !== undefined),
  );
  victim.crash(false);
}

export const SCENARIOS: readonly Scenario[] = [
  {
    number: 1,
    name: "1000 state changes",
    expected: "1000 arrivals, no duplicate, nothing handled by a second owner",
    play(town) {
      ready(town);
      changes(town, 1_000, 4);
      town.run(5_000);
      exactly(town, 1_000);
      each(town, 1_000);
      town.expect("no second owner sends", town.counter("secondary-handle-count") === 0);
      settled(town);
    },
  },
  {
    number: 2,
    name: "the first owner dies before it sends",
    expected: "one arrival, at the latest delay-per-member and a second later",
    play(town) {
      ready(town);
      const [first] = town.ranked();
      const others = town.members.filter((member) => member !== first);
      town.random.below(2) === 0 ? first?.crash(false) : first?.crash(true);
      const raisedAt = town.clock.now;
      town.raise({ id: "a" }, others);
      town.run(40_000);
      exactly(town, 1);
      const late = (town.arrivals()[0]?.startedAt ?? Number.POSITIVE_INFINITY) - raisedAt;
      town.expect(`sent after ${late} ms`, late <= town.delayMs + 1_000);
      settled(town);
    },
  },
  {
    number: 3,
    name: "the first owner dies after the endpoint took it, before it says so",
    expected: "one or two arrivals",
    play(town) {
      ready(town);
      const [first = town.at(0)] = town.ranked();
      town.raise({ id: "a" });
      killWhenAccepted(town, first);
      town.run(40_000);
      const got = town.arrivals().length;
      town.expect(`${got} arrivals`, got === 1 || got === 2);
      settled(town);
    },
  },
  {
    number: 4,
    name: "the endpoint takes three times delay-per-member",
    expected: "one arrival",
    options: { delayMs: 5_000 },
    play(town) {
      ready(town);
      town.endpoints.setMood("h", undefined, { kind: "slow", ms: 2.8 * town.delayMs });
      town.raise({ id: "a" });
      town.run(90_000);
      exactly(town, 1);
      const requests = town.endpoints.sends.length;
      town.expect(`${requests} requests`, requests === 1);
      settled(town);
    },
  },
  {
    number: 4,
    name: "a slow endpoint with a queue of many before it",
    expected: "one arrival of each, by the first owner",
    options: { delayMs: 2_000 },
    play(town) {
      ready(town);
      town.endpoints.setMood("h", undefined, { kind: "slow", ms: 5_000 });
      changes(town, 50, 20);
      changes(town, 46, 20);
      town.run(120_000);
      exactly(town, 96);
      const requests = town.endpoints.sends.length;
      town.expect(`${requests} requests`, requests === 96);
      town.expect("no second owner sends", town.counter("secondary-handle-count") === 0);
      settled(town);
    },
  },
  {
    number: 5,
    name: "the endpoint hangs for the first owner",
    expected: "the second owner takes over, at the latest when HOLD is at its cap",
    options: { delayMs: 2_000 },
    play(town) {
      ready(town);
      const [first] = town.ranked();
      town.endpoints.setMood("h", first?.index, { kind: "hangs" });
      const raisedAt = town.clock.now;
      town.raise({ id: "a" });
      town.run(60_000);
      exactly(town, 1);
      const late = (town.arrivals()[0]?.startedAt ?? Number.POSITIVE_INFINITY) - raisedAt;
      town.expect(`taken over after ${late} ms`, late <= 8 * town.delayMs);
    },
  },
  {
    number: 6,
    name: "the endpoint refuses the first owner and accepts the second",
    expected: "one success, handed over long before delay-per-member",
    play(town) {
      ready(town);
      const [first, second] = town.ranked();
      town.endpoints.setMood("h", first?.index, { kind: "refuses" });
      const raisedAt = town.clock.now;
      town.raise({ id: "a" });
      town.run(120_000);
      exactly(town, 1);
      const [send] = town.arrivals();
      town.expect("the second owner sent it", send?.member === second?.index);
      const late = (send?.startedAt ?? Number.POSITIVE_INFINITY) - raisedAt;
      town.expect(`handed over after ${late} ms`, late <= town.delayMs);
      settled(town);
    },
  },
  {
    number: 7,
    name: "one member cut off from two, a change, healing",
    expected: "one or two arrivals, none after healing, equal states within a full sync",
    options: { delayMs: 2_000 },
    play(town) {
      ready(town);
      town.cut([town.at(town.random.below(3))]);
      town.run(town.random.float() * 3_000);
      town.raise({ id: "a" });
      town.run(40_000);
      const before = town.arrivals().length;
      town.expect(`${before} arrivals`, before === 1 || before === 2);
      town.heal();
      town.run(60_000);
      exactly(town, before);
      const states = town.members.map((m) => JSON.stringify([...town.program(m).states()]));
      town.expect("states are equal", new Set(states).size === 1);
      settled(town);
    },
  },
  {
    number: 8,
    name: "both owners die, the third member runs the task",
    expected: "one arrival, from the third, within twice delay-per-member",
    play(town) {
      ready(town);
      const [first, second, third] = town.ranked();
      first?.crash(town.random.below(2) === 0);
      second?.crash(town.random.below(2) === 0);
      const raisedAt = town.clock.now;
      town.raise({ id: "a" }, third === undefined ? [] : [third]);
      town.run(60_000);
      exactly(town, 1);
      const [send] = town.arrivals();
      town.expect("the third member sent it", send?.member === third?.index);
      const late = (send?.startedAt ?? Number.POSITIVE_INFINITY) - raisedAt;
      town.expect(`sent after ${late} ms`, late <= 2 * town.delayMs + 1_000);
    },
  },
  {
    number: 9,
    name: "a member away for longer than tombstones live, a handler deleted meanwhile",
    expected: "the handler stays deleted",
    play(town) {
      ready(town);
      const c = town.at(2);
      c.crash(false);
      town.run(5_000);
      town.do(town.at(0), ({ replication }) => replication.delete("t", "h", true));
      town.run(2_000);
      town.daysPass(8);
      for (const member of [town.at(0), town.at(1)]) member.crash(false);
      for (const member of town.members) member.start();
      town.until("all are back", 60_000, () => town.agree());
      town.run(60_000);
      for (const member of town.members) {
        const { replication } = town.program(member);
        town.expect("the handler is gone", replication.get("t", "h") === undefined);
      }
    },
  },
  {
    number: 10,
    name: "a handler is created while an owner is down, and while a member that owns nothing is",
    expected: "refused with the exact text; accepted",
    play(town) {
      ready(town);
      const [first, second, third] = town.ranked();
      third?.crash(town.random.below(2) === 0);
      town.run(town.random.float() * 8_000);
      const accepted = town.define(town.handler("t", "k"), first);
      town.expect(`accepted without the third: ${accepted}`, accepted === undefined);
      second?.crash(town.random.below(2) === 0);
      town.run(town.random.below(2) === 0 ? 0 : 12_000);
      const refused = town.define(town.handler("t", "l"), first) ?? "accepted";
      const text = `could not verify liveness of topic owners: status of ${second?.id} is `;
      town.expect(`refused: ${refused}`, refused.startsWith(text));
      town.expect(`status word in ${refused}`, /is (suspect|failed)$/.test(refused));
    },
  },
  {
    number: 11,
    name: "a handler with a match expression, on any member, through a restart of all",
    expected: "identical on all members, before and after",
    play(town) {
      town.form();
      const spec = town.handler("t", "h", "level() >= WARNING AND \"host\" == 'a'");
      const error = town.define(spec, town.at(town.random.below(3)));
      town.expect(`defined: ${error}`, error === undefined);
      town.run(2_000);
      const same = (): boolean =>
        town.members.every((member) => {
          const known = town.program(member).replication.get("t", "h");
          return Bun.deepEquals(known, spec);
        });
      town.expect("identical everywhere", same());
      for (const member of town.members) member.crash(town.random.below(2) === 0);
      town.run(town.random.float() * 20_000);
      for (const member of town.members) {
        member.start();
        town.run(town.random.float() * 1_000);
      }
      town.until("identical after the restart", 30_000, same);
    },
  },
  {
    number: 12,
    name: "a member with a conflicting handler is added",
    expected: "the cluster's definition wins everywhere",
    play(town) {
      ready(town);
      const fresh = town.newMember();
      fresh.start();
      town.run(1_000);
      town.define(town.handler("t", "h", "level() == CRITICAL"), fresh);
      town.define(town.handler("t", "own"), fresh);
      town.add(town.at(town.random.below(3)), fresh);
      const equal = (): boolean =>
        town.members.every((member) => {
          const { replication } = town.program(member);
          return (
            replication.get("t", "h")?.match === "" && replication.get("t", "own") !== undefined
          );
        });
      town.until("the cluster's handler everywhere, the new one too", 30_000, equal);
    },
  },
  {
    number: 13,
    name: "a live member is removed, through itself and through another",
    expected: "a new cluster ID on the removed one, the others stay initialized",
    play(town) {
      ready(town);
      const target = town.at(1 + town.random.below(2));
      const cluster = town.at(0).swim?.clusterId;
      const through = town.random.below(2) === 0 ? target : town.at(0);
      const error = town.remove(through, target);
      town.expect(`removed: ${error?.message}`, error === undefined);
      town.run(3_000);
      town.expect("it is uninitialized", target.swim?.initialized === false);
      town.expect("it has a new cluster ID", target.swim?.clusterId !== cluster);
      for (const member of town.members) {
        if (member === target) continue;
        town.expect("the others are initialized", member.swim?.initialized === true);
        town.expect("the others have the old ID", member.swim?.clusterId === cluster);
        town.expect("they do not see it", member.swim?.entry(target.id)?.rank === 4);
      }
    },
  },
  {
    number: 14,
    name: "a dead member is removed and then started",
    expected: "it becomes uninitialized and never reappears",
    play(town) {
      ready(town);
      const target = town.at(2);
      const cluster = town.at(0).swim?.clusterId;
      target.crash(town.random.below(2) === 0);
      town.run(town.random.float() * 15_000);
      const error = town.remove(town.at(town.random.below(2)), target);
      town.expect(`removed: ${error?.message}`, error === undefined);
      town.run(2_000);
      target.start();
      town.until("it learns of it", 39_000, () => target.swim?.initialized === false);
      town.run(30_000);
      town.expect("a new cluster ID", target.swim?.clusterId !== cluster);
      for (const member of [town.at(0), town.at(1)]) {
        town.expect("never again", member.swim?.entry(target.id)?.rank === 4);
      }
    },
  },
  {
    number: 15,
    name: "clocks an hour apart",
    expected: "as without",
    play(town) {
      for (const member of town.members) {
        member.wallOffsetMs += (member.index - 1) * 3_600_000;
      }
      ready(town);
      changes(town, 200, 10);
      town.run(5_000);
      exactly(town, 200);
      town.expect("no second owner sends", town.counter("secondary-handle-count") === 0);
      settled(town);
    },
  },
  {
    number: 16,
    name: "rolling restart under load",
    expected: "no loss; duplicates at most what was in flight",
    play(town) {
      ready(town);
      let raised = 0;
      const load = (ms: number): void => {
        for (const end = town.clock.now + ms; town.clock.now < end; raised++) {
          town.raise({ id: `id${raised}` });
          town.run(40);
        }
      };
      load(1_000);
      let inFlight = 0;
      for (const member of town.members) {
        const graceful = town.random.below(2) === 0;
        if (graceful) town.stop(member);
        else {
          inFlight += town.endpoints.sends.filter(
            (s) =>
              s.member === member.index && (s.answeredAt ?? town.clock.now) > town.clock.now - 30,
          ).length;
          member.crash(false);
        }
        load(2_500);
        if (member.state === "up") town.until("it stops", 15_000, () => member.state !== "up");
        member.start();
        load(7_000);
      }
      town.run(40_000);
      each(town, raised);
      const extra = town.arrivals().length - raised;
      town.expect(`${extra} duplicates, ${inFlight} in flight`, extra <= inFlight);
      settled(town);
    },
  },
  {
    number: 17,
    name: "UDP is dropped",
    expected: "all stay alive; alerts as without",
    play(town) {
      ready(town);
      for (const a of town.members) {
        for (const b of town.members) town.world.network.cutUdp.add(`${a.index}>${b.index}`);
      }
      town.run(5_000 + town.random.float() * 10_000);
      changes(town, 200, 20);
      town.run(10_000);
      exactly(town, 200);
      town.expect("all are alive", town.agree());
      town.expect("no second owner sends", town.counter("secondary-handle-count") === 0);
    },
  },
  {
    number: 18,
    name: "a copy of a member's data directory is started elsewhere",
    expected: "the copy does not take part",
    play(town) {
      ready(town);
      const original = town.at(town.random.below(3));
      const copy = town.newMember();
      Object.assign(copy, { id: original.id, role: "clone", disk: original.disk });
      town.members.pop();
      let stopped = "";
      const { onStep } = town.world;
      town.world.onStep = (member, input, actions) => {
        onStep(member, input, actions);
        if (actions.some(({ kind }) => kind === "duplicate")) stopped += `${member.role} `;
      };
      copy.start();
      town.until("one of them stops", 60_000, () => stopped !== "");
      town.expect(`the copy stops (${stopped})`, stopped === "clone ");
      copy.crash(false);
      town.until("all see the original", 60_000, () => town.agree());
    },
  },
  {
    number: 19,
    name: "20 % loss and 200 ms jitter",
    expected: "nobody is dead for longer than a suspicion lasts; no loss",
    play(town) {
      ready(town);
      const { network } = town.world;
      network.faults = { ...network.faults, loss: 0.2, delayMin: 1, delayMean: 100 };
      let dead = 0;
      for (let i = 0; i < 200; i++) {
        town.raise({ id: `id${i}` });
        for (let step = 0; step < 4; step++) {
          town.run(50);
          dead = town.agree() ? 0 : dead + 50;
          town.expect(`somebody was dead for ${dead} ms`, dead < 12_000 || dead > 12_050);
        }
      }
      town.run(60_000);
      each(town, 200);
    },
  },
  {
    number: 20,
    name: "two topics, the same event ID and time",
    expected: "both are sent",
    play(town) {
      ready(town);
      const error = town.define(town.handler("u", "k"), town.at(1));
      town.expect(`defined: ${error}`, error === undefined);
      town.run(1_000);
      const at = town.raise({ topic: "t", id: "a" });
      town.raise({ topic: "u", id: "a", at });
      town.run(5_000);
      exactly(town, 1, { topic: "t" });
      exactly(town, 1, { topic: "u" });
    },
  },
  {
    number: 21,
    name: "all members lose power during a WARNING and come back after the recovery",
    expected: "exactly one recovery is sent",
    play(town) {
      ready(town);
      town.raise({ id: "a", level: 2 });
      town.run(2_000);
      exactly(town, 1);
      for (const member of town.members) member.crash(true);
      town.run(5_000 + town.random.float() * 20_000);
      for (const member of town.members) member.start();
      town.run(8_000 + town.random.float() * 3_000);
      const restored = town.members.map(
        (member) => town.program(member).alerts.lastState("t", "a")?.level,
      );
      town.expect(
        `the level is known after the start (${restored})`,
        restored.every((l) => l === 2),
      );
      town.raise({ id: "a", level: 0 });
      town.run(30_000);
      exactly(town, 2);
      const levels = town.arrivals().map(({ level }) => level);
      town.expect(`levels ${levels}`, levels.join() === "2,0");
    },
  },
  {
    number: 22,
    name: "writes to three members eight seconds apart",
    expected: "one arrival of each change",
    play(town) {
      ready(town);
      for (let i = 0; i < 20; i++) {
        town.raise({ id: `id${i}` }, town.members, (member) => member.index * 8_000);
        town.run(500);
      }
      town.run(40_000);
      exactly(town, 20);
      settled(town);
    },
  },
  {
    number: 23,
    name: "a member of another cluster at a reused address",
    expected: "its packets are ignored and counted",
    play(town) {
      ready(town);
      const gone = town.at(2);
      const cluster = town.at(0).swim?.clusterId;
      const strangers = [town.newMember(), town.newMember()];
      town.members.splice(3);
      for (const stranger of strangers) stranger.start();
      const [first = gone, second = gone] = strangers;
      town.add(first, second);
      town.run(5_000);
      first.crash(false);
      gone.crash(false);
      first.moveTo({ ...gone.address });
      first.start();
      town.run(30_000 + town.random.float() * 5_000);
      for (const member of [town.at(0), town.at(1)]) {
        town.expect("the cluster keeps its ID", member.swim?.clusterId === cluster);
        town.expect("nobody is added", member.swim?.sizes.members === 3);
        town.expect("the former is dead", (member.swim?.entry(gone.id)?.rank ?? 0) === 2);
      }
      const dropped = first.swim?.counters["dropped-foreign-cluster"] ?? 0;
      town.expect("foreign packets are counted", dropped > 0);
      town.expect("strangers are themselves", first.swim?.sizes.members === 2);
    },
  },
];
