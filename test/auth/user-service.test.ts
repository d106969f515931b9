/** Users: who may be changed, what is stored, and what checking passwords costs. */

import { beforeEach, describe, expect, spyOn, test } from "bun:test";
import { USER_CHANGES_WAITING_MAX, USER_NAME_LENGTH_MAX, VERIFICATIONS_MAX } from "#auth/limits.ts";
import { PASSWORD_MEMORY_MS, UserService, userKind } from "#auth/user-service.ts";
import { VirtualClock } from "#lib/clock.ts";
import { SeededRandom } from "#lib/random.ts";
import { MemoryStore } from "#storage/memory.ts";

const COST = 4;

let store: MemoryStore;
let clock: VirtualClock;
let users: UserService;

beforeEach(() => {
  store = new MemoryStore();
  clock = new VirtualClock();
  users = new UserService({ store, clock, random: new SeededRandom(1) }, COST);
});

function reasonOf(change: Promise<unknown>): Promise<string> {
  return change.then(
    () => "done",
    (error: Error) => error.message,
  );
}

describe("the last administrator", () => {
  const LAST = { type: "admin", password: "p" } as const;

  test("can be neither deleted nor made a normal user", async () => {
    await users.create("root", LAST);
    await users.create("bob", { password: "p" });
    expect(await reasonOf(users.delete("root"))).toBe("the last admin cannot be deleted");
    const demoted = users.update("root", { type: "normal" });
    expect(await reasonOf(demoted)).toBe("the last admin cannot be made a normal user");
    expect(users.get("root")?.isAdmin).toBe(true);
  });

  test("can go when there is another", async () => {
    await users.create("root", LAST);
    await users.create("second", LAST);
    await users.delete("root");
    expect(users.get("root")).toBeUndefined();
    expect(users.hasAdmin()).toBe(true);
  });

  test("stays when two requests take both away at once", async () => {
    await users.create("a", LAST);
    await users.create("b", LAST);
    const outcomes = await Promise.all([
      reasonOf(users.delete("a")),
      reasonOf(users.update("b", { type: "normal" })),
    ]);
    expect(outcomes).toEqual(["done", "the last admin cannot be made a normal user"]);
  });
});

describe("changes", () => {
  test("of one name at once: the first wins, the second is refused", async () => {
    const outcomes = await Promise.all([
      reasonOf(users.create("bob", { password: "one" })),
      reasonOf(users.create("bob", { password: "two" })),
    ]);
    expect(outcomes).toEqual(["done", "user bob already exists"]);
    expect(await users.verify("bob", "one")).toBeDefined();
    expect(await users.verify("bob", "two")).toBeUndefined();
  });

  test("beyond the bound are refused", async () => {
    const all = Array.from({ length: USER_CHANGES_WAITING_MAX + 1 }, () =>
      reasonOf(users.delete("nobody")),
    );
    const outcomes = await Promise.all(all);
    expect(outcomes.filter((outcome) => outcome === "done").length).toBe(USER_CHANGES_WAITING_MAX);
    expect(outcomes.at(-1)).toContain("too many changes of users are waiting");
  });

  test("of names: the longest is taken, a longer one is refused", async () => {
    const name = "n".repeat(USER_NAME_LENGTH_MAX);
    expect(await reasonOf(users.create(name, { password: "p" }))).toBe("done");
    expect(await reasonOf(users.create(`${name}n`, { password: "p" }))).toContain(
      "longer than 255",
    );
  });

  test("survive a restart, and only as bcrypt", async () => {
    await users.create("bob", { password: "pa55", permissions: ["api", "write_points"] });
    const text = new TextDecoder().decode(store.backup());
    expect(text).toContain("$2b$04$");
    expect(text).not.toContain("pa55");
    const again = new UserService({ store, clock, random: new SeededRandom(2) }, COST);
    const bob = { name: "bob", isAdmin: false, permissions: ["api", "write_points"] } as const;
    expect(await again.verify("bob", "pa55")).toEqual(bob);
  });
});

describe("checking a password", () => {
  test("costs one bcrypt for many requests at once, and none for an hour", async () => {
    await users.create("bob", { password: "p" });
    const bcrypt = spyOn(Bun.password, "verify");
    try {
      const found = await Promise.all(Array.from({ length: 100 }, () => users.verify("bob", "p")));
      expect(found.every((user) => user?.name === "bob")).toBe(true);
      clock.advance(PASSWORD_MEMORY_MS);
      await users.verify("bob", "p");
      expect(bcrypt).toHaveBeenCalledTimes(1);
      clock.advance(1);
      await users.verify("bob", "p");
      expect(bcrypt).toHaveBeenCalledTimes(2);
    } finally {
      bcrypt.mockRestore();
    }
  });

  test("of an unknown name costs as much", async () => {
    const bcrypt = spyOn(Bun.password, "verify");
    try {
      expect(await users.verify("nobody", "p")).toBeUndefined();
      expect(bcrypt).toHaveBeenCalledTimes(1);
    } finally {
      bcrypt.mockRestore();
    }
  });

  test("is refused when too many different ones are at work", async () => {
    const guesses = Array.from({ length: VERIFICATIONS_MAX + 1 }, (_, i) =>
      users.verify("bob", `guess ${i}`).then(
        () => "checked",
        (error: Error) => error.message,
      ),
    );
    const outcomes = await Promise.all(guesses);
    expect(outcomes.filter((outcome) => outcome === "checked").length).toBe(VERIFICATIONS_MAX);
    expect(outcomes.at(-1)).toBe("too many passwords are being verified, try again later");
  });

  test("fails for a user who was deleted meanwhile", async () => {
    await users.create("bob", { password: "p" });
    const check = users.verify("bob", "p");
    await users.delete("bob");
    expect(await check).toBeUndefined();
  });

  test("of a user whose stored hash is broken fails", async () => {
    const bob = { name: "bob", isAdmin: true, permissions: [], hash: "plain" };
    await store.commit([{ kind: userKind, key: "bob", value: bob }]);
    expect(await users.verify("bob", "plain")).toBeUndefined();
  });
});
