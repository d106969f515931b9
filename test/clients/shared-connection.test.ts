/** One connection for many senders: sharing, idling, loss, giving up, closing. */

import { describe, expect, test } from "bun:test";
import { SharedConnection } from "#clients/shared-connection.ts";
import { VirtualClock } from "#lib/clock.ts";
import { quiet } from "../alert/support.ts";

const IDLE_MS = 1_000;
const never = new AbortController().signal;

interface Wire {
  readonly n: number;
  alive: boolean;
  closed: boolean;
}

function bench() {
  const clock = new VirtualClock();
  const opened: Wire[] = [];
  let gate: Promise<void> = Promise.resolve();
  const shared = new SharedConnection<Wire>({
    clock,
    idleMs: IDLE_MS,
    open: async () => {
      await gate;
      const wire = { n: opened.length + 1, alive: true, closed: false };
      opened.push(wire);
      return wire;
    },
    close: async (wire) => {
      wire.closed = true;
      throw new Error("errors of leaving are nobody's");
    },
    isAlive: (wire) => wire.alive,
  });
  const hold = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    return resolve;
  };
  return { clock, opened, shared, hold };
}

const number = async (wire: Wire): Promise<number> => wire.n;

describe("a shared connection", () => {
  test("is opened once for users at the same time and after each other", async () => {
    const { shared, opened } = bench();
    const all = [1, 2, 3].map(() => shared.use(number, never));
    expect(await Promise.all(all)).toEqual([1, 1, 1]);
    expect(await shared.use(number, never)).toBe(1);
    expect(opened.length).toBe(1);
  });

  test("is closed after the idle time, counted from the last use", async () => {
    const { shared, opened, clock } = bench();
    await shared.use(number, never);
    clock.advance(IDLE_MS - 1);
    await shared.use(number, never);
    clock.advance(IDLE_MS - 1);
    expect(opened[0]?.closed).toBe(false);
    clock.advance(1);
    expect(opened[0]?.closed).toBe(true);
    expect(await shared.use(number, never)).toBe(2);
  });

  test("is not idle while it is used", async () => {
    const { shared, opened, clock } = bench();
    const { promise, resolve } = Promise.withResolvers<void>();
    const using = shared.use(() => promise, never);
    await quiet();
    clock.advance(10 * IDLE_MS);
    expect(opened[0]?.closed).toBe(false);
    resolve();
    await using;
  });

  test("that was lost or discarded is replaced", async () => {
    const { shared, opened } = bench();
    await shared.use(number, never);
    for (const wire of opened) wire.alive = false;
    expect(await shared.use(number, never)).toBe(2);
    await shared.use(async (wire) => shared.discard(wire), never);
    expect(await shared.use(number, never)).toBe(3);
    expect(opened.map(({ closed }) => closed)).toEqual([true, true, false]);
  });

  test("that nobody waits for any more is closed when it is idle", async () => {
    const { shared, opened, clock, hold } = bench();
    const go = hold();
    const abort = new AbortController();
    const using = shared.use(number, abort.signal);
    abort.abort(new Error("enough"));
    expect(using).rejects.toThrow("enough");
    await quiet();
    clock.advance(IDLE_MS);
    go();
    await quiet();
    expect(opened.map(({ closed }) => closed)).toEqual([true]);
  });

  test("is left to the others when one gives up", async () => {
    const { shared, hold } = bench();
    const go = hold();
    const abort = new AbortController();
    const [first, second] = [shared.use(number, abort.signal), shared.use(number, never)];
    abort.abort(new Error("enough"));
    expect(first).rejects.toThrow("enough");
    go();
    expect(await second).toBe(1);
  });

  test("closes after its users, and takes no new ones", async () => {
    const { shared, opened } = bench();
    const { promise, resolve } = Promise.withResolvers<void>();
    const using = shared.use(() => promise, never);
    await quiet();
    let closed = false;
    const closing = shared.close().then(() => {
      closed = true;
    });
    expect(shared.use(number, never)).rejects.toThrow("changed or removed");
    await quiet();
    expect([closed, opened[0]?.closed]).toEqual([false, false]);
    resolve();
    await using;
    await closing;
    expect(opened[0]?.closed).toBe(true);
  });

  test("does not let closing wait for an attempt to connect", async () => {
    const { shared, opened, hold } = bench();
    const go = hold();
    const abort = new AbortController();
    const using = shared.use(number, abort.signal);
    abort.abort(new Error("enough"));
    expect(using).rejects.toThrow("enough");
    await shared.close();
    go();
    await quiet();
    expect(opened.map(({ closed }) => closed)).toEqual([true]);
  });
});
