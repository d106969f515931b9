/** `kapacitor test`: cases from files and folders, rewriting them, and scripts over recordings. */

import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "kapacitor-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const caseText = (out: string): string =>
  `# Twice the value.\n-- task --\nstream\n    |from()\n    |eval(lambda: "v" * 2.0)\n        .as('v')\n-- in --\nm v=2 1s\n-- out --\n${out}`;

describe("kapacitor test", () => {
  test("prints what did not come out as told, and fails", async () => {
    const path = file("bad/a.case", caseText("m v=5 1s\n"));
    expect(await runCli(["kapacitor", "test", path])).toEqual({
      out: `FAIL ${path}\n  -- out --\n  - m v=5 1s\n  + m v=4 1s\n0 passed, 1 failed\n`,
      err: "",
      code: 1,
    });
  });

  test("runs all cases below a folder, in order of their paths", async () => {
    file("all/z.case", caseText("m v=4 1s\n"));
    file("all/deep/er/b.case", caseText("m v=1 1s\n"));
    file("all/notes.txt", "no case");
    const { out, code } = await runCli(["kapacitor", "test", join(folder, "all")]);
    expect(code).toBe(1);
    expect(out).toContain("b.case\n");
    expect(out).toEndWith("1 passed, 1 failed\n");
  });

  test("says what is wrong with a file that is no case, and goes on", async () => {
    const bad = file("odd/a.case", "-- task --\n-- inn --\n");
    const good = file("odd/b.case", caseText("m v=4 1s\n"));
    const { out, code } = await runCli(["kapacitor", "test", bad, good]);
    expect([out, code]).toEqual([`FAIL ${bad}\n  unknown section "inn"\n1 passed, 1 failed\n`, 1]);
  });

  test("rewrites cases when asked to", async () => {
    const path = file("update/a.case", caseText("m v=5 1s\n"));
    const { out, code } = await runCli(["kapacitor", "test", "-update", path]);
    expect([out, code]).toEqual(["0 passed, 0 failed, 1 updated\n", 0]);
    expect(readFileSync(path, "utf8")).toBe(caseText("m v=4 1s\n"));
    expect((await runCli(["kapacitor", "test", path])).code).toBe(0);
  });

  test("has a form for programs", async () => {
    const path = file("json/a.case", caseText("m v=5 1s\n"));
    const { out, code } = await runCli(["kapacitor", "test", path, "-output", "json"]);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual({
      cases: [
        {
          file: path,
          passed: false,
          problem: "",
          differences: [{ section: "out", lines: ["- m v=5 1s", "+ m v=4 1s"] }],
        },
      ],
      passed: 0,
      failed: 1,
      updated: 0,
    });
  });

  test("fails for a path that is not there", async () => {
    const { err, code } = await runCli(["kapacitor", "test", "/nowhere/at.case"]);
    expect([err, code]).toEqual(["Error: open /nowhere/at.case: no such file or directory\n", 3]);
  });

  const script = file("cpu.tick", "stream|from()|httpOut('x')");
  const data = file("cpu.srpl", "db\nrp\ncpu v=1 1000000000\n");

  test("runs a script over a recording with -run, and prints one JSON object", async () => {
    const line = ["kapacitor", "test", "--run", script, "--data", data, "--out", "json"];
    const { out, err, code } = await runCli(line);
    expect([err, code]).toEqual(["", 0]);
    const report = JSON.parse(out);
    expect(Object.keys(report)).toEqual(["outputs", "events", "stats", "errors"]);
    expect(report.outputs).toEqual({
      x: {
        series: [{ name: "cpu", columns: ["time", "v"], values: [["1970-01-01T00:00:01Z", 1]] }],
      },
    });
    expect(report.stats.from1.collected).toBe(1);
  });

  test.each([
    [["test"], "Must provide at least one file or directory."],
    [["test", "-data", data, "x"], "-data goes with -run"],
    [["test", "-run", script], "-run needs a recording: -data FILE"],
    [["test", "-run", script, "-data", data, "x"], 'unexpected "x" beside -run'],
    [["test", "-run", script, "-data", data, "-out", "xml"], '-out must be json, not "xml"'],
    [["test", "-run", script, "-data", data, "-type", "both"], "-type must be stream or batch"],
    [["test", "-run", script, "-data", data, "-update"], "-update is for cases"],
  ])("refuses %j", async (args, error) => {
    const { err, code } = await runCli(["kapacitor", ...args]);
    expect(err).toStartWith(error);
    expect(code).toBe(2);
  });

  test.each([
    [["-from", "yesterday"], 'bad time "yesterday"'],
    [["-precision", "d"], 'unknown precision "d"'],
    [["-type", "batch"], 'name "stream" is undefined'],
  ])("fails with a reason for %j", async (more, error) => {
    const { err, code } = await runCli([
      "kapacitor",
      "test",
      "-run",
      script,
      "-data",
      data,
      ...more,
    ]);
    expect(code).toBe(3);
    expect(err).toContain(error);
  });
});
