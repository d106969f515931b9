/** Nobody waits for a receiver that is not theirs. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SENT } from "#alert/outcome.ts";
import { sendHttp } from "#handlers/http-sender.ts";
import { ORIGIN_REQUESTS_MAX } from "#handlers/limits.ts";
import { RequestGate } from "#handlers/request-gate.ts";
import { HttpReceiver, services } from "./support.ts";

const open = new AbortController().signal;

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

async function enter(gate: RequestGate, name: string, signal = open): Promise<void> {
  await gate.enter(name, signal);
}

/** Enters and says whether that happened at once. */
async function tryEnter(gate: RequestGate, name: string, signal = open) {
  const state = { entered: false, refused: "" };
  enter(gate, name, signal).then(
    () => {
      state.entered = true;
    },
    (error: Error) => {
      state.refused = error.message;
    },
  );
  await turns();
  return state;
}

describe("a gate of 4 places, 2 for each receiver", () => {
  test("a hung receiver fills its share and no more", async () => {
    const gate = new RequestGate(4, 2);
    const hung = [];
    for (let i = 0; i < 4; i++) hung.push(await tryEnter(gate, "hung"));
    expect(hung.map(({ entered }) => entered)).toEqual([true, true, false, false]);
    expect((await tryEnter(gate, "other")).entered).toBe(true);
    expect(gate.counts).toEqual({ active: 3, waiting: 2, origins: 2 });
  });

  test("places go to who waits first, one receiver after the other", async () => {
    const gate = new RequestGate(2, 2);
    await tryEnter(gate, "a");
    await tryEnter(gate, "a");
    const a = [await tryEnter(gate, "a"), await tryEnter(gate, "a")];
    const b = await tryEnter(gate, "b");
    const entered = () => [...a, b].map((one) => one.entered);
    gate.leave("a");
    await turns();
    expect(entered()).toEqual([true, false, false]);
    gate.leave("a");
    await turns();
    expect(entered()).toEqual([true, false, true]);
    gate.leave("b");
    await turns();
    expect(entered()).toEqual([true, true, true]);
  });

  test("whose time is over stops waiting and leaves no trace", async () => {
    const gate = new RequestGate(1, 1);
    await tryEnter(gate, "a");
    const abort = new AbortController();
    const late = await tryEnter(gate, "b", abort.signal);
    abort.abort(new Error("no answer within 30s"));
    await turns();
    expect(late).toEqual({ entered: false, refused: "no answer within 30s" });
    expect(gate.counts).toEqual({ active: 1, waiting: 0, origins: 1 });
    gate.leave("a");
    expect(gate.counts).toEqual({ active: 0, waiting: 0, origins: 0 });
    expect((await tryEnter(gate, "a", abort.signal)).refused).toBe("no answer within 30s");
  });
});

test("a place that is free is taken without waiting", () => {
  const gate = new RequestGate(2, 1);
  expect(gate.enter("a", open)).toBeUndefined();
  expect(gate.enter("a", open)).toBeInstanceOf(Promise);
  expect(gate.counts).toEqual({ active: 1, waiting: 1, origins: 1 });
});

/** Counts how often it is asked whether it fired; everything else is an ordinary signal's. */
function countingSignal(): { readonly signal: AbortSignal; asked(): number } {
  const { signal } = new AbortController();
  let asked = 0;
  signal.throwIfAborted = () => {
    asked++;
  };
  return { signal, asked: () => asked };
}

test("a request asks once for its place, also when it has to wait", async () => {
  const receiver = new HttpReceiver();
  const release = Promise.withResolvers<void>();
  receiver.answer = async () => {
    await release.promise;
    return new Response(null, { status: 204 });
  };
  const request = { service: "x", accepts: [], url: receiver.url, body: "{}" };
  try {
    const filling = Array.from({ length: ORIGIN_REQUESTS_MAX }, () =>
      sendHttp(services(), request, open),
    );
    const { signal, asked } = countingSignal();
    const late = sendHttp(services(), request, signal);
    expect(asked()).toBe(1);
    release.resolve();
    const outcomes = await Promise.all([...filling, late]);
    expect(outcomes.filter((outcome) => outcome === SENT)).toHaveLength(ORIGIN_REQUESTS_MAX + 1);
    expect(asked()).toBe(1);
    expect(receiver.received).toHaveLength(ORIGIN_REQUESTS_MAX + 1);
  } finally {
    receiver.close();
  }
});

test("bounds hold and nobody is forgotten, whatever happens in which order", async () => {
  const step = fc.record({ name: fc.constantFrom("a", "b", "c"), enters: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const gate = new RequestGate(5, 2);
      const inside = { a: 0, b: 0, c: 0 };
      let asked = 0;
      let done = 0;
      for (const { name, enters } of steps) {
        const key = name as keyof typeof inside;
        if (enters) {
          asked++;
          void enter(gate, key).then(() => {
            inside[key]++;
          });
        } else if (inside[key] > 0) {
          inside[key]--;
          done++;
          gate.leave(key);
        }
        await turns();
        const all = inside.a + inside.b + inside.c;
        expect(Math.max(inside.a, inside.b, inside.c)).toBeLessThanOrEqual(2);
        expect(all).toBeLessThanOrEqual(5);
        expect(gate.counts.active).toBe(all);
        expect(gate.counts.active + gate.counts.waiting).toBe(asked - done);
      }
    }),
    { numRuns: 200 },
  );
});
