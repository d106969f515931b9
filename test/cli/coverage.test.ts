/**
 * No command without a transcript: every command of both clients, and everything that the reference names
 * (`coverage.txt`, written down from it line by line).
 */

import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { COMMANDS } from "#cli/commands/registry.ts";

interface Pinned {
  readonly line: string;
  readonly code: number;
  readonly printed: string;
}

const folder = join(import.meta.dir, "transcripts");

const pinned: readonly Pinned[] = readdirSync(folder)
  .flatMap((name) => readFileSync(join(folder, name), "utf8").split(/^=== /m).slice(1))
  .map((text) => {
    const [, line = "", ...rest] = text.trimEnd().split("\n");
    const shown = rest.slice(0, -1).map((each) => each.slice(2).replace(/\$$/, ""));
    return { line: line.slice(2), code: Number(rest.at(-1)?.slice(2)), printed: shown.join("\n") };
  });

/** Commands whose transcripts would need more than a server, and the tests that have them. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["alert", "alert.test.ts"],
  ["silence", "alert.test.ts"],
  ["completion", "completion.test.ts"],
  ["doctor", "help.test.ts"],
  ["install-links", "files.test.ts"],
  ["test", "test-command.test.ts"],
]);

const shownCommands = COMMANDS.filter(({ hidden }) => hidden !== true).map(({ name }) => name);

test.each(shownCommands)("kapacitor %s has a transcript", (name) => {
  const elsewhere = ELSEWHERE.get(name);
  if (elsewhere !== undefined) {
    const text = readFileSync(join(import.meta.dir, elsewhere), "utf8");
    expect(text).toContain(`"${name}"`);
    return;
  }
  const word = new RegExp(`^kapacitor (-\\S+ \\S+ )*${name}( |$)`);
  expect(pinned.filter(({ line }) => word.test(line)).length).toBeGreaterThan(0);
});

const lines = readFileSync(join(import.meta.dir, "coverage.txt"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

test.each(lines)("%s", (wanted) => {
  const [, code = "", command = "", text = ""] = /^(\d) (.*?) \|(?: (.*))?$/.exec(wanted) ?? [];
  const found = pinned.filter(
    (each) =>
      each.line.startsWith(command) && each.code === Number(code) && each.printed.includes(text),
  );
  expect(found.length).toBeGreaterThan(0);
});

test("nothing is printed where the reference says that nothing is", () => {
  const silent =
    /^kapacitor (define|define-template|define-topic-handler|enable|disable|reload|delete|level) /;
  const loud = pinned.filter(
    ({ line, code, printed }) =>
      code === 0 && silent.test(line) && !line.includes("-output") && printed !== "",
  );
  // Help goes to standard error and ends well.
  expect(loud.map(({ line }) => line)).toEqual(["kapacitor level -help"]);
});
