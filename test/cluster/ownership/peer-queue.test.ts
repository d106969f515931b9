import { describe, expect, test } from "bun:test";
import { RESEND_MIN_MS } from "#cluster/ownership/limits.ts";
import type { Batch, HoldNotice, Notice } from "#cluster/ownership/notices.ts";
import { PeerQueue } from "#cluster/ownership/peer-queue.ts";
import { memberId } from "#test/cluster/rpc/fake-network.ts";

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
