/** One handler's queue: order, repetition, bounds, supersession, cancelling, closing. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Delivery, Handler } from "#alert/handler.ts";
import { type EndReason, HandlerQueue } from "#alert/handler-queue.ts";
import { DELIVERY_LIMITS, type DeliveryLimits, TURN_ATTEMPTS, TURN_MS } from "#alert/limits.ts";
import { type Outcome, SENT } from "#alert/outcome.ts";
import { VirtualClock } from "#lib/clock.ts";
import { silentLog } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { delivery, quiet } from "./support.ts";

const RETRY: Outcome = { kind: "retry", error: "connection refused" };
const REJECTED: Outcome = { kind: "rejected", error: "bad request" };

/** A queue over a handler whose sends wait until the test ends them. */
class Bench {
  readonly clock = new VirtualClock();
  readonly started: { readonly id: string; readonly ms: number; end(outcome: Outcome): void }[] =
    [];
  readonly ends: {
    readonly ticket: number;
    readonly reason: EndReason;
    readonly outcome: Outcome;
  }[] = [];
  readonly aborted: string[] = [];
  closed = 0;
  answer: ((sent: Delivery) => Outcome) | undefined;
  readonly queue: HandlerQueue;

  constructor(limits: Partial<DeliveryLimits> = {}) {
    const handler: Handler = {
      send: (sent, signal) =>
        new Promise((resolve) => {
          const { message } = sent.event;
          this.started.push({ id: message, ms: this.clock.monoMs(), end: resolve });
          signal.addEventListener("abort", () => this.aborted.push(message));
          if (this.answer !== undefined) resolve(this.answer(sent));
        }),
      close: () => {
        this.closed++;
      },
    };
    this.queue = new HandlerQueue({
      handler,
      clock: this.clock,
      random: new SeededRandom(7),
      log: silentLog,
      limits: { ...DELIVERY_LIMITS, ...limits },
      finished: (ticket, _delivery, outcome, reason) => this.ends.push({ ticket, reason, outcome }),
    });
  }

  push(ticket: number, id: string, message = `${id}${ticket}`, brief = false): void {
    this.queue.push(ticket, delivery({ id, message }), brief);
  }

  names(): string[] {
    return this.started.map((one) => one.id);
  }

  reasons(): string[] {
    return this.ends.map((end) => `${end.ticket}:${end.reason}`);
  }

  async end(index: number, outcome: Outcome): Promise<void> {
    this.started[index]?.end(outcome);
    await quiet();
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await quiet();
  }
}

describe("order", () => {
  test("events of one ID go out one after another, other IDs beside them", async () => {
    const b = new Bench();
    b.push(1, "a");
    b.push(2, "a");
    b.push(3, "b");
    expect(b.names()).toEqual(["a1", "b3"]);
    await b.end(0, SENT);
    expect(b.names()).toEqual(["a1", "b3", "a2"]);
    await b.end(2, SENT);
    await b.end(1, SENT);
    expect(b.reasons()).toEqual(["1:sent", "2:sent", "3:sent"]);
    expect(b.queue.counters()).toMatchObject({ sent: 3, waiting: 0, lastError: "" });
  });

  test("a slow receiver gets every event", async () => {
    const b = new Bench();
    for (let i = 1; i <= 5; i++) b.push(i, "a");
    for (let i = 0; i < 5; i++) await b.end(i, SENT);
    expect(b.names()).toEqual(["a1", "a2", "a3", "a4", "a5"]);
    expect(b.queue.counters().superseded).toBe(0);
  });

  test("at most the given number of IDs is in flight", async () => {
    const b = new Bench({ inFlightMax: 2 });
    for (const [i, id] of ["a", "b", "c"].entries()) b.push(i, id);
    expect(b.names()).toEqual(["a0", "b1"]);
    expect([1, 2, 3].map((ticket) => b.queue.isQueued(ticket))).toEqual([false, true, false]);
    await b.end(1, SENT);
    expect(b.names()).toEqual(["a0", "b1", "c2"]);
    expect(b.queue.isQueued(2)).toBe(false);
  });
});

describe("repetition", () => {
  test("a failed attempt is repeated after a pause that doubles", async () => {
    const b = new Bench({ backoffMs: 1000, backoffMaxMs: 3000 });
    b.answer = () => RETRY;
    b.push(1, "a");
    for (let i = 0; i < 200; i++) await b.advance(50);
    const gaps = b.started.slice(1, 5).map((one, i) => one.ms - (b.started[i]?.ms ?? 0));
    for (const [i, full] of [1000, 2000, 3000, 3000].entries()) {
      expect(gaps[i]).toBeGreaterThanOrEqual(full / 2);
      expect(gaps[i]).toBeLessThanOrEqual(full + 50);
    }
    expect(b.queue.counters().lastError).toBe("connection refused");
  });

  test("it succeeds when the receiver is back", async () => {
    const b = new Bench();
    b.push(1, "a");
    await b.end(0, RETRY);
    expect(b.queue.counters()).toMatchObject({ retried: 1, waiting: 1 });
    await b.advance(1000);
    await b.end(1, SENT);
    expect(b.reasons()).toEqual(["1:sent"]);
  });

  test.each([
    [2_000, 1_999, 1, 2],
    [9_000_000, 299_999, 1, 2],
  ])("a wish of %d ms is honoured up to its bound", async (afterMs, before, early, late) => {
    const b = new Bench();
    b.push(1, "a");
    await b.end(0, { ...RETRY, afterMs });
    await b.advance(before);
    expect(b.started.length).toBe(early);
    await b.advance(1);
    expect(b.started.length).toBe(late);
  });

  test("a rejection is final", async () => {
    const b = new Bench();
    b.push(1, "a");
    await b.end(0, REJECTED);
    await b.advance(1_000_000);
    expect(b.started.length).toBe(1);
    expect(b.reasons()).toEqual(["1:failed"]);
    expect(b.queue.counters()).toMatchObject({ failed: 1, lastError: "bad request" });
  });

  test("it is given up after the last attempt", async () => {
    const b = new Bench({ attemptsMax: 2 });
    b.push(1, "a");
    await b.end(0, RETRY);
    await b.advance(1000);
    await b.end(1, RETRY);
    expect(b.ends).toEqual([{ ticket: 1, reason: "expired", outcome: RETRY }]);
  });

  test("it is given up when too old", async () => {
    const b = new Bench({ ageMaxMs: 10_000, attemptTimeoutMs: 100_000 });
    b.push(1, "a");
    await b.advance(10_000);
    await b.end(0, RETRY);
    expect(b.reasons()).toEqual(["1:expired"]);
  });

  test("an attempt without an answer is cut off and repeated", async () => {
    const b = new Bench({ attemptTimeoutMs: 5000 });
    b.push(1, "a");
    await b.advance(4999);
    expect(b.aborted).toEqual([]);
    await b.advance(1);
    expect(b.aborted).toEqual(["a1"]);
    expect(b.queue.counters().lastError).toBe("no answer within 5s");
    await b.advance(1000);
    expect(b.started.length).toBe(2);
  });

  test("a handler that throws counts as a failed attempt", async () => {
    const b = new Bench();
    b.answer = () => {
      throw new Error("boom");
    };
    b.push(1, "a");
    await quiet();
    expect(b.queue.counters()).toMatchObject({ retried: 1, lastError: "boom" });
  });
});

describe("supersession", () => {
  test("in trouble the newest event of an ID replaces the older unsent ones", async () => {
    const b = new Bench();
    b.push(1, "a");
    b.push(2, "a");
    b.push(3, "a");
    b.push(4, "b");
    await b.end(0, RETRY);
    expect(b.reasons()).toEqual(["1:superseded", "2:superseded"]);
    b.push(5, "a");
    expect(b.reasons()).toEqual(["1:superseded", "2:superseded", "3:superseded"]);
    await b.advance(1000);
    expect(b.names()).toEqual(["a1", "b4", "a5"]);
    await b.end(2, SENT);
    expect(b.queue.counters()).toMatchObject({ superseded: 3, sent: 1 });
  });
});

describe("a newer event that waits elsewhere", () => {
  test("supersedes a pausing one at once, and the pause goes on for it", async () => {
    const b = new Bench({ backoffMs: 1000 });
    b.push(1, "a");
    await b.end(0, { ...RETRY, afterMs: 5000 });
    b.queue.newerExists("a");
    expect(b.reasons()).toEqual(["1:superseded"]);
    b.push(2, "a");
    await b.advance(4999);
    expect(b.names()).toEqual(["a1"]);
    await b.advance(1);
    expect(b.names()).toEqual(["a1", "a2"]);
  });

  test("supersedes one in flight when that fails, and not when it succeeds", async () => {
    const b = new Bench();
    b.push(1, "a");
    b.push(2, "b");
    b.queue.newerExists("a");
    b.queue.newerExists("b");
    await b.end(0, RETRY);
    await b.end(1, SENT);
    expect(b.reasons()).toEqual(["1:superseded", "2:sent"]);
  });

  test("leaves what waits for its turn alone", async () => {
    const b = new Bench({ inFlightMax: 1 });
    b.push(1, "a");
    b.push(2, "b");
    b.queue.newerExists("b");
    b.queue.newerExists("unknown");
    await b.end(0, SENT);
    await b.end(1, SENT);
    expect(b.reasons()).toEqual(["1:sent", "2:sent"]);
  });

  test("supersedes what waits for its turn when the receiver is in trouble; the turn is kept", async () => {
    const b = new Bench({ inFlightMax: 1, backoffMs: 1e6, backoffMaxMs: 1e6 });
    for (const [i, id] of ["a", "b", "c", "d", "e", "f"].entries()) b.push(i + 1, id);
    await b.end(0, RETRY);
    await b.end(1, RETRY);
    b.queue.newerExists("e");
    expect(b.reasons()).toEqual([]);
    await b.end(2, RETRY);
    b.queue.newerExists("e");
    b.queue.newerExists("f");
    expect(b.reasons()).toEqual(["5:superseded", "6:superseded"]);
    b.push(7, "g");
    b.push(8, "e");
    b.push(9, "e");
    expect(b.reasons()).toEqual(["5:superseded", "6:superseded", "8:superseded"]);
    // "f" has lost its turn by now: nothing of it was there when that came.
    for (const at of [3, 4]) await b.end(at, RETRY);
    b.push(10, "f");
    expect(b.names()).toEqual(["a1", "b2", "c3", "d4", "e9", "g7"]);
    await b.end(5, SENT);
    expect(b.names()).toEqual(["a1", "b2", "c3", "d4", "e9", "g7", "f10"]);
    b.push(11, "h");
    b.queue.newerExists("h");
    await b.end(6, SENT);
    expect(b.names().at(-1)).toBe("h11");
  });

  test("failures count on across events until one succeeds", async () => {
    const b = new Bench({ attemptsMax: 3 });
    b.answer = () => RETRY;
    for (let i = 1; i <= 3; i++) {
      b.queue.newerExists("a");
      b.push(i, "a");
      await quiet();
      await b.advance(100_000);
    }
    expect(b.reasons()).toContain("2:expired");
  });
});

describe("bounds", () => {
  test("a full queue takes the last and refuses the next", () => {
    const b = new Bench({ waitingMax: 2, inFlightMax: 1 });
    b.push(1, "a");
    b.push(2, "b");
    expect(b.ends).toEqual([]);
    b.push(3, "c");
    expect(b.ends).toEqual([
      {
        ticket: 3,
        reason: "dropped",
        outcome: { kind: "retry", error: "the handler's queue is full" },
      },
    ]);
    expect(b.queue.counters()).toMatchObject({ dropped: 1, waiting: 1, inFlight: 1 });
  });

  test("a hung ID does not hold up the others", async () => {
    const b = new Bench();
    b.push(1, "hung");
    for (let i = 2; i < 50; i++) {
      b.push(i, `id${i}`);
      await b.end(b.started.length - 1, SENT);
    }
    expect(b.queue.counters()).toMatchObject({ sent: 48, waiting: 0, inFlight: 1 });
  });
});

describe("cancelling", () => {
  test("a waiting send is forgotten", async () => {
    const b = new Bench();
    b.push(1, "a");
    b.push(2, "a");
    b.queue.cancel(2);
    await b.end(0, SENT);
    expect(b.names()).toEqual(["a1"]);
    expect(b.reasons()).toEqual(["1:sent"]);
  });

  test("a running send is aborted and the next goes on", async () => {
    const b = new Bench();
    b.push(1, "a");
    b.push(2, "a");
    b.queue.cancel(1);
    await quiet();
    expect(b.aborted).toEqual(["a1"]);
    expect(b.names()).toEqual(["a1", "a2"]);
    expect(b.ends).toEqual([]);
  });

  test("a pausing send is forgotten", async () => {
    const b = new Bench();
    b.push(1, "a");
    await b.end(0, RETRY);
    b.queue.cancel(1);
    await b.advance(100_000);
    expect(b.started.length).toBe(1);
    expect(b.queue.counters().waiting).toBe(0);
  });

  test("an unknown ticket is no matter", () => {
    expect(() => new Bench().queue.cancel(99)).not.toThrow();
  });
});

describe("closing", () => {
  test("an idle queue closes at once", async () => {
    const b = new Bench();
    await b.queue.close();
    expect(b.closed).toBe(1);
  });

  test("what is held goes on within the drain time", async () => {
    const b = new Bench();
    b.push(1, "a");
    const closed = b.queue.close();
    await b.end(0, SENT);
    await closed;
    expect(b.reasons()).toEqual(["1:sent"]);
  });

  test("what is left is given up and told", async () => {
    const b = new Bench({ drainMs: 1000 });
    b.push(1, "a");
    b.push(2, "a");
    const closed = b.queue.close();
    await b.advance(1000);
    await closed;
    expect(b.reasons()).toEqual(["1:dropped", "2:dropped"]);
    expect(b.aborted).toEqual(["a1"]);
    expect(b.closed).toBe(1);
  });

  test("nothing new is taken", async () => {
    const b = new Bench();
    await b.queue.close();
    b.push(1, "a");
    expect(b.reasons()).toEqual(["1:dropped"]);
  });
});

test("every send ends exactly once, in order per ID, whatever happens", async () => {
  const step = fc.record({
    id: fc.constantFrom("a", "b", "c"),
    outcome: fc.constantFrom<Outcome>(SENT, RETRY, REJECTED),
    advance: fc.constantFrom(0, 100, 5_000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const b = new Bench({ attemptsMax: 3 });
      const outcomes = steps.map((one) => one.outcome);
      b.answer = () => outcomes.shift() ?? SENT;
      for (const [i, one] of steps.entries()) {
        b.push(i, one.id);
        await b.advance(one.advance);
      }
      for (let i = 0; i < 10; i++) await b.advance(100_000);
      expect(b.ends.map((end) => end.ticket).sort((x, y) => x - y)).toEqual(steps.map((_, i) => i));
      const sent = b.ends.filter((end) => end.reason === "sent");
      for (const id of ["a", "b", "c"]) {
        const tickets = sent.map((end) => end.ticket).filter((t) => steps[t]?.id === id);
        expect(tickets).toEqual([...tickets].sort((x, y) => x - y));
      }
      expect(b.queue.counters().waiting).toBe(0);
    }),
    { numRuns: 60 },
  );
});

describe("a turn, while another member can do it", () => {
  test("ends after three refusals within two seconds, and leaves nothing behind", async () => {
    const b = new Bench();
    b.answer = () => RETRY;
    b.push(1, "a", "a1", true);
    for (let i = 0; i < 40; i++) await b.advance(50);
    expect(b.started.length).toBe(TURN_ATTEMPTS);
    expect(b.started.at(-1)?.ms).toBeLessThan(TURN_MS);
    expect(b.reasons()).toEqual(["1:passedOn"]);
    expect(b.ends[0]?.outcome).toEqual(RETRY);
    expect(b.queue.counters()).toMatchObject({ passedOn: 1, waiting: 0, inFlight: 0 });
  });

  test("ends at the first failure that comes late", async () => {
    const b = new Bench();
    b.push(1, "a", "a1", true);
    await b.advance(TURN_MS);
    await b.end(0, RETRY);
    expect(b.reasons()).toEqual(["1:passedOn"]);
  });

  test("goes on for a receiver that names the pause it wants", async () => {
    const b = new Bench();
    b.push(1, "a", "a1", true);
    for (let i = 0; i < 10; i++) {
      await b.end(i, { kind: "retry", error: "429", afterMs: 5_000 });
      expect(b.reasons()).toEqual([]);
      await b.advance(5_000);
    }
    await b.end(10, SENT);
    expect(b.reasons()).toEqual(["1:sent"]);
  });

  test("is one attempt where attempts for other IDs have failed", async () => {
    const b = new Bench();
    b.answer = () => RETRY;
    b.push(1, "a", "a1", true);
    for (let i = 0; i < 40; i++) await b.advance(50);
    b.push(2, "b", "b2", true);
    await quiet();
    expect(b.names().filter((name) => name === "b2")).toEqual(["b2"]);
    expect(b.reasons()).toEqual(["1:passedOn", "2:passedOn"]);
  });

  test("ends with an error that will not go away as any send does", async () => {
    const b = new Bench();
    b.push(1, "a", "a1", true);
    await b.end(0, REJECTED);
    expect(b.reasons()).toEqual(["1:failed"]);
  });

  test("leaves the next event of the ID to be tried at once", async () => {
    const b = new Bench();
    b.answer = () => RETRY;
    b.push(1, "a", "a1", true);
    for (let i = 0; i < 40; i++) await b.advance(50);
    b.answer = () => SENT;
    b.push(2, "a", "a2", true);
    await quiet();
    expect(b.reasons()).toEqual(["1:passedOn", "2:sent"]);
  });
});
