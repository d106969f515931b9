/** As many users and tokens as are kept, and one more. */

import { expect, test } from "bun:test";
import { SUBSCRIPTION_TOKENS_MAX, USERS_MAX } from "#auth/limits.ts";
import { SubscriptionTokenStore } from "#auth/subscription-tokens.ts";
import { UserService, userKind } from "#auth/user-service.ts";
import { VirtualClock } from "#lib/clock.ts";
import { SeededRandom } from "#lib/random.ts";
import { MemoryStore } from "#storage/memory.ts";
import { put } from "#storage/store.ts";

test("users", async () => {
  const store = new MemoryStore();
  const stored = Array.from({ length: USERS_MAX - 1 }, (_, i) =>
    put(userKind, `u${i}`, { name: `u${i}`, isAdmin: false, permissions: [], hash: "x" }),
  );
  await store.commit(stored);
  const users = new UserService(
    { store, clock: new VirtualClock(), random: new SeededRandom(1) },
    4,
  );
  await users.create("last", { password: "p" });
  expect(users.create("more", { password: "p" })).rejects.toThrow(`at most ${USERS_MAX} users`);
  await users.delete("u0");
  expect((await users.create("more", { password: "p" })).name).toBe("more");
});

test("subscription tokens", async () => {
  const tokens = new SubscriptionTokenStore(new MemoryStore());
  for (let i = 0; i < SUBSCRIPTION_TOKENS_MAX; i++) await tokens.grant(`t${i}`, "d");
  const refusal = `at most ${SUBSCRIPTION_TOKENS_MAX} subscription tokens are kept`;
  expect(tokens.grant("more", "d")).rejects.toThrow(refusal);
  await tokens.revoke("t0");
  await tokens.grant("more", "d");
  expect(tokens.permission("more")).toBe("write_points:d");
});
