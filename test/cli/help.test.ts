/** Help: every command answers every way of asking, on standard error, with the exit code of cli §1. */

import { describe, expect, test } from "bun:test";
import { COMMANDS } from "#cli/commands/registry.ts";
import { runKapacitord } from "#cli/kapacitord.ts";
import { runCli } from "./support.ts";

const NAMES = COMMANDS.map(({ name }) => name);

describe("kapacitor", () => {
  test.each(NAMES)("%s", async (name) => {
    const asked = [
      ["kapacitor", "help", name],
      ["kapacitor", name, "-h"],
      ["kapacitor", name, "-help"],
      ["kapacitor", name, "--help"],
      ["kapacitor", name, "some", "word", "-h"],
      ["kapacitor", "-url", "http://127.0.0.1:1", name, "--help"],
      ["kapacitor", "-output", "json", name, "-h"],
    ];
    const answers = await Promise.all(asked.map((words) => runCli(words)));
    for (const ran of answers) {
      expect(ran).toEqual({ out: "", err: answers[0]?.err ?? "", code: 0 });
      const program = ["member", "doctor"].includes(name) ? "kapacitorctl" : "kapacitor";
      const usage = `Usage: ${program} ${name}`;
      expect(ran.err.startsWith(usage)).toBe(true);
    }
  });

  test.each([
    [["kapacitor", "-h"], 0],
    [["kapacitor", "-help"], 0],
    [["kapacitor", "--help"], 0],
    [["kapacitor", "-h", "list"], 0],
    [["kapacitor", "help", "help"], 0],
    [["kapacitor", "help"], 1],
    [["kapacitor", "help", "push"], 1],
    [["kapacitor"], 1],
    [["kapacitor", "push"], 1],
    [["kapacitor", "push", "-h"], 1],
    [["kapacitor", "-x", "-h"], 2],
  ])("%j", async (words, code) => {
    const ran = await runCli(words);
    expect([ran.out, ran.code]).toEqual(["", code]);
    expect(ran.err).toContain("Usage: kapacitor [options] command [args]\n");
    expect(ran.err).not.toContain("__complete");
  });

  test("behind -- the word for help is a word", async () => {
    expect((await runCli(["kapacitor", "show", "--", "-h"])).code).toBe(3);
  });

  test.each(COMMANDS.filter(({ json }) => json !== undefined))(
    "help tells what $name prints as JSON",
    async ({ name, json = "" }) => {
      const { err } = await runCli(["kapacitor", "help", name]);
      expect(err).toContain(`With -output json:\n  ${json.split("\n")[0]}`);
    },
  );
});

/** Everything that prints what it has found; the rest is silent or text by nature. */
test("every command but those that print text for shells has a JSON form", () => {
  const without = COMMANDS.filter(({ json }) => json === undefined).map(({ name }) => name);
  expect(without.sort()).toEqual(["__complete", "completion"]);
});

describe("kapacitorctl", () => {
  test.each([
    [["-h"], 0, "Usage: kapacitorctl [options]"],
    [["-help"], 0, "Usage: kapacitorctl [options]"],
    [["help"], 0, "Usage: kapacitorctl [options]"],
    [["help", "help"], 0, "Usage: kapacitorctl [options]"],
    [["help", "member"], 0, "Usage: kapacitorctl member list"],
    [["member", "-h"], 0, "Usage: kapacitorctl member list"],
    [["member", "--help"], 0, "Usage: kapacitorctl member list"],
    [["member", "list", "-help", "-url", "http://127.0.0.1:1"], 0, "Usage: kapacitorctl member"],
    [["help", "doctor"], 0, "Usage: kapacitorctl doctor"],
    [["doctor", "-h"], 0, "Usage: kapacitorctl doctor"],
    [["help", "nope"], 1, "Error: Unknown command nope"],
    [["nope", "-h"], 1, "Error: Unknown command nope"],
    [[], 1, "Error: Must pass a command."],
  ])("%j", async (words, code, start) => {
    const ran = await runCli(["kapacitorctl", ...words]);
    expect([ran.out, ran.code]).toEqual(["", code]);
    expect(ran.err.slice(0, start.length)).toBe(start);
  });

  test("doctor takes no arguments, and fails when the member that is asked does not answer", async () => {
    const words = await runCli(["kapacitorctl", "doctor", "x"]);
    expect([words.code, words.err.split("\n")[0]]).toEqual([1, "Error: doctor takes no arguments"]);
    const silent = await runCli(["kapacitorctl", "doctor", "-url", "http://127.0.0.1:1"]);
    expect([silent.code, silent.out]).toEqual([1, ""]);
    expect(silent.err).toStartWith("Error: cannot reach http://127.0.0.1:1: ");
  });
});

describe("kapacitord", () => {
  test.each([
    [["help"], 0],
    [["help", "help"], 0],
    [["-h"], 0],
    [["--help"], 0],
    [["help", "run"], 1],
    [["run", "-h"], 1],
    [["config", "--help"], 1],
    [["version", "-help"], 1],
    [["help", "nope"], 1],
    [["nope"], 1],
  ])("%j", async (words, code) => {
    let [out, err] = ["", ""];
    const ran = await runKapacitord(words, {
      environment: {},
      executable: undefined,
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
    });
    expect([out, ran]).toEqual(["", code]);
    expect(err).toMatch(/^Usage: kapacitord|^unknown command/);
  });
});
