/** Files that are replaced whole: the new content or the old one, and nothing left beside it. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replaceFileDurably, writeFileDurably } from "#storage/durable-file.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "durable-file-"));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const WAYS = [
  ["at once", async (...of: Parameters<typeof writeFileDurably>) => writeFileDurably(...of)],
  ["meanwhile", replaceFileDurably],
] as const;

describe.each(WAYS)("written %s", (_way, replace) => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  test("the new content stands alone in the directory, with its mode", async () => {
    const path = join(directory, "file");
    await replace(path, bytes("a much longer first version"), 0o600);
    await replace(path, bytes("second"), 0o600);
    expect(readFileSync(path, "utf8")).toBe("second");
    expect(readdirSync(directory)).toEqual(["file"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("what cannot be replaced stays as it is, and the attempt leaves nothing behind", async () => {
    const path = join(directory, "taken");
    mkdirSync(path);
    await expect(replace(path, bytes("text"), 0o600)).rejects.toThrow();
    expect(readdirSync(directory)).toEqual(["taken"]);
    expect(statSync(path).isDirectory()).toBe(true);
  });
});
