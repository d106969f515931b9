/** Single stories, each the shortest that shows its rule. All in virtual time. */

import { describe, expect, test } from "bun:test";
import { DEAD, LEFT, REMOVED } from "#cluster/messages/message.ts";
import { pair } from "./network.ts";
import { add, stopGracefully } from "./operator.ts";
import { Village } from "./village.ts";

const ALIVE = 0;

describe("detection", () => {
  test("a killed process is dead in every view with crash evidence within 3.6 s, at n = 3 and 10", () => {
    for (const n of [3, 10]) {
      for (let seed = 1; seed <= 10; seed++) {
        const village = new Village(n, { seed });
        village.form();
        village.run(3_000 + seed * 37);
        const began = village.clock.now;
        village.at(1).crash(false);
        const others = village.members.filter((_, i) => i !== 1);
        const dead = (): boolean =>
          others.every((m) => {
            const entry = m.swim?.entry(village.at(1).id);
            return entry?.rank === DEAD && entry.reason === "refused";
          });
        const took = village.until(dead, 5_000) - began;
        expect(took).toBeLessThanOrEqual(3_800);
      }
    }
  });

  test("a pause of 2 s never leads to DEAD, even without crash evidence", () => {
    for (const n of [3, 10, 30]) {
      const village = new Village(n, { seed: n, disks: false });
      village.form();
      let deaths = 0;
      village.onStep = (_m, _i, actions) => {
        for (const action of actions) if (action.kind === "change" && action.to === DEAD) deaths++;
      };
      for (let i = 0; i < 12; i++) {
        const target = village.at(village.random.below(n));
        target.pause();
        village.run(2_000);
        target.resume();
        village.run(1_500);
      }
      expect(deaths).toBe(0);
    }
  });

  test("a local send error is a failed ping: an unreachable member is declared dead", () => {
    for (const planted of [[], ["stops-probing-on-local-error"]] as const) {
      const village = new Village(2, { planted });
      village.form();
      village.world.network.sendErrors.set(0, "no-route");
      village.at(1).crash(true);
      village.run(30_000);
      expect(village.rank(1, 0)).toBe(planted.length === 0 ? DEAD : ALIVE);
    }
  });

  test("helpers' refusals shorten the wait; with fewer than two others the own one is enough", () => {
    const village = new Village(5);
    village.form();
    village.run(2_000);
    village.at(4).crash(false);
    village.run(4_000);
    expect(village.sum("nacks-refused")).toBeGreaterThan(0);
    expect(village.sum("suspicions-refused")).toBeGreaterThan(0);
    expect(village.rank(4, 0)).toBe(DEAD);
  });
});

describe("networks", () => {
  test("without UDP a pair lives on TCP, and returns to UDP when it works again", () => {
    const village = new Village(2);
    village.form();
    const { cutUdp } = village.world.network;
    cutUdp.add("0>1").add("1>0");
    village.run(20_000);
    expect(village.sum("tcp-only-pairs-made")).toBe(2);
    expect([village.rank(1, 0), village.rank(0, 1)]).toEqual([ALIVE, ALIVE]);
    expect(village.sum("deaths")).toBe(0);
    cutUdp.clear();
    village.run(125_000);
    expect(village.sum("tcp-only-pairs-dissolved")).toBe(2);
  });

  test("lost large packets halve the packet size towards that member only", () => {
    const village = new Village(2);
    village.form();
    village.world.network.cutLarge.add("0>1");
    village.run(200_000);
    expect(village.at(0).swim?.entry(village.at(1).id)?.path?.packetMax).toBeLessThanOrEqual(700);
    expect(village.at(1).swim?.counters["packet-size-halved"]).toBeUndefined();
    expect(village.sum("deaths")).toBe(0);
  });

  test("halves that took each other for dead are one again soon after the cut heals", () => {
    const village = new Village(6);
    village.form();
    const { cut } = village.world.network;
    for (const a of village.members.slice(0, 3)) {
      for (const b of village.members.slice(3)) cut.add(pair(a, b)).add(pair(b, a));
    }
    village.run(60_000);
    expect(village.rank(5, 0)).toBe(DEAD);
    expect(village.rank(0, 5)).toBe(DEAD);
    cut.clear();
    village.until(() => village.allSeeAll() && village.rank(5, 0) === ALIVE, 41_000);
  });

  test("a process at a reused address answers nothing for its predecessor", () => {
    const village = new Village(2);
    village.form();
    const old = village.at(1);
    old.crash(false);
    const stranger = village.newMember();
    stranger.moveTo({ ...old.address });
    stranger.start();
    village.run(10_000);
    expect(village.rank(1, 0)).toBe(DEAD);
    expect(stranger.swim?.initialized).toBe(false);
    expect(stranger.swim?.sizes.members).toBe(1);
    expect(stranger.swim?.counters["dropped-foreign-cluster"]).toBeGreaterThan(0);
  });
});

describe("identity", () => {
  test("of two processes with one identity the older keeps it and the clone stops clustering", () => {
    const village = new Village(3);
    village.form();
    village.run(2_000);
    const original = village.at(1);
    const clone = village.newMember();
    Object.assign(clone, { id: original.id, disk: original.disk });
    let stopped: number | undefined;
    village.onStep = (member, _input, actions) => {
      if (actions.some(({ kind }) => kind === "duplicate")) stopped = member.index;
    };
    clone.start();
    village.until(() => stopped !== undefined, 30_000);
    expect(stopped).toBe(clone.index);
    clone.crash(true);
    village.run(45_000);
    for (const viewer of [0, 2]) {
      expect(village.at(viewer).swim?.entry(original.id)?.rank).toBe(ALIVE);
      expect(village.at(viewer).swim?.entry(original.id)?.profile?.gossip).toEqual(
        original.address,
      );
    }
  });

  test("a member with an old copy of its disk is taken back", () => {
    const village = new Village(3);
    village.form();
    village.run(2_000);
    village.at(1).keepOldDisk();
    for (let i = 0; i < 3; i++) {
      village.at(1).crash(false);
      village.run(100);
      village.at(1).start();
      village.run(3_000);
    }
    village.at(1).crash(false);
    village.at(1).wallOffsetMs -= 3_600_000;
    village.at(1).start(true);
    village.until(() => village.allSeeAll() && village.rank(1, 0) === ALIVE, 10_000);
  });

  test("a member removed while down learns it on its first contact, and may be added again", () => {
    const village = new Village(3);
    village.form();
    village.run(2_000);
    const gone = village.at(2);
    gone.crash(true);
    village.run(8_000);
    village.at(0).input({ kind: "remove", id: gone.id });
    village.run(1_000);
    expect(village.rank(2, 1)).toBe(REMOVED);
    const cluster = village.at(0).swim?.clusterId;
    gone.start();
    village.until(() => gone.swim?.initialized === false, 39_000);
    expect(gone.swim?.clusterId).not.toBe(cluster ?? "");
    let added = false;
    add(village.world, village.at(1), gone, (ok) => {
      added = ok;
    });
    village.until(() => added && village.allSeeAll() && village.rank(2, 0) === ALIVE, 5_000);
    expect(gone.swim?.entry(gone.id)?.epoch).toBe(2);
  });

  test("a member that leaves is left everywhere within 0.3 s of going and back after its start", () => {
    const village = new Village(10);
    village.form();
    village.run(2_000);
    stopGracefully(village.world, village.at(3));
    const left = (): boolean =>
      village.members.every((_, i) => i === 3 || village.rank(3, i) === LEFT);
    village.run(200);
    const began = village.clock.now;
    expect(village.until(left, 1_000) - began).toBeLessThanOrEqual(300);
    village.run(10_000);
    expect(left()).toBe(true);
    village.at(3).start();
    village.until(() => village.allSeeAll() && village.rank(3, 0) === ALIVE, 2_000);
  });
});

describe("keys", () => {
  const key1 = new Uint8Array(32).fill(1);
  const key2 = new Uint8Array(32).fill(2);

  test("a rolling rotation never makes anybody dead or suspect", () => {
    const village = new Village(5, { keys: [key1] });
    village.form();
    let changes = 0;
    village.onStep = (_m, _i, actions) => {
      for (const action of actions) if (action.kind === "change") changes++;
    };
    for (const keys of [[key1, key2], [key2, key1], [key2]]) {
      for (const member of village.members) {
        member.input({ kind: "keys", keys, acceptPlain: false });
        village.run(3_000);
      }
    }
    village.run(30_000);
    expect(changes).toBe(0);
    expect(village.sum("dropped-bad-seal")).toBe(0);
  });

  test("one member forgotten in a rotation is cut off, and back when it gets the key", () => {
    const village = new Village(3, { keys: [key1] });
    village.form();
    for (const i of [0, 1]) village.at(i).input({ kind: "keys", keys: [key2], acceptPlain: false });
    village.run(10_000);
    expect(village.rank(2, 0)).toBe(DEAD);
    expect(village.at(2).swim?.counters["dropped-unknown-key"]).toBeGreaterThan(0);
    village.at(2).input({ kind: "keys", keys: [key2], acceptPlain: false });
    village.until(() => village.allSeeAll() && village.rank(2, 0) === ALIVE, 41_000);
  });
});

describe("notes", () => {
  test("a note reaches everybody once, soon, and not its sender", () => {
    const village = new Village(10);
    village.form();
    village.run(5_000);
    const heard: number[] = [];
    village.onStep = (member, _input, actions) => {
      for (const action of actions) if (action.kind === "note") heard.push(member.index);
    };
    village.at(0).input({ kind: "note", noteKind: 3, bytes: new Uint8Array([1]) });
    village.run(400);
    expect(heard.sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("one too large for the pair's datagrams goes by TCP", () => {
    const village = new Village(3, { options: { packetMax: 508 } });
    village.form();
    village.run(2_000);
    let heard = 0;
    village.onStep = (_m, _i, actions) => {
      for (const action of actions) if (action.kind === "note") heard += action.bytes.length;
    };
    village.at(0).input({ kind: "note", noteKind: 3, bytes: new Uint8Array(512) });
    village.run(5_000);
    expect(heard).toBe(2 * 512);
    expect(village.sum("big-sent")).toBeGreaterThan(0);
  });
});

test("a quiet cluster sends no more than the specified bytes and packets at 3, 10 and 30", () => {
  for (const n of [3, 10, 30]) {
    const village = new Village(n, { keys: [new Uint8Array(32)], disks: false });
    village.form();
    village.run(30_000);
    const { network } = village.world;
    const [datagrams, bytes] = [network.datagrams, network.bytes];
    village.run(60_000);
    const perSecond = (now: number, before: number): number => (now - before) / 60 / n;
    expect(perSecond(network.datagrams, datagrams)).toBeLessThanOrEqual(4.2);
    expect(perSecond(network.bytes, bytes)).toBeLessThanOrEqual(480);
  }
});
