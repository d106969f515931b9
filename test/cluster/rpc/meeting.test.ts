/** New members: few are dialled at once, a storm of them when it is over, one after the other. */

import { describe, expect, test } from "bun:test";
import { CALLS } from "#cluster/calls/registry.ts";
import type { ClusterView, MemberView } from "#cluster/ports.ts";
import {
  MEET_AT_ONCE,
  MEET_MAX_MS,
  MEET_PACE_MS,
  MEET_QUIET_EACH_MS,
  MEET_QUIET_MS,
} from "#cluster/rpc/limits.ts";
import { RpcLinks } from "#cluster/rpc/rpc-links.ts";
import { VirtualClock } from "#lib/clock.ts";
import { silentLog } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { memberId } from "./fake-network.ts";

/** The member with the smallest ID, so that it is the one to dial; its dials never come through. */
class Dialler {
  readonly clock = new VirtualClock();
  /** When which place was dialled. */
  readonly dials: { readonly place: number; readonly at: number }[] = [];
  readonly links: RpcLinks;
  #view: ClusterView = viewOf(1);
  #changed: (view: ClusterView) => void = () => {};

  constructor() {
    this.links = new RpcLinks(this.clock, new SeededRandom(1), silentLog, {
      bind: { host: "127.0.0.1", port: 0 },
      boot: 1n,
      calls: CALLS,
      sockets: {
        listen: () => ({ port: 1, stop: () => {} }),
        dial: (_clock, address) => {
          this.dials.push({ place: Number(address.split(":")[1]), at: this.clock.monoMs() });
          return new Promise(() => {});
        },
      },
    });
    this.links.open({
      view: () => this.#view,
      onChange: (listener) => {
        this.#changed = listener;
      },
    });
  }

  /** From now on there are so many members, this one included. */
  meet(count: number): void {
    this.#view = viewOf(count);
    this.#changed(this.#view);
  }
}

function viewOf(count: number): ClusterView {
  const members = Array.from({ length: count }, (_, i) => memberOf(i + 1));
  return { clusterId: "c", localId: memberId(1), initialized: true, members };
}

function memberOf(place: number): MemberView {
  return {
    id: memberId(place),
    gossipAddress: `127.0.0.1:${place}`,
    rpcAddress: `127.0.0.1:${place}`,
    apiAddress: "",
    roles: [],
    status: "alive",
    joined: place,
    redundancy: 2,
    crashEvidence: false,
  };
}

describe("new members", () => {
  test("a few are dialled at once", () => {
    const dialler = new Dialler();
    dialler.clock.advance(MEET_QUIET_MS + 1);
    dialler.meet(1 + MEET_AT_ONCE);
    expect(dialler.dials.map(({ place }) => place)).toEqual([2, 3, 4, 5]);
  });

  test("one more than that waits until no further one comes, longer the more there are", () => {
    const dialler = new Dialler();
    dialler.clock.advance(1_000);
    const fresh = MEET_AT_ONCE + 1;
    dialler.meet(1 + fresh);
    const quietMs = MEET_QUIET_MS + fresh * MEET_QUIET_EACH_MS;
    dialler.clock.advance(quietMs - 1);
    expect(dialler.dials).toEqual([]);
    dialler.clock.advance(1 + (fresh - 1) * MEET_PACE_MS);
    const first = 1_000 + quietMs;
    const wanted = [2, 3, 4, 5, 6].map((place, i) => ({ place, at: first + i * MEET_PACE_MS }));
    expect(dialler.dials).toEqual(wanted);
  });

  test("each that comes begins the wait anew, and the wait has an end", () => {
    const dialler = new Dialler();
    dialler.clock.advance(1_000);
    const eachMs = MEET_QUIET_MS - 1;
    const steps = Math.floor(MEET_MAX_MS / eachMs);
    dialler.meet(1 + MEET_AT_ONCE + 1);
    for (let step = 1; step <= steps; step++) {
      dialler.clock.advance(eachMs);
      expect(dialler.dials).toEqual([]);
      dialler.meet(1 + MEET_AT_ONCE + 1 + step);
    }
    dialler.clock.advance(eachMs);
    expect(dialler.dials[0]).toEqual({ place: 2, at: 1_000 + MEET_MAX_MS });
  });

  test("a call dials without waiting, and nobody else", async () => {
    const dialler = new Dialler();
    dialler.clock.advance(1_000);
    dialler.meet(20);
    const call = dialler.links.call(memberId(7), "digest-topics", { after: "" }, 50);
    expect(dialler.dials).toEqual([{ place: 7, at: 1_000 }]);
    await dialler.links.close();
    await expect(call).rejects.toThrow();
  });
});
