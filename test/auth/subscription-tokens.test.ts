import { expect, test } from "bun:test";
import { SUBSCRIPTION_TOKEN_LENGTH_MAX } from "#auth/limits.ts";
import { SubscriptionTokenStore } from "#auth/subscription-tokens.ts";
import type { SubscriptionTokens } from "#ingest/subscription-link.ts";
import { MemoryStore } from "#storage/memory.ts";

test("a granted token is valid, also after a restart, until it is revoked", async () => {
  const store = new MemoryStore();
  const tokens = new SubscriptionTokenStore(store);
  await tokens.grant("a");
  await tokens.grant("b");
  await tokens.grant("a");
  const again = new SubscriptionTokenStore(store);
  expect(again.list()).toEqual(["a", "b"]);
  await again.revoke("a");
  await again.revoke("never");
  expect([again.has("a"), again.has("b")]).toEqual([false, true]);
  expect(new SubscriptionTokenStore(store).list()).toEqual(["b"]);
});

test("is what subscriptions ask for", () => {
  const tokens: SubscriptionTokens = new SubscriptionTokenStore(new MemoryStore());
  expect(tokens.list()).toEqual([]);
});

test("a token that could not be stored is not valid", async () => {
  const store = new MemoryStore();
  const tokens = new SubscriptionTokenStore(store);
  await store.close();
  await expect(tokens.grant("a")).rejects.toThrow("the store is closed");
  expect(tokens.has("a")).toBe(false);
});

test("the longest token is taken, a longer and an empty one are refused", async () => {
  const tokens = new SubscriptionTokenStore(new MemoryStore());
  await tokens.grant("t".repeat(SUBSCRIPTION_TOKEN_LENGTH_MAX));
  for (const bad of ["", "t".repeat(SUBSCRIPTION_TOKEN_LENGTH_MAX + 1)])
    await expect(tokens.grant(bad)).rejects.toThrow("must have 1 to 4096 characters");
});
