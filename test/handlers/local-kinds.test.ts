/** Kinds that write, run, connect or stay inside: log, tcp, exec, sensu, publish, aggregate. */

import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeAlertData } from "#alert/data.ts";
import { CRITICAL, OK, WARNING } from "#alert/level.ts";
import { AGGREGATE_EVENTS_MAX, EXEC_OUTPUT_MAX, PUBLISH_HOPS_MAX } from "#handlers/limits.ts";
import { VirtualClock } from "#lib/clock.ts";
import { delivery, event } from "../alert/support.ts";
import { freePort, open, send, services, TcpReceiver } from "./support.ts";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "handlers-"));
  undo.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const JSON_LINE = `${encodeAlertData(delivery())}\n`;

describe("log", () => {
  test("appends one line per event to a file of the given mode", async () => {
    const path = join(folder(), "alerts.log");
    const handler = open("log", { path, mode: 0o640 }, services());
    expect(await send(handler)).toEqual({ kind: "sent" });
    expect(await send(handler)).toEqual({ kind: "sent" });
    expect(readFileSync(path, "utf8")).toBe(JSON_LINE + JSON_LINE);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  test("the default mode is the owner's alone, and a moved file is made anew", async () => {
    const path = join(folder(), "alerts.log");
    const handler = open("log", { path }, services());
    await send(handler);
    rmSync(path);
    await send(handler);
    expect(readFileSync(path, "utf8")).toBe(JSON_LINE);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("a folder that is not there is worth repeating", async () => {
    const outcome = await send(open("log", { path: join(folder(), "no", "x.log") }, services()));
    expect(outcome).toMatchObject({ kind: "retry" });
  });

  test.each([
    [{ path: "rel.log" }, "log path must be absolute: rel.log is not absolute"],
    [{ path: "/x", mode: 0o444 }, "log file mode must allow the owner to write"],
    [{ path: "/x", mode: 0o10000 }, "log file mode is out of range: 4096"],
    [{ path: "/x", mode: -1 }, "log file mode is out of range: -1"],
  ])("%p is refused", (options, want) => {
    expect(() => open("log", options, services())).toThrow(want);
  });

  test("NaN is final", async () => {
    const handler = open("log", { path: join(folder(), "x.log") }, services());
    const outcome = await send(handler, { series: [{ values: [[Number.NaN]] }] });
    expect(outcome).toEqual({ kind: "rejected", error: "json: unsupported value: NaN" });
  });
});

describe("tcp", () => {
  test("sends the JSON and an empty line on a connection of its own, then closes", async () => {
    const receiver = new TcpReceiver();
    undo.push(() => receiver.close());
    const closed = receiver.nextClosed();
    const handler = open("tcp", { address: receiver.address }, services());
    expect(await send(handler)).toEqual({ kind: "sent" });
    await closed;
    expect(receiver.received).toEqual([`${JSON_LINE}\n`]);
  });

  test("a body larger than the socket's buffer arrives whole", async () => {
    const receiver = new TcpReceiver();
    undo.push(() => receiver.close());
    const closed = receiver.nextClosed();
    const message = "x".repeat(4_000_000);
    expect(await send(open("tcp", { address: receiver.address }, services()), { message })).toEqual(
      {
        kind: "sent",
      },
    );
    await closed;
    expect(receiver.received[0]).toBe(`${encodeAlertData(delivery({ message }))}\n\n`);
  });

  test("a refused connection is worth repeating", async () => {
    const outcome = await send(open("tcp", { address: `127.0.0.1:${freePort()}` }, services()));
    expect(outcome).toMatchObject({ kind: "retry" });
    expect(outcome.kind === "sent" ? "" : outcome.error).toContain("connection refused");
  });

  test("an aborted send does not connect", async () => {
    const abort = AbortSignal.abort(new Error("no time"));
    const handler = open("tcp", { address: `127.0.0.1:${freePort()}` }, services());
    expect(await send(handler, {}, abort)).toMatchObject({ kind: "retry" });
  });

  test.each(["", "host", "host:", "host:0", "host:65536", "a:b:1"])(
    "%p is no address",
    (address) => {
      expect(() => open("tcp", { address }, services())).toThrow("invalid TCP address");
    },
  );
});

describe("exec", () => {
  function script(text: string): string {
    const path = join(folder(), "run.sh");
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  test("gives the program the JSON and its arguments", async () => {
    const out = join(folder(), "out");
    const prog = script('cat > "$1"; printf "%s" "$2" >> "$1"');
    expect(await send(open("exec", { prog, args: [out, "two words"] }, services()))).toEqual({
      kind: "sent",
    });
    expect(readFileSync(out, "utf8")).toBe(`${JSON_LINE}two words`);
  });

  test("a failing program is repeated, and what it printed is shown", async () => {
    const prog = script("echo out; echo err >&2; exit 3");
    const outcome = await send(open("exec", { prog }, services()));
    expect(outcome).toEqual({
      kind: "retry",
      error: "exec command failed: exit status 3, output: out\nerr",
    });
  });

  test("endless output is cut, not kept", async () => {
    const prog = script("head -c 1000000 /dev/zero | tr '\\0' x; exit 1");
    const outcome = await send(open("exec", { prog }, services()));
    expect(outcome.kind === "sent" ? 0 : outcome.error.length).toBeLessThan(EXEC_OUTPUT_MAX + 100);
  });

  test("a program that does not read its input is no failure", async () => {
    const message = "x".repeat(1_000_000);
    expect(await send(open("exec", { prog: script("exit 0") }, services()), { message })).toEqual({
      kind: "sent",
    });
  });

  test("a program that is not there is final", async () => {
    const outcome = await send(open("exec", { prog: "/no/such/program" }, services()));
    expect(outcome).toMatchObject({ kind: "rejected" });
  });

  test("a hanging program is killed when the signal fires", async () => {
    const abort = new AbortController();
    const sending = send(
      open("exec", { prog: script("exec sleep 600") }, services()),
      {},
      abort.signal,
    );
    abort.abort(new Error("no answer within 30s"));
    expect(await sending).toEqual({ kind: "retry", error: "no answer within 30s" });
  });
});

describe("sensu", () => {
  const section = (addr: string) => ({
    sensu: { enabled: true, addr, source: "Kapacitor", handlers: ["mail"] },
  });

  test.each([
    [CRITICAL, 2],
    [WARNING, 1],
    [1, 0],
    [OK, 0],
  ] as const)("level %p is status %p", async (level, status) => {
    const receiver = new TcpReceiver((text) => (text.endsWith("\n") ? "ok" : undefined));
    undo.push(() => receiver.close());
    const closed = receiver.nextClosed();
    const options = { metadata: { team: "ops", name: "not this" }, source: "{{ .Tags.host }}" };
    const handler = open("sensu", options, services(section(receiver.address)));
    expect(await send(handler, { id: "cpu_h1", message: "m", level })).toEqual({ kind: "sent" });
    await closed;
    expect(receiver.received).toEqual([
      `{"handlers":["mail"],"name":"cpu_h1","output":"m","source":"h1","status":${status},"team":"ops"}\n`,
    ]);
  });

  test("no handlers are null", async () => {
    const receiver = new TcpReceiver((text) => (text.endsWith("\n") ? "ok\n" : undefined));
    undo.push(() => receiver.close());
    const closed = receiver.nextClosed();
    const using = services({
      sensu: { enabled: true, addr: receiver.address, source: "K", handlers: [] },
    });
    await send(open("sensu", {}, using), { id: "a", message: "m" });
    await closed;
    expect(receiver.received[0]).toBe(
      '{"handlers":null,"name":"a","output":"m","source":"K","status":2}\n',
    );
  });

  test("an ID with other characters is refused", async () => {
    const outcome = await send(open("sensu", {}, services(section("127.0.0.1:1"))));
    expect(outcome).toEqual({
      kind: "rejected",
      error: 'invalid name "cpu:host=h1" for sensu alert. Must match [\\w.-]+',
    });
  });

  test("another answer is final", async () => {
    const receiver = new TcpReceiver((text) => (text.endsWith("\n") ? "invalid" : undefined));
    undo.push(() => receiver.close());
    const outcome = await send(open("sensu", {}, services(section(receiver.address))), { id: "a" });
    expect(outcome).toEqual({ kind: "rejected", error: "sensu communication error: invalid" });
  });

  test("a refused connection is worth repeating, a section that is off is not", async () => {
    const refused = services(section(`127.0.0.1:${freePort()}`));
    expect(await send(open("sensu", {}, refused), { id: "a" })).toMatchObject({ kind: "retry" });
    expect(await send(open("sensu", {}, services()), { id: "a" })).toEqual({
      kind: "rejected",
      error: "service is not enabled",
    });
  });
});

describe("publish", () => {
  test("raises the same event in each topic, one hop further", async () => {
    const using = services();
    const handler = open("publish", { topics: ["a", "b"] }, using);
    expect(await send(handler, { hops: 2 })).toEqual({ kind: "sent" });
    expect(using.published).toEqual([
      event({ topic: "a", hops: 3 }),
      event({ topic: "b", hops: 3 }),
    ]);
  });

  test("the last hop passes, the next ends the circle", async () => {
    const using = services();
    const handler = open("publish", { topics: ["t"] }, using);
    expect((await send(handler, { hops: PUBLISH_HOPS_MAX - 1 })).kind).toBe("sent");
    expect(await send(handler, { hops: PUBLISH_HOPS_MAX })).toMatchObject({ kind: "rejected" });
    expect(using.published.length).toBe(1);
  });
});

describe("aggregate", () => {
  const MINUTE = 60_000;
  const options = { interval: MINUTE * 1e6, topic: "sum", id: "all" };
  // Twenty seconds into a minute.
  const clock = () => new VirtualClock({ ms: 1_600_000_000_000, ns: 0 });
  const untilNextMinute = MINUTE - (1_600_000_000_000 % MINUTE);

  test("sums up an interval, cut at whole multiples of it", async () => {
    const time = clock();
    const using = services({}, time);
    const handler = open("aggregate", options, using);
    const at = (ms: number) => ({ ms, ns: 0 });
    await send(handler, { message: "one", level: WARNING, time: at(1), duration: 5 });
    await send(handler, { message: "two", level: CRITICAL, time: at(3), duration: 2 });
    await send(handler, { message: "three", level: OK, time: at(2), duration: 9, series: null });
    time.advance(untilNextMinute - 1);
    expect(using.published).toEqual([]);
    time.advance(1);
    const row = event().series?.[0];
    expect(using.published).toEqual([
      {
        topic: "sum",
        id: "all",
        message: "Received 3 events in the last 1m0s.",
        details: "one\ntwo\nthree",
        time: at(3),
        duration: 9,
        level: CRITICAL,
        ...{ name: "", taskName: "", category: "", group: "", tags: {}, fields: {} },
        recoverable: false,
        series: row === undefined ? [] : [row, row],
        hops: 1,
      },
    ]);
  });

  test("nothing came, nothing is said", async () => {
    const time = clock();
    const using = services({}, time);
    const handler = open("aggregate", options, using);
    time.advance(10 * MINUTE);
    await send(handler);
    time.advance(10 * MINUTE);
    expect(using.published.length).toBe(1);
  });

  test("the message is a template", async () => {
    const time = clock();
    const using = services({}, time);
    await send(
      open("aggregate", { ...options, message: "{{ .Count }} in {{ .Interval }}" }, using),
    );
    time.advance(MINUTE);
    expect(using.published[0]?.message).toBe("1 in 1m0s");
  });

  test("more events than are kept are still counted", async () => {
    const time = clock();
    const using = services({}, time);
    const handler = open("aggregate", options, using);
    for (let i = 0; i <= AGGREGATE_EVENTS_MAX; i++) await send(handler, { series: null });
    time.advance(MINUTE);
    expect(using.published[0]?.message).toStartWith(`Received ${AGGREGATE_EVENTS_MAX + 1} events`);
    expect(using.published[0]?.details.split("\n").length).toBe(AGGREGATE_EVENTS_MAX);
  });

  test("what is pending at the end is summed up then", async () => {
    const using = services({}, clock());
    const handler = open("aggregate", options, using);
    await send(handler);
    await handler.close?.();
    expect(using.published.length).toBe(1);
  });

  test("a circle of summaries ends", async () => {
    const handler = open("aggregate", options, services({}, clock()));
    expect((await send(handler, { hops: PUBLISH_HOPS_MAX })).kind).toBe("rejected");
  });

  test.each([
    [{ topic: "x" }, "aggregate handler needs an interval greater than 0"],
    [{ topic: "x", interval: 0 }, "aggregate handler needs an interval greater than 0"],
    [{ topic: "x", interval: -1 }, "aggregate handler needs an interval greater than 0"],
    [{ interval: 1 }, "aggregate handler needs a topic"],
    [{ topic: "x", interval: 1, message: "{{" }, "template: message:1: unclosed action"],
  ])("%p is refused", (given, want) => {
    expect(() => open("aggregate", given, services())).toThrow(want);
  });

  test("an interval as text is accepted", () => {
    expect(() => open("aggregate", { topic: "x", interval: "5m" }, services())).not.toThrow();
  });
});
