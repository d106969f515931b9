/** Log lines: form, destinations, threshold, sessions, and the bounded buffer. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LOG_BUFFER_BYTES_MAX, LOG_FLUSH_MS, LOG_VALUE_LENGTH_MAX } from "#daemon/limits.ts";
import { formatJsonLine, formatLogfmt, type StampedEntry } from "#daemon/log-format.ts";
import { LogWriter, levelAtLeast, parseLogLevel } from "#daemon/log-writer.ts";
import { VirtualClock } from "#lib/clock.ts";

const TIME = { ms: Date.parse("2026-11-22T06:26:41.464Z"), ns: 999_999 };
const entry = (fields: Record<string, unknown>, message = "listening on"): StampedEntry => ({
  level: "info",
  message,
  context: { service: "http" },
  fields,
  time: TIME,
});

describe("form", () => {
  test("a line as the original writes it", () => {
    expect(formatLogfmt(entry({ addr: "127.0.0.1:9092", protocol: "http" }))).toBe(
      'ts=2026-11-22T06:26:41.464Z lvl=info msg="listening on" service=http addr=127.0.0.1:9092 protocol=http',
    );
  });

  test.each<[string, unknown, string]>([
    ["plain", "a/b:c,d;e'f", "a/b:c,d;e'f"],
    ["empty", "", ""],
    ["space", "a b", '"a b"'],
    ["equals", "a=b", '"a=b"'],
    ["quote", 'a"b', '"a\\"b"'],
    ["newline", "a\nb", '"a\\nb"'],
    ["control", "a\u0001", '"a\\u0001"'],
    ["not ASCII", "é", "é"],
    ["unpaired surrogate", "\ud800", '"\ufffd"'],
    ["number", 1.5, "1.5"],
    ["bigint", 2n ** 60n, "1152921504606846976"],
    ["flag", true, "true"],
    ["null", null, "null"],
    ["error", new Error("went wrong"), '"went wrong"'],
    ["list", ["a", 1n], '"[\\"a\\",\\"1\\"]"'],
  ])("value: %s", (_name, value, expected) => {
    expect(formatLogfmt(entry({ k: value }))).toEndWith(` k=${expected}`);
  });

  test("fields without a value are left out, keys cannot break the line", () => {
    expect(formatLogfmt(entry({ gone: undefined, "a b=\n": 1 }))).toEndWith("service=http a_b__=1");
  });

  test("what cannot be printed does not throw", () => {
    const loop: Record<string, unknown> = {};
    loop["self"] = loop;
    expect(formatLogfmt(entry({ loop }))).toEndWith("loop=[unprintable]");
  });

  test.each([
    [LOG_VALUE_LENGTH_MAX, 0],
    [LOG_VALUE_LENGTH_MAX + 1, 1],
  ])("a value of %d characters is cut by its mark alone: %d", (length, mark) => {
    const line = formatLogfmt(entry({ k: "x".repeat(length) }));
    expect(line.endsWith("…")).toBe(mark === 1);
    expect(line.slice(line.lastIndexOf("=") + 1).length).toBe(LOG_VALUE_LENGTH_MAX + mark);
  });

  test("JSON has the same keys in order, all strings", () => {
    expect(formatJsonLine(entry({ n: 1 }))).toBe(
      '{"ts":"2026-11-22T06:26:41.464Z","lvl":"info","msg":"listening on","service":"http","n":"1"}',
    );
  });

  test.each([
    ["Asia/Kolkata", "2026-11-22T11:56:41.464+05:30"],
    ["America/St_Johns", "2026-11-22T02:56:41.464-03:30"],
  ])("stamps are in the machine's zone: %s", (zone, expected) => {
    const script = `import { formatLogfmt } from "#daemon/log-format.ts";
      console.log(formatLogfmt({ level: "info", message: "m", context: {}, fields: {}, time: { ms: ${TIME.ms}, ns: 0 } }))`;
    const child = Bun.spawnSync([process.execPath, "-e", script], {
      cwd: join(import.meta.dir, "../.."),
      env: { ...process.env, TZ: zone },
    });
    expect(child.stdout.toString()).toBe(`ts=${expected} lvl=info msg=m\n`);
  });
});

test("levels by name", () => {
  expect(["DEBUG", "info", "Warn", "ERROR", "trace", "constructor"].map(parseLogLevel)).toEqual([
    "debug",
    "info",
    "warn",
    "error",
    undefined,
    undefined,
  ]);
  expect(levelAtLeast("info", "info")).toBe(true);
  expect(levelAtLeast("debug", "info")).toBe(false);
});

describe("writing", () => {
  let directory = "";
  let path = "";
  let clock = new VirtualClock();
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "log-"));
    path = join(directory, "deep", "kapacitor.log");
    clock = new VirtualClock(TIME);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const lines = (): string[] => readFileSync(path, "utf8").split("\n").slice(0, -1);

  async function until(condition: () => boolean): Promise<void> {
    for (let i = 0; i < 2000 && !condition(); i++)
      await new Promise<void>((resolve) => setImmediate(resolve));
    expect(condition()).toBe(true);
  }

  test("appends to a file that only its group may read", async () => {
    const first = LogWriter.open(clock, path, "DEBUG");
    first.log.info("one");
    await first.close();
    const second = LogWriter.open(clock, path, "DEBUG");
    second.log.with({ service: "x" }).info("two");
    await second.close();
    expect(lines().map((line) => line.slice(line.indexOf("msg=")))).toEqual([
      "msg=one",
      "msg=two service=x",
    ]);
    expect(statSync(path).mode & 0o777 & ~0o640).toBe(0);
  });

  test("lines reach the file in order without a flush", async () => {
    const writer = LogWriter.open(clock, path, "DEBUG");
    for (let i = 0; i < 5000; i++) writer.log.info(`m${i}`);
    clock.advance(LOG_FLUSH_MS);
    await until(() => lines().length === 5000);
    writer.log.info("late");
    clock.advance(LOG_FLUSH_MS);
    await until(() => lines().length === 5001);
    expect(lines().every((line, i) => line.endsWith(i < 5000 ? `msg=m${i}` : "msg=late"))).toBe(
      true,
    );
    await writer.close();
  });

  test.each<[string, string[]]>([
    ["DEBUG", ["d", "i", "w", "e"]],
    ["info", ["i", "w", "e"]],
    ["ERROR", ["e"]],
    ["bogus", ["d", "i", "w", "e"]],
  ])("threshold %s", async (level, expected) => {
    const writer = LogWriter.open(clock, path, level);
    writer.log.debug("d");
    writer.log.info("i");
    writer.log.warn("w");
    writer.log.error("e");
    await writer.close();
    expect(lines().map((line) => line.at(-1) ?? "")).toEqual(expected);
  });

  test("the threshold changes at run time; sessions see everything", async () => {
    const writer = LogWriter.open(clock, path, "ERROR");
    const seen: string[] = [];
    const stop = writer.subscribe(({ level, message, time }) => {
      seen.push(`${level} ${message} ${time.ms}`);
    });
    writer.log.debug("a");
    writer.setLevel("debug");
    writer.log.debug("b");
    stop();
    writer.log.debug("c");
    await writer.close();
    expect(seen).toEqual([`debug a ${TIME.ms}`, `debug b ${TIME.ms}`]);
    expect(lines().length).toBe(2);
    expect(writer.level).toBe("debug");
  });

  test("a full buffer drops new lines, counts them, and says so", async () => {
    const writer = LogWriter.open(clock, path, "DEBUG");
    const big = "x".repeat(60_000);
    const written = Math.floor(LOG_BUFFER_BYTES_MAX / 60_050) + 10;
    for (let i = 0; i < written; i++) writer.log.info("big", { i, big });
    const { dropped, lines: taken } = writer.counters();
    expect(dropped).toBeGreaterThan(0);
    expect(dropped + taken).toBe(written);
    clock.advance(LOG_FLUSH_MS);
    await until(() => lines().at(-1)?.includes("too slow") === true || lines().length > taken);
    await writer.close();
    const report = lines().filter((line) => line.includes("log lines were dropped"));
    expect(report.length).toBe(1);
    expect(report[0]).toEndWith(` lines=${dropped}`);
    expect(lines().length).toBe(taken + 1);
  });

  test("after close nothing is written and nothing breaks", async () => {
    const writer = LogWriter.open(clock, path, "DEBUG");
    await writer.close();
    writer.log.info("late");
    await writer.close();
    expect(lines()).toEqual([]);
  });

  test("a file that cannot be opened is the system's error", () => {
    expect(() => LogWriter.open(clock, "/proc/none/kapacitor.log", "INFO")).toThrow();
  });
});
