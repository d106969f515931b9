import { describe, expect, test } from "bun:test";
import { type Held, newHeld } from "#cluster/ownership/held.ts";
import { PEER_EVENTS_MAX, RESEND_MIN_MS } from "#cluster/ownership/limits.ts";
import type { Batch, HoldNotice, Notice } from "#cluster/ownership/notices.ts";
import { PeerQueue } from "#cluster/ownership/peer-queue.ts";
import { memberId } from "#test/cluster/rpc/fake-network.ts";
import { sampleAlert } from "./sample-alert.ts";

const PEER = memberId(2);
const LANE = { topic: "t", id: "i", handler: "h" };
const HOLD: HoldNotice = { kind: "hold", ...LANE };
const DONE: Notice = { kind: "done", ...LANE, stamp: { ms: 1, ns: 0, level: 1 }, by: memberId(1) };

function kinds(batch: Batch | undefined): readonly string[] {
  return (batch?.notices ?? []).map(({ kind }) => kind);
}

describe("a HOLD whose batch failed", () => {
  test("is said again, although the next beat is far away", () => {
    const queue = new PeerQueue();
    queue.addNotice(HOLD);
    expect(kinds(queue.take(PEER, 1, 0))).toEqual(["hold"]);
    expect(queue.undelivered(1, 10, "failed")).toBe("again");
    expect(queue.retryAt(10)).toBe(10 + RESEND_MIN_MS);
    expect(queue.take(PEER, 2, 10 + RESEND_MIN_MS - 1)).toBeUndefined();
    expect(kinds(queue.take(PEER, 2, 10 + RESEND_MIN_MS))).toEqual(["hold"]);
  });

  test("gives way to a newer one", () => {
    const queue = new PeerQueue();
    queue.addNotice({ ...HOLD, queued: true });
    queue.take(PEER, 1, 0);
    queue.addNotice(HOLD);
    queue.undelivered(1, 0, "failed");
    expect(queue.take(PEER, 2, RESEND_MIN_MS)?.notices).toEqual([HOLD]);
  });

  test("is not said again when its send has ended meanwhile, even if that was delivered first", () => {
    const queue = new PeerQueue();
    queue.addNotice(HOLD);
    queue.take(PEER, 1, 0);
    queue.addNotice(DONE);
    expect(kinds(queue.take(PEER, 2, 1))).toEqual(["done"]);
    queue.delivered(2);
    queue.undelivered(1, 2, "failed");
    expect(queue.isIdle).toBe(true);
  });

  test("is dropped when it is refused alone, and goes alone when it was refused with others", () => {
    const queue = new PeerQueue();
    queue.addNotice(HOLD);
    queue.addNotice({ ...HOLD, id: "other" });
    queue.take(PEER, 1, 0);
    expect(queue.undelivered(1, 0, "refused")).toBe("again");
    expect(kinds(queue.take(PEER, 2, RESEND_MIN_MS))).toEqual(["hold"]);
    expect(queue.undelivered(2, RESEND_MIN_MS, "refused")).toBe("dropped");
  });
});

describe("an event that is settled before it could travel", () => {
  const queued = (): Held => {
    const how = { solo: false, local: false, inline: false, producer: true, receivedAt: 0 };
    const held = newHeld({ key: "k", event: sampleAlert, ...how });
    held.copies.set(PEER, "queued");
    held.settled = true;
    return held;
  };

  test("travels nevertheless: the other owner must know the state of its ID", () => {
    const queue = new PeerQueue();
    queue.addEvent(queued());
    expect(queue.take(PEER, 1, 0)?.events).toEqual([sampleAlert]);
  });

  test("stays when it was given up", () => {
    const queue = new PeerQueue();
    const held = queued();
    queue.addEvent(held);
    held.copies.forgetQueued();
    expect(queue.take(PEER, 1, 0)).toBeUndefined();
    expect(queue.isIdle).toBe(true);
  });

  test("goes when the queue is full, and is counted; unsettled ones stay", () => {
    const queue = new PeerQueue();
    const [settled, open] = [queued(), queued()];
    open.settled = false;
    queue.addEvent(open);
    for (let i = 1; i < PEER_EVENTS_MAX; i++) expect(queue.addEvent(settled)).toBe(0);
    expect(queue.addEvent(settled)).toBe(PEER_EVENTS_MAX);
    expect(queue.size).toBe(1);
    expect(queue.take(PEER, 1, 0)?.events).toHaveLength(1);
  });
});
