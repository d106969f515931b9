/**
 * Completion scripts in the shells they are for: bash always, zsh's and fish's syntax and answers where those
 * shells are installed.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EventState } from "#alert/event.ts";
import { COMMANDS } from "#cli/commands/registry.ts";
import { completionRules } from "#cli/completion/rules.ts";
import { createApp } from "#http/app.ts";
import { type Listening, listen } from "#http/server.ts";
import { fakeServices } from "#test/http/fake-services.ts";
import { runCli } from "./support.ts";

const main = join(import.meta.dir, "../../src/main.ts");

const folder = join(import.meta.dir, "files");

let home = "";
let server: Listening;
let url = "";

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "kapacitor-completion-"));
  const services = fakeServices();
  const state = [...services.topics.states.values()].flat()[0];
  const states: EventState[] = state === undefined ? [] : [state];
  for (const topic of ["main:t5:alert2", "main:t6:alert2", "odd $(touch pwned) `id` *"])
    services.topics.states.set(topic, states);
  server = listen(createApp(services), { host: "127.0.0.1", port: 0 });
  url = `http://127.0.0.1:${server.port}`;
  mkdirSync(join(home, "bin"));
  writeFileSync(join(home, "cpu one.tick"), "stream|from()|alert()\n");
  for (const [name, role] of [
    ["kapacitor", ""],
    ["kapacitorctl", "kapacitorctl"],
    ["kapacitord", "kapacitord"],
  ]) {
    const program = join(home, `bin/${name}`);
    writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${main}' ${role} "$@"\n`);
    chmodSync(program, 0o755);
  }
  for (const id of ["cpu_alert", "cpu_load", "disk"]) {
    const define = ["kapacitor", "define", id, "-tick", "cpu.tick", "-dbrp", "a.b"];
    await runCli(define, { url, folder });
  }
  const define = ["kapacitor", "define-template", "mean.1", "-tick", "template.tick"];
  await runCli(define, { url, folder });
  for (const shell of ["bash", "zsh", "fish"]) {
    const { out, code } = await runCli(["kapacitor", "completion", shell]);
    expect(code).toBe(0);
    writeFileSync(join(home, shell), out);
  }
});

afterAll(async () => {
  await server.close(0, () => Promise.resolve());
  rmSync(home, { recursive: true });
});

/** Runs a shell's program text with the test's program first on the path. */
async function shell(name: string, args: readonly string[], script: string): Promise<string> {
  const child = Bun.spawn([name, ...args, script], {
    cwd: home,
    env: { PATH: `${join(home, "bin")}:${process.env["PATH"]}`, HOME: home, KAPACITOR_URL: url },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect(err).toBe("");
  expect(await child.exited).toBe(0);
  return out;
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Words as bash hands them to a completion: broken at its COMP_WORDBREAKS. The cursor is at the end. */
function bashWords(line: string): string[] {
  const words = line.split(" ");
  return words.flatMap((word) => word.match(/[:=]+|[^:=]+/g) ?? [""]);
}

async function inBash(line: string): Promise<string[]> {
  const words = bashWords(line);
  const out = await shell(
    "bash",
    ["--norc", "-c"],
    `. ./bash
COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
COMP_WORDS=(${words.map(quote).join(" ")})
COMP_CWORD=${words.length - 1}
_${words[0]}
printf '%s\\n' "\${COMPREPLY[@]}"`,
  );
  return out
    .split("\n")
    .filter((word) => word !== "")
    .sort();
}

const ALL = [...COMMANDS.filter(({ hidden }) => hidden !== true).map(({ name }) => name), "help"];

test("bash knows the program after the script is read", async () => {
  for (const name of ["kapacitor", "kapacitorctl", "kapacitord"]) {
    const out = await shell("bash", ["--norc", "-c"], `. ./bash && complete -p ${name}`);
    expect(out).toBe(`complete -F _${name} ${name}\n`);
  }
});

const DEFINE_FLAGS =
  "-cluster -dbrp -file -help -no-reload -output -template -tick -type -vars".split(" ");

/** Line, what bash adds to its last piece. */
const BASH_CASES: readonly (readonly [string, readonly string[]])[] = [
  ["kapacitor ", [...ALL].sort()],
  ["kapacitor show-t", ["show-template", "show-topic", "show-topic-handler"]],
  ["kapacitor help sta", ["stats"]],
  ["kapacitor -", ["-help", "-output", "-skipVerify", "-url"]],
  ["kapacitor define x -", DEFINE_FLAGS],
  ["kapacitor define x --t", []],
  ["kapacitor define x -type ", ["batch", "stream"]],
  ["kapacitor define x -type s", ["stream"]],
  ["kapacitor define x -type=s", ["stream"]],
  ["kapacitor define x -no-reload ", []],
  ["kapacitor define x -tick cp", ["cpu one.tick"]],
  ["kapacitor define x -tick=cp", ["cpu one.tick"]],
  ["kapacitor define x -template ", ["mean.1"]],
  ["kapacitor define x -template=m", ["mean.1"]],
  ["kapacitor -output ", ["json", "table"]],
  ["kapacitor list -output=j", ["json"]],
  ["kapacitor list ta", ["tasks"]],
  ["kapacitor list tasks cpu", ["cpu_alert", "cpu_load"]],
  ["kapacitor list tasks disk cpu_l", ["cpu_load"]],
  ["kapacitor -skipVerify -output json enable disk c", ["cpu_alert", "cpu_load"]],
  ["kapacitor show d", ["disk"]],
  ["kapacitor show disk c", []],
  ["kapacitor show cpu[", []],
  ["kapacitor show-topic main:t5", ["t5:alert2"]],
  ["kapacitor show-topic main:", ["t5:alert2", "t6:alert2"]],
  ["kapacitor show-topic od", ["odd\\ \\$\\(touch\\ pwned\\)\\ \\`id\\`\\ \\*"]],
  ["kapacitor delete topics main:t6:", ["alert2"]],
  ["kapacitor level ", ["debug", "error", "info"]],
  ["kapacitor member ", ["add", "list", "remove"]],
  ["kapacitor member remove 5d1f", ["5d1f0d0a-3c52-4a86-8e5c-9a0f6f2b7c01"]],
  ["kapacitor install-links b", ["bin"]],
  ["kapacitor fmt -w cpu", ["cpu one.tick"]],
  ["kapacitor vars ", []],
  ["kapacitor nonsense ", []],
  ["kapacitor service-tests sl", ["slack"]],
  ["kapacitorctl ", ["doctor", "help", "member", "topic"]],
  ["kapacitorctl topic ", ["owners"]],
  ["kapacitorctl -", ["-help", "-output", "-skipVerify", "-url"]],
  ["kapacitorctl member ", ["add", "list", "remove"]],
  ["kapacitorctl member list -", ["-help", "-output", "-skipVerify", "-url", "-watch"]],
  ["kapacitorctl doctor -output ", ["json", "table"]],
  ["kapacitorctl member remove 5d1f", ["5d1f0d0a-3c52-4a86-8e5c-9a0f6f2b7c01"]],
  ["kapacitorctl help d", ["doctor"]],
  ["kapacitord ", ["config", "downgrade", "help", "run", "unit", "version"]],
  ["kapacitord run -log-level D", ["DEBUG"]],
  ["kapacitord -config cpu", ["cpu one.tick"]],
  ["kapacitord config -", ["-config", "-help", "-hostname"]],
];

describe("bash", () => {
  test.each(BASH_CASES)("%s", async (line, wanted) => {
    expect(await inBash(line)).toEqual([...wanted]);
    expect(existsSync(join(home, "pwned"))).toBe(false);
  });

  test("a server given on the line is the one that is asked", async () => {
    const asked = `kapacitor -url ${url} show `;
    const words = bashWords(asked);
    const out = await shell(
      "bash",
      ["--norc", "-c"],
      `. ./bash
export KAPACITOR_URL=http://127.0.0.1:1
COMP_WORDS=(${words.map(quote).join(" ")}); COMP_CWORD=${words.length - 1}
_kapacitor
printf '%s\\n' "\${COMPREPLY[@]}"
COMP_WORDS=(kapacitor show ''); COMP_CWORD=2
_kapacitor
printf '%s\\n' "none: \${#COMPREPLY[@]}"`,
    );
    expect(out).toBe("cpu_alert\ncpu_load\ndisk\nnone: 0\n");
  });

  test("a server given behind the command of kapacitorctl is the one that is asked", async () => {
    const out = await shell(
      "bash",
      ["--norc", "-c"],
      `. ./bash
export KAPACITOR_URL=http://127.0.0.1:1
COMP_WORDBREAKS=$' \\t\\n'
COMP_WORDS=(kapacitorctl member remove -url ${url} 5d1f); COMP_CWORD=5
_kapacitorctl
printf '%s\\n' "\${COMPREPLY[@]}"`,
    );
    expect(out).toBe("5d1f0d0a-3c52-4a86-8e5c-9a0f6f2b7c01\n");
  });

  test("words that bash does not break are completed whole", async () => {
    const out = await shell(
      "bash",
      ["--norc", "-c"],
      `. ./bash
COMP_WORDBREAKS=$' \\t\\n'
COMP_WORDS=(kapacitor show-topic main:t5); COMP_CWORD=2
_kapacitor
printf '%s\\n' "\${COMPREPLY[@]}"
COMP_WORDS=(kapacitor define x -type=b); COMP_CWORD=3
_kapacitor
printf '%s\\n' "\${COMPREPLY[@]}"`,
    );
    expect(out).toBe("main:t5:alert2\n-type=batch\n");
  });
});

describe("IDs for the scripts", () => {
  test.each([
    [["tasks", "cpu"], "cpu_alert\ncpu_load\n"],
    [["tasks", "*"], ""],
    [["templates", ""], "mean.1\n"],
    [["topics", "main:t6"], "main:t6:alert2\n"],
    [["members", ""], "5d1f0d0a-3c52-4a86-8e5c-9a0f6f2b7c01\n"],
    [["topic-handlers", "", "system"], ""],
  ])("%j", async (args, wanted) => {
    const ran = await runCli(["kapacitor", "__complete", ...args], { url });
    expect(ran).toEqual({ out: wanted, err: "", code: 0 });
  });

  test("a kind that is none is refused", async () => {
    const ran = await runCli(["kapacitor", "__complete", "wishes", ""], { url });
    expect([ran.code, ran.out]).toEqual([2, ""]);
  });

  test("a server that does not answer is given up", async () => {
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const began = performance.now();
    const ran = await runCli(["kapacitor", "__complete", "tasks", ""], {
      url: `http://127.0.0.1:${silent.port}`,
    });
    silent.stop(true);
    expect(ran.code).toBe(3);
    expect(performance.now() - began).toBeLessThan(3000);
  });
});

test("every command has a rule, every verb too, and hidden ones have none", () => {
  const paths = completionRules(COMMANDS).map(({ path }) => path);
  expect(paths.filter((path) => path !== "" && !path.includes(" "))).toEqual(ALL);
  expect(paths).toContain("delete topic-handlers");
  expect(paths).not.toContain("__complete");
});

/** Shells that this machine may lack: where they are, the scripts run in them too. */
const OTHERS: readonly (readonly [string, string, string])[] = [
  ["zsh", "zsh -n", "zsh -n ./zsh"],
  ["fish", "fish -n", "fish -n ./fish"],
  [
    "fish",
    "answers",
    `. ./fish
for line in 'kapacitor show-te' 'kapacitor list tasks cpu_l' 'kapacitor define x -type s' \\
        'kapacitor define x -type=s' 'kapacitor show-topic main:t5' 'kapacitor define x -no' \\
        'kapacitor -output json delete topics main:t6' 'kapacitorctl doc' 'kapacitord -log-level D'
    complete -C $line
end`,
  ],
];
const installed = OTHERS.filter(([name]) => Bun.which(name) !== null);

test.each([...installed, ["bash", "bash -n", "bash -n ./bash"] as const])(
  "%s: %s",
  async (name, what, script) => {
    const out = await shell(name, ["-c"], script);
    if (what !== "answers") return;
    expect(out.split("\n").map((line) => line.split("\t")[0])).toEqual([
      "show-template",
      "cpu_load",
      "stream",
      "-type=stream",
      "main:t5:alert2",
      "-no-reload",
      "main:t6:alert2",
      "doctor",
      "DEBUG",
      "",
    ]);
  },
);
