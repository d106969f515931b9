/** Sideload directories: keys, formats, sharing, reloading, and files that are none. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SideloadDirectories } from "#clients/sideload-files.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sideload-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}

const source = (): string => `file://${dir}`;

test("keys are paths below the directory; other endings are there, but empty", () => {
  put("host/a.yml", "limit: 5\nname: x\non: true\nbig: 9223372036854775807\n");
  put("all.json", '{"limit": 7.5, "list": [1]}');
  put("b.yaml", "");
  put("readme.txt", "limit: 1");
  symlinkSync(join(dir, "all.json"), join(dir, "link.json"));
  const files = new SideloadDirectories().open(source());
  expect(files.file("host/a.yml")).toEqual({
    ...{ limit: 5n, name: "x", on: true, big: 9223372036854775807n },
  });
  expect(files.file("all.json")).toEqual({ limit: 7.5, list: [1] });
  expect(files.file("link.json")).toEqual({ limit: 7.5, list: [1] });
  expect([files.file("b.yaml"), files.file("readme.txt")]).toEqual([{}, {}]);
  expect([files.file("c.yml"), files.file("host"), files.file("../x")]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("a source may be one file", () => {
  put("a.json", '{"x": 1}');
  const files = new SideloadDirectories().open(`${source()}/a.json`);
  expect(files.file("a.json")).toEqual({ x: 1 });
});

test("nodes share a source until the last one closes it; reload reads it anew", () => {
  const directories = new SideloadDirectories();
  put("a.json", '{"x": 1}');
  const first = directories.open(source());
  put("a.json", '{"x": 2}');
  const second = directories.open(source());
  expect(second.file("a.json")).toEqual({ x: 1 });
  const before = first.version;
  directories.reload();
  expect(first.version).toBeGreaterThan(before);
  expect([first.file("a.json"), second.file("a.json")]).toEqual([{ x: 2 }, { x: 2 }]);
  put("a.json", '{"x": 3}');
  first.close();
  first.close();
  expect(directories.open(source()).file("a.json")).toEqual({ x: 2 });
  second.close();
});

test("a reload that fails leaves everything as it was, and says why", () => {
  const directories = new SideloadDirectories();
  put("a.json", '{"x": 1}');
  const files = directories.open(source());
  const { version } = files;
  put("a.json", "{");
  expect(() => directories.reload()).toThrow(`sideload: failed to read ${dir}/a.json`);
  expect([files.version, files.file("a.json")]).toEqual([version, { x: 1 }]);
});

describe("refused", () => {
  test.each([
    ["no URL", "x", "is not a file:// URL"],
    ["another host", "file://elsewhere/x", "invalid source"],
    ["a missing directory", "file:///nowhere/at/all", "no such file or directory"],
  ])("%s", (_name, given, error) => {
    expect(() => new SideloadDirectories().open(given)).toThrow(error);
  });

  test.each([
    ["broken YAML", "a.yml", "x: [", "failed to read"],
    ["broken JSON", "a.json", "{", "failed to read"],
    ["a list", "a.yml", "- 1", "must hold keys and values"],
    ["a scalar", "a.json", "1", "must hold keys and values"],
  ])("%s", (_name, path, text, error) => {
    put(path, text);
    expect(() => new SideloadDirectories().open(source())).toThrow(error);
  });
});
