import { expect, test } from "bun:test";
import fc from "fast-check";
import { unzip } from "#tasks/zip-file.ts";
import { zip } from "#tasks/zip-writer.ts";

async function* chunks(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function archive(entries: readonly (readonly Uint8Array[])[]): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const named = entries.map((content, i) => ({ name: String(i), content: chunks(content) }));
  for await (const part of zip(named)) parts.push(part);
  return Buffer.concat(parts);
}

test("any entries in any pieces come back as they were", async () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(pieces, { maxLength: 4 }), async (entries) => {
      const read = unzip(await archive(entries), 1_000_000);
      expect([...read.values()].map((bytes) => Buffer.from(bytes).toString("hex"))).toEqual(
        entries.map((content) => Buffer.concat(content).toString("hex")),
      );
    }),
    { numRuns: 50 },
  );
});

test("an entry has a streaming header, no date, and its sizes behind it", async () => {
  const bytes = await archive([[Buffer.from("abc")]]);
  expect(bytes.subarray(0, 31).toString("hex")).toBe(
    `504b0304 1400 0800 0800 0000 0000 ${"00000000".repeat(3)} 0100 0000 30`.replaceAll(" ", ""),
  );
  const descriptor = bytes.indexOf("504b0708", 0, "hex");
  expect(bytes.readUInt32LE(descriptor + 4)).toBe(0x352441c2);
  expect(bytes.readUInt32LE(descriptor + 8)).toBe(descriptor - 31);
  expect(bytes.readUInt32LE(descriptor + 12)).toBe(3);
});

test("a failing entry fails the archive", async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("a");
    throw new Error("the query failed");
  }
  const all = async () => {
    for await (const _ of zip([{ name: "0", content: failing() }]));
  };
  await expect(all()).rejects.toThrow("the query failed");
});
