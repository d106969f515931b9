/** A crash in the middle of a write: what lies whole before the cut is there at the next start, the rest is not. */

import { expect, test } from "bun:test";
import type { EncodedWrite } from "#storage/encode.ts";
import { tornFile, tornPlatter } from "./torn-tail.ts";

const before = new Map([["things", new Map([["a", "1"]])]]);
const commits: readonly (readonly EncodedWrite[])[] = [
  [{ table: "things", key: "b", text: "2" }],
  [
    { table: "things", key: "a", text: undefined },
    { table: "others", key: "c", text: "3".repeat(50_000) },
  ],
];

function rows(share: number): Readonly<Record<string, unknown>> {
  const found = tornPlatter(before, commits, share);
  return Object.fromEntries([...found].map(([name, row]) => [name, Object.fromEntries(row)]));
}

test("of the commits under way those before the cut survive, whole, and the torn one is ignored", () => {
  expect(rows(0)).toEqual({ things: { a: "1" }, others: {} });
  // The second commit writes many times as much as the first one.
  expect(rows(0.5)).toEqual({ things: { a: "1", b: "2" }, others: {} });
  expect(rows(0.999)).toEqual({ things: { a: "1", b: "2" }, others: {} });
  expect(rows(1)).toEqual({ things: { b: "2" }, others: { c: "3".repeat(50_000) } });
});

test("half of the next membership file beside the old one is not read", () => {
  const [old, next] = [new TextEncoder().encode("old"), new TextEncoder().encode("the next one")];
  for (const share of [0, 0.5, 0.99]) expect(tornFile(old, next, share)).toEqual(old);
});
