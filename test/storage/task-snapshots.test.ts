/** States of tasks in the store. */

import { describe, expect, test } from "bun:test";
import { nodeSnapshots } from "#storage/kinds/node-snapshots.ts";
import { KINDS } from "#storage/kinds/registry.ts";
import { MemoryStore } from "#storage/memory.ts";
import { put } from "#storage/store.ts";
import { StoredSnapshots } from "#storage/task-snapshots.ts";

const snapshot = (nodes: readonly string[]) => ({
  version: 1,
  nodes,
  dimensions: [],
  groups: [],
  series: [],
  shapes: [],
  states: [],
});

function opened() {
  const store = new MemoryStore(KINDS);
  let commits = 0;
  const counted = Object.assign(Object.create(store) as MemoryStore, {
    commit: (writes: Parameters<MemoryStore["commit"]>[0]) => {
      commits++;
      return store.commit(writes);
    },
    table: store.table.bind(store),
  });
  return { store, snapshots: new StoredSnapshots(counted), commits: () => commits };
}

describe("stored snapshots", () => {
  test("come back as they were, the last one of each task", async () => {
    const { snapshots } = opened();
    await snapshots.save("a", snapshot(["x"]));
    await snapshots.save("a", snapshot(["y"]));
    await snapshots.save("b", snapshot(["z"]));
    expect([snapshots.load("a"), snapshots.load("b"), snapshots.load("c")]).toEqual([
      snapshot(["y"]),
      snapshot(["z"]),
      undefined,
    ]);
  });

  test("are not written again when nothing has changed", async () => {
    const { snapshots, commits } = opened();
    await snapshots.save("a", snapshot(["x"]));
    await snapshots.save("a", snapshot(["x"]));
    expect(commits()).toBe(1);
    await snapshots.save("a", snapshot(["y"]));
    expect(commits()).toBe(2);
  });

  test("are gone when their task is, and may be written again", async () => {
    const { snapshots } = opened();
    await snapshots.save("a", snapshot(["x"]));
    await snapshots.delete("a");
    expect(snapshots.load("a")).toBeUndefined();
    await snapshots.save("a", snapshot(["x"]));
    expect(snapshots.load("a")).toEqual(snapshot(["x"]));
  });

  test("that are damaged are an error that names the task", async () => {
    const { store, snapshots } = opened();
    await store.commit([put(nodeSnapshots, "a", "{ no")]);
    expect(() => snapshots.load("a")).toThrow("the stored state of task a is no JSON");
  });
});
