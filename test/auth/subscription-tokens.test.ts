import { expect, test } from "bun:test";
import { SUBSCRIPTION_TOKEN_LENGTH_MAX } from "#auth/limits.ts";
import { SubscriptionTokenStore, subscriptionTokenKind } from "#auth/subscription-tokens.ts";
import type { SubscriptionTokens } from "#ingest/subscription-link.ts";
import { MemoryStore } from "#storage/memory.ts";
import { put } from "#storage/store.ts";

test("a granted token is valid, also after a restart, until it is revoked", async () => {
  const store = new MemoryStore();
  const tokens = new SubscriptionTokenStore(store);
  await tokens.grant("a", "telegraf");
  await tokens.grant("b", "other");
  await tokens.grant("a", "telegraf");
  const again = new SubscriptionTokenStore(store);
  expect(again.list()).toEqual(["a", "b"]);
  await again.revoke("a");
  await again.revoke("never");
  expect([again.permission("a"), again.permission("b")]).toEqual([undefined, "write_points:other"]);
  expect(new SubscriptionTokenStore(store).list()).toEqual(["b"]);
});

test("a token from before databases were kept opens them all", async () => {
  const store = new MemoryStore();
  await store.commit([put(subscriptionTokenKind, "old", true)]);
  expect(new SubscriptionTokenStore(store).permission("old")).toBe("write_points");
});

test("a stored token of another form is refused", () => {
  for (const bad of [{}, { database: 5 }, false, null, "x"])
    expect(() => subscriptionTokenKind.decode(subscriptionTokenKind.encode(bad as never))).toThrow(
      "stored subscription token of unknown form",
    );
});

test("is what subscriptions ask for", () => {
  const tokens: SubscriptionTokens = new SubscriptionTokenStore(new MemoryStore());
  expect(tokens.list()).toEqual([]);
});

test("a token that could not be stored is not valid", async () => {
  const store = new MemoryStore();
  const tokens = new SubscriptionTokenStore(store);
  await store.close();
  await expect(tokens.grant("a", "telegraf")).rejects.toThrow("the store is closed");
  expect(tokens.permission("a")).toBeUndefined();
});

test("the longest token is taken, a longer and an empty one are refused", async () => {
  const tokens = new SubscriptionTokenStore(new MemoryStore());
  await tokens.grant("t".repeat(SUBSCRIPTION_TOKEN_LENGTH_MAX), "d");
  for (const bad of ["", "t".repeat(SUBSCRIPTION_TOKEN_LENGTH_MAX + 1)])
    await expect(tokens.grant(bad, "d")).rejects.toThrow("must have 1 to 4096 characters");
});
