/** Groups are found by their tag values alone, also after many came and went. */

import { expect, test } from "bun:test";
import { GroupTable } from "#engine/group-table.ts";
import type { Dimensions } from "#model/group.ts";

const HOSTS: Dimensions = { byName: false, tagNames: ["host"] };
const NAMED: Dimensions = { byName: true, tagNames: ["host"] };

test("the same values are the same group, whatever list they come in", () => {
  const table = new GroupTable();
  const first = table.find("cpu", HOSTS, ["a"]);
  expect(table.find("mem", { byName: false, tagNames: ["host"] }, ["a"])).toBe(first);
  expect(table.find("cpu", HOSTS, ["b"])).not.toBe(first);
  expect(table.find("cpu", { byName: false, tagNames: ["rack"] }, ["a"])).not.toBe(first);
  expect(table.size).toBe(3);
});

test("grouped by name, another measurement is another group; these come last", () => {
  const table = new GroupTable();
  const cpu = table.find("cpu", NAMED, ["a"]);
  const mem = table.find("mem", NAMED, ["a"]);
  const plain = table.find("cpu", HOSTS, ["a"]);
  expect(mem).not.toBe(cpu);
  expect([...table.groups()]).toEqual([plain, cpu, mem]);
});

test("values that make one text are two groups when they are two lists", () => {
  const table = new GroupTable();
  const two = { byName: false, tagNames: ["a", "b"] };
  expect(table.find("m", two, ["x", "yz"])).not.toBe(table.find("m", two, ["xy", "z"]));
});

test("a removed group is over, and the next look-up makes another", () => {
  const table = new GroupTable();
  const old = table.find("cpu", HOSTS, ["a"]);
  table.remove(old);
  expect([old.isOver, table.size]).toEqual([true, 0]);
  const fresh = table.find("cpu", HOSTS, ["a"]);
  expect([fresh === old, fresh.isOver, table.size]).toEqual([false, false, 1]);
  table.remove(old);
  expect(table.size).toBe(1);
});

test("ten thousand groups, half of them removed and made anew, are all found", () => {
  const table = new GroupTable();
  const names = Array.from({ length: 10_000 }, (_, i) => `host-${i}`);
  const made = names.map((name) => table.find("cpu", HOSTS, [name]));
  for (const [i, group] of made.entries()) if (i % 2 === 0) table.remove(group);
  expect(table.size).toBe(5_000);
  const again = names.map((name) => table.find("cpu", HOSTS, [name]));
  expect(again.filter((group, i) => group === made[i]).length).toBe(5_000);
  expect(table.size).toBe(10_000);
  expect(new Set(table.groups()).size).toBe(10_000);
});

test("a budget counts groups and has the last word", () => {
  let left = 1;
  const budget = {
    take() {
      if (left-- === 0) throw new Error("full");
    },
    giveBack() {
      left++;
    },
  };
  const table = new GroupTable(budget);
  const group = table.find("cpu", HOSTS, ["a"]);
  expect(() => table.find("cpu", HOSTS, ["b"])).toThrow("full");
  expect(table.find("cpu", HOSTS, ["a"])).toBe(group);
  left = 0;
  table.remove(group);
  expect(table.find("cpu", HOSTS, ["c"]).tagValues).toEqual(["c"]);
});
