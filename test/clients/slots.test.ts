/** Places for work that goes on at once. */

import { expect, test } from "bun:test";
import { Slots } from "#clients/slots.ts";

const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

test("so many at once, the others in order; a failure gives its place back", async () => {
  const slots = new Slots(2);
  const begun: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const { signal } = new AbortController();
  const all = [0, 1, 2, 3].map((n) =>
    slots.run(() => {
      begun.push(n);
      ends[n] = Promise.withResolvers<void>();
      return ends[n].promise;
    }, signal),
  );
  for (const one of all) one.catch(() => {});
  await turns();
  expect(begun).toEqual([0, 1]);
  ends[1]?.reject(new Error("x"));
  await turns();
  expect(begun).toEqual([0, 1, 2]);
  ends[0]?.resolve();
  await turns();
  expect(begun).toEqual([0, 1, 2, 3]);
});

test("who stops waiting gives up its turn", async () => {
  const slots = new Slots(1);
  const first = Promise.withResolvers<void>();
  const { signal } = new AbortController();
  const running = slots.run(() => first.promise, signal);
  const stop = new AbortController();
  let second = false;
  const waiting = slots.run(async () => {
    second = true;
  }, stop.signal);
  stop.abort(new Error("stopped"));
  expect(await waiting.catch((error) => error.message)).toBe("stopped");
  first.resolve();
  await running;
  expect(second).toBe(false);
  expect(await slots.run(async () => "free", signal)).toBe("free");
});
