/** The client as a process: what its output is connected to may go away. */

import { expect, test } from "bun:test";
import { join } from "node:path";

const main = join(import.meta.dir, "../../src/main.ts");
const client = `'${process.execPath}' '${main}'`;

/** Far more than a pipe holds. */
const script = Array.from({ length: 50_000 }, (_, i) => `var x${i} = 1`).join("\n");

async function sh(line: string): Promise<{ out: string; err: string }> {
  const child = Bun.spawn(["bash", "-c", line], {
    stdin: new Blob([script]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  return { out, err };
}

test("a reader that has enough is no failure to speak of", async () => {
  const ran = await sh(`${client} fmt - | head -1; echo "\${PIPESTATUS[0]}"`);
  expect(ran).toEqual({ out: "var x0 = 1\n141\n", err: "" });
});

test("everything arrives where somebody reads on", async () => {
  const ran = await sh(`${client} fmt - | tail -1; echo "\${PIPESTATUS[0]}"`);
  expect(ran).toEqual({ out: "var x49999 = 1\n0\n", err: "" });
});

test("a full disk is told", async () => {
  const ran = await sh(`${client} fmt - > /dev/full; echo $?`);
  const err = "Error: write <stdout>: no space left on device\n";
  expect(ran).toEqual({ out: "3\n", err });
});

test("standard input is read, and must be text", async () => {
  const ran = await sh(`printf 'var x = \\377' | ${client} vet -; echo $?`);
  expect(ran).toEqual({ out: "read <stdin>: not UTF-8 text\n1\n", err: "" });
});
