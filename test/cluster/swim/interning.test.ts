/** What is kept so that nothing is decoded, compared or remembered twice. */

import { describe, expect, test } from "bun:test";
import { ByteReader, ByteWriter } from "#cluster/messages/bytes.ts";
import { IdTable } from "#cluster/messages/member-id.ts";
import { readProfile, writeProfile } from "#cluster/messages/profile.ts";
import { ReplayWindow } from "#cluster/swim/replay-window.ts";
import { SeededRandom } from "#lib/random.ts";
import { memberA, profileA } from "./sample-records.ts";

function bytesOf(profile: typeof profileA): Uint8Array {
  const writer = new ByteWriter(512);
  writeProfile(writer, profile, new IdTable());
  return writer.copy();
}

describe("descriptions", () => {
  test("equal bytes of a learned member give the same object, different ones another", () => {
    const ids = new IdTable();
    ids.learn(memberA);
    const first = readProfile(new ByteReader(bytesOf(profileA)), ids);
    expect(first).toEqual(profileA);
    expect(readProfile(new ByteReader(bytesOf(profileA)), ids)).toBe(first);
    const moved = { ...profileA, rpc: "10.1.2.3:9999" };
    expect(readProfile(new ByteReader(bytesOf(moved)), ids)).toEqual(moved);
    expect(readProfile(new ByteReader(bytesOf(profileA)), ids)).toEqual(profileA);
  });

  test("a description that is cut short is an error, whatever is known", () => {
    const ids = new IdTable();
    ids.learn(memberA);
    const bytes = bytesOf(profileA);
    readProfile(new ByteReader(bytes), ids);
    for (let end = 0; end < bytes.length; end++) {
      expect(() => readProfile(new ByteReader(bytes, 0, end), ids)).toThrow();
    }
  });

  test("nothing is kept of members that were not learned", () => {
    const ids = new IdTable();
    const first = readProfile(new ByteReader(bytesOf(profileA)), ids);
    expect(readProfile(new ByteReader(bytesOf(profileA)), ids)).not.toBe(first);
    expect(ids.known(memberA)).toBeUndefined();
  });
});

describe("replay window", () => {
  test("behaves as a list of everything seen within 1,024, sparse or dense", () => {
    for (const gap of [1, 3, 40, 300, 2_000]) {
      const random = new SeededRandom(gap);
      const window = new ReplayWindow(1n);
      const seen = new Set<number>();
      let highest = 0;
      for (let i = 0; i < 3_000; i++) {
        const counter = Math.max(1, highest + 1 + random.below(2 * gap) - random.below(3 * gap));
        const isNew = counter + 1_024 > highest && !seen.has(counter);
        expect(window.accept(counter)).toBe(isNew);
        seen.add(counter);
        highest = Math.max(highest, counter);
      }
    }
  });
});
