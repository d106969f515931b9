import { expect, test } from "bun:test";
import { Handover } from "#tasks/handover.ts";

test("the producer waits until each item was taken", async () => {
  const seen: string[] = [];
  const handover = new Handover<number>(async (take) => {
    for (const item of [1, 2]) {
      seen.push(`offer ${item}`);
      await take(item);
    }
  });
  for await (const item of handover.items()) seen.push(`take ${item}`);
  expect(seen).toEqual(["offer 1", "take 1", "offer 2", "take 2"]);
});

test("a producer that fails at once or after an item fails the reader", async () => {
  const failing = (items: readonly number[]) =>
    new Handover<number>(async (take) => {
      for (const item of items) await take(item);
      throw new Error("broken");
    }).items();
  await expect(failing([]).next()).rejects.toThrow("broken");
  const one = failing([1]);
  expect((await one.next()).value).toBe(1);
  await expect(one.next()).rejects.toThrow("broken");
});

test("a reader that stops early ends the producer", async () => {
  const ended = Promise.withResolvers<unknown>();
  const items = new Handover<number>(async (take) => {
    try {
      for (let i = 0; ; i++) await take(i);
    } catch (error) {
      ended.resolve(error);
      throw error;
    }
  }).items();
  await items.next();
  await items.return(undefined);
  expect(await ended.promise).toEqual(new Error("nobody reads on"));
});
