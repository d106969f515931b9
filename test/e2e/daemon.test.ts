/** The compiled daemon as an operator meets it: start, signals, bad configuration, kill -9. */

import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BINARY,
  CPU_TASK,
  CpuFeed,
  cli,
  keyOf,
  Member,
  mustRun,
  until,
  Webhook,
  write,
} from "../../scripts/lab.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "kapacitor-e2e-"));
  undo.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function open(path: string, config = ""): Promise<Member> {
  const member = await Member.create({ name: "one", host: "127.0.0.1", directory: path, config });
  undo.push(() => member.kill("SIGKILL"));
  return member;
}

function defineCpu(member: Member, path: string, url: string): void {
  writeFileSync(join(path, "cpu.tick"), CPU_TASK);
  writeFileSync(
    join(path, "post.yaml"),
    `topic: cpu\nid: hook\nkind: post\noptions:\n  url: ${url}\n`,
  );
  mustRun("kapacitor", "-url", member.url, "define", "cpu", "-tick", join(path, "cpu.tick"));
  mustRun("kapacitor", "-url", member.url, "enable", "cpu");
  mustRun("kapacitor", "-url", member.url, "define-topic-handler", join(path, "post.yaml"));
}

describe("the daemon", () => {
  test("stops cleanly on SIGTERM and keeps what was defined", async () => {
    const path = directory();
    const member = await open(path);
    defineCpu(member, path, "http://127.0.0.1:9/");
    expect(await member.kill("SIGTERM")).toBe(0);
    await member.start();
    expect(mustRun("kapacitor", "-url", member.url, "list", "tasks")).toContain("enabled   true");
    expect(mustRun("kapacitor", "-url", member.url, "list", "topic-handlers")).toContain("hook");
  });

  test("survives kill -9: definitions and alerts whose points were acknowledged", async () => {
    const path = directory();
    const member = await open(path);
    const webhook = new Webhook("127.0.0.1");
    undo.push(() => webhook.close());
    webhook.status = 500;
    defineCpu(member, path, webhook.url);
    const feed = new CpuFeed(2);
    for (let round = 0; round < 3; round++) await write(member.url, feed.next());
    await member.kill("SIGKILL");
    expect(webhook.received).toEqual([]);
    webhook.status = 200;
    await member.start();
    const newest = [...feed.raised.keys()].slice(-2);
    await until("the newest alert of each ID", 20_000, () => {
      const seen = new Set(webhook.received.map(keyOf));
      return newest.every((key) => seen.has(key));
    });
  });

  test("writes its pid to -pidfile and removes it when it stops", async () => {
    const path = directory();
    const member = await open(path);
    await member.kill("SIGTERM");
    const pidFile = join(path, "run", "kapacitord.pid");
    const log = Bun.file(join(path, "second.log"));
    const daemon = Bun.spawn(
      [BINARY, "kapacitord", "-config", member.configPath, "-pidfile", pidFile],
      { stdout: "ignore", stderr: log, stdin: "ignore" },
    );
    undo.push(() => daemon.kill("SIGKILL"));
    await until("the API answers", 15_000, async () => {
      return (
        (await fetch(`${member.url}/kapacitor/v1/ping`).catch(() => undefined))?.status === 204
      );
    });
    expect(readFileSync(pidFile, "utf8")).toBe(String(daemon.pid));
    daemon.kill("SIGHUP");
    daemon.kill("SIGTERM");
    expect(await daemon.exited).toBe(0);
    expect(existsSync(pidFile)).toBe(false);
  });

  test("reads no .env, bunfig.toml or tsconfig.json of the working directory", () => {
    const path = directory();
    writeFileSync(join(path, ".env"), "KAPACITOR_HOSTNAME=from-dot-env\n");
    writeFileSync(join(path, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
    writeFileSync(join(path, "evil.ts"), 'throw new Error("preloaded");\n');
    writeFileSync(join(path, "tsconfig.json"), "{ not json");
    const run = Bun.spawnSync([BINARY, "kapacitord", "config"], { cwd: path, stdin: "ignore" });
    expect(run.exitCode).toBe(0);
    expect(run.stdout.toString()).toContain('hostname = "localhost"');
    expect(run.stderr.toString()).not.toContain("preloaded");
  });

  test("accepts the original's default configuration and its own output", () => {
    const path = directory();
    const original = join(import.meta.dir, "..", "config", "default-config-1.5.toml");
    const first = cli("kapacitord", "config", "-config", original);
    expect(first.code).toBe(0);
    const own = join(path, "own.conf");
    writeFileSync(own, first.stdout);
    expect(cli("kapacitord", "config", "-config", own).stdout).toBe(first.stdout);
  });

  test("refuses a store file it does not understand and leaves it untouched", () => {
    const path = directory();
    mkdirSync(join(path, "data"));
    const file = join(path, "kapacitor.db");
    const foreign = new Uint8Array(4096).fill(7);
    writeFileSync(file, foreign);
    const config = join(path, "kapacitor.conf");
    writeFileSync(
      config,
      `hostname = "127.0.0.1"\ndata_dir = "${join(path, "data")}"\n[http]\nbind-address = "127.0.0.1:0"\n` +
        `[storage]\nboltdb = "${file}"\n[replay]\ndir = "${path}/replay"\n[[influxdb]]\nenabled = false\n`,
    );
    const run = cli("kapacitord", "-config", config);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(`database ${file}`);
    expect(new Uint8Array(readFileSync(file))).toEqual(foreign);
  });

  test.each([
    ['[http]\nbind-adress = ":9092"\n', /:2: section \[http\].*bind-adress/],
    [
      '[task]\nsnapshot-interval = "1 minute"\n',
      /:2: section \[task\], key snapshot-interval: expected/,
    ],
    ['[[slack]]\nenabled = "yes"\n', /:2: section \[\[slack\]\], key enabled: expected/],
    ["hostname = \n", /:1: invalid TOML/],
    ["[nonsense]\n", /:1: section \[nonsense\]: unknown section/],
  ])("a bad configuration ends with exit code 1 and one line: %p", (text, expected) => {
    const path = directory();
    const config = join(path, "kapacitor.conf");
    writeFileSync(config, text);
    const run = cli("kapacitord", "-config", config);
    expect(run.code).toBe(1);
    const lines = run.stderr
      .trim()
      .split("\n")
      .filter((line) => !/Using configuration at/.test(line));
    expect(lines.length).toBe(1);
    expect(lines[0]).toMatch(expected);
    expect(lines[0]).toContain(config);
  });
});
