/** The compiled command line where it goes on for a while: logs until Ctrl-C, and progress on a terminal. */

import { afterEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, Member, mustRun, until, write } from "../../scripts/lab.ts";
import { cleanUp, openDirectory, undo } from "./influx-lab.ts";

afterEach(cleanUp);

async function open(): Promise<{ readonly member: Member; readonly directory: string }> {
  const directory = openDirectory();
  const member = await Member.create({ name: "one", host: "127.0.0.1", directory });
  undo.push(() => member.kill("SIGKILL"));
  const tick = join(directory, "t.tick");
  writeFileSync(tick, `dbrp "telegraf"."autogen"\nstream|from().measurement('cpu')|log()\n`);
  mustRun("kapacitor", "-url", member.url, "define", "t", "-tick", tick);
  mustRun("kapacitor", "-url", member.url, "enable", "t");
  return { member, directory };
}

/** A running command line and what it has printed so far. */
function spawn(words: readonly string[]) {
  const child = Bun.spawn([BINARY, ...words], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
  undo.push(() => child.kill("SIGKILL"));
  const printed = { out: "", err: "" };
  const follow = async (stream: ReadableStream<Uint8Array>, name: "out" | "err") => {
    const decoder = new TextDecoder();
    for await (const part of stream) printed[name] += decoder.decode(part, { stream: true });
  };
  const ended = Promise.all([follow(child.stdout, "out"), follow(child.stderr, "err")]);
  return { child, printed, ended };
}

test.each<[string[]]>([[["watch", "t", "node=log2"]], [["logs", "task=t", "lvl=info+"]]])(
  "%j prints entries as they come and ends well by Ctrl-C",
  async (words) => {
    const { member } = await open();
    const { child, printed, ended } = spawn(["kapacitor", "-url", member.url, ...words]);
    await until("entries", 15_000, async () => {
      await write(member.url, "cpu v=1 1000\n");
      return printed.out.includes("\n");
    });
    const [line] = printed.out.split("\n");
    expect(line).toMatch(
      /^ts=\S+ lvl=info msg=\S+ service=kapacitor task_master=main task=t node=log2 /,
    );
    child.kill("SIGINT");
    await ended;
    expect([await child.exited, printed.err]).toEqual([0, ""]);
  },
  30_000,
);

test("watch prints JSON when asked, one object a line", async () => {
  const { member } = await open();
  const words = ["kapacitor", "-url", member.url, "-output", "json", "watch", "t"];
  const { child, printed, ended } = spawn(words);
  await until("entries", 15_000, async () => {
    await write(member.url, "cpu v=1 1000\n");
    return printed.out.includes("\n");
  });
  expect(JSON.parse(printed.out.split("\n")[0] ?? "")).toMatchObject({ task: "t", node: "log2" });
  child.kill("SIGINT");
  await ended;
  expect(await child.exited).toBe(0);
}, 30_000);

test("a recording that waits shows its progress on a terminal, and takes it away", async () => {
  const { member } = await open();
  let screen = "";
  const decoder = new TextDecoder();
  const words = ["record", "stream", "-task", "t", "-duration", "1s", "-recording-id", "rs"];
  const child = Bun.spawn([BINARY, "kapacitor", "-url", member.url, ...words], {
    terminal: {
      cols: 100,
      rows: 24,
      data: (_terminal, bytes) => {
        screen += decoder.decode(bytes, { stream: true });
      },
    },
  });
  undo.push(() => child.kill("SIGKILL"));
  await until("progress", 15_000, () => screen.includes("Recording rs  0%"));
  await write(member.url, `cpu v=1 ${Date.now() + 60_000}000000\n`);
  expect(await child.exited).toBe(0);
  await until("the ID", 5_000, () => screen.endsWith("\r\u001b[Krs\r\n"));
}, 30_000);
