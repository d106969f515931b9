/** Clock, dice, identity, process file, address ranges, signals. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isBlocked, parseCidrs } from "#daemon/cidrs.ts";
import { Identity } from "#daemon/identity.ts";
import { STOP_TIME_MAX_MS } from "#daemon/limits.ts";
import { writePidFile } from "#daemon/pid-file.ts";
import { type SignalName, untilStopped } from "#daemon/signals.ts";
import { SystemRandom, systemClock } from "#daemon/system.ts";
import { VirtualClock } from "#lib/clock.ts";
import { logTo } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "daemon-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("system clock", () => {
  test("wall time is the system's and does not go back", () => {
    let last = systemClock.now();
    for (let i = 0; i < 5000; i++) {
      const now = systemClock.now();
      expect(now.ms > last.ms || (now.ms === last.ms && now.ns >= last.ns)).toBe(true);
      expect(now.ns >= 0 && now.ns < 1_000_000).toBe(true);
      last = now;
    }
    const [before, now, after] = [Date.now(), systemClock.now().ms, Date.now()];
    expect(now > before - 50 && now < after + 50).toBe(true);
  });

  test("a delay beyond 2^31 ms does not fire at once", async () => {
    let fired = false;
    const cancel = systemClock.after(2 ** 31 + 5, () => {
      fired = true;
    });
    await new Promise<void>((resolve) => systemClock.after(5, resolve));
    cancel();
    expect(fired).toBe(false);
  });

  test("no timer fires before its time, whatever the fraction", async () => {
    const early = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const dueMs = systemClock.monoMs() + 1 + i / 10;
        await new Promise<void>((done) => systemClock.after(dueMs - systemClock.monoMs(), done));
        return systemClock.monoMs() < dueMs;
      }),
    );
    expect(early.filter(Boolean)).toEqual([]);
  });

  test("a cancelled timer does not fire", async () => {
    let fired = false;
    systemClock.after(0, () => {
      fired = true;
    })();
    await new Promise<void>((resolve) => systemClock.after(2, resolve));
    expect(fired).toBe(false);
  });
});

describe("system randomness", () => {
  const random = new SystemRandom();

  test("stays in range and covers it", () => {
    const seen = new Set<number>();
    for (let i = 0; i < 2000; i++) {
      seen.add(random.below(6));
      const x = random.float();
      expect(x >= 0 && x < 1).toBe(true);
      expect(Number.isInteger(random.u32())).toBe(true);
    }
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test.each([[1], [2 ** 32], [2 ** 40]])("below(%d) is an integer below it", (n) => {
    const draw = random.below(n);
    expect(Number.isInteger(draw) && draw >= 0 && draw < n).toBe(true);
  });

  test("bytes differ", () => {
    expect(Buffer.from(random.bytes(16)).equals(Buffer.from(random.bytes(16)))).toBe(false);
  });
});

describe("identity", () => {
  const open = (name = "data"): Identity =>
    Identity.open(join(directory, name), new SeededRandom(1));
  const read = (file: string): string => readFileSync(join(directory, "data", file), "utf8");

  test("is made at the first start and kept", () => {
    const first = open();
    expect(first.serverId).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect([read("server.id"), read("cluster.id")]).toEqual([first.serverId, first.clusterId]);
    expect(first.serverId).not.toBe(first.clusterId);
    const again = Identity.open(join(directory, "data"), new SeededRandom(2));
    expect([again.serverId, again.clusterId]).toEqual([first.serverId, first.clusterId]);
    expect(statSync(join(directory, "data", "server.id")).mode & 0o777).toBe(0o644);
    expect(readdirSync(join(directory, "data")).sort()).toEqual(["cluster.id", "server.id"]);
  });

  test("the cluster ID changes on disk and in memory, the server ID never", () => {
    const identity = open();
    const { serverId } = identity;
    identity.setClusterId("876DDFB4-1879-4F40-87E2-4080C04D3096");
    expect(identity.clusterId).toBe("876ddfb4-1879-4f40-87e2-4080c04d3096");
    expect(read("cluster.id")).toBe(identity.clusterId);
    expect(open()).toMatchObject({ serverId, clusterId: identity.clusterId });
    expect(() => identity.setClusterId("x")).toThrow('invalid cluster ID "x"');
  });

  test.each([
    ["empty", ""],
    ["nil", "00000000-0000-0000-0000-000000000000"],
    ["blank", "\n"],
  ])("an %s file is filled", (_name, text) => {
    open();
    writeFileSync(join(directory, "data", "server.id"), text);
    expect(open().serverId).toMatch(/^[0-9a-f-]{36}$/);
    expect(read("server.id")).toBe(open().serverId);
  });

  test("a damaged file is an error, not a new identity", () => {
    open();
    writeFileSync(join(directory, "data", "server.id"), "876ddfb4-1879");
    expect(() => open()).toThrow("server.id does not hold a UUID");
    expect(read("server.id")).toBe("876ddfb4-1879");
  });

  test("fails when the directory cannot be made or used", () => {
    expect(() => open("none/data")).toThrow("cannot create data dir");
    writeFileSync(join(directory, "file"), "");
    expect(() => open("file")).toThrow("cannot read");
  });
});

test("the process file holds the bare number and is removed by its undo", () => {
  const path = join(directory, "a", "b", "k.pid");
  const remove = writePidFile(path, 4711);
  expect(readFileSync(path, "utf8")).toBe("4711");
  remove();
  remove();
  expect(existsSync(path)).toBe(false);
});

describe("address ranges", () => {
  test.each([
    ["10.0.0.0/8", "10.255.255.255", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.0.0.0/8", "::ffff:10.1.1.1", true],
    ["1.2.3.4/32, fe80::/10", "fe80::1", true],
    ["private", "192.168.255.1", true],
    ["private", "172.32.0.1", false],
    ["private", "127.0.0.1", true],
    ["private", "::1", true],
    ["private,8.8.8.0/24", "8.8.8.8", true],
    ["", "8.8.8.8", false],
    ["0.0.0.0/0", "not an address", false],
  ])("%s blocks %s: %p", (ranges, address, blocked) => {
    expect(isBlocked(parseCidrs(ranges), address)).toBe(blocked);
  });

  test.each([["10.0.0.0"], ["10.0.0.0/33"], ["::/129"], ["x/8"], ["1.2.3.4/8/8"], ["privat"]])(
    "refuses %s",
    (range) => {
      expect(() => parseCidrs(range)).toThrow(`invalid CIDR address: ${range}`);
    },
  );
});

class Signals {
  readonly listeners = new Map<SignalName, Set<() => void>>();

  on(name: SignalName, listener: () => void): void {
    this.listeners.set(name, (this.listeners.get(name) ?? new Set()).add(listener));
  }

  off(name: SignalName, listener: () => void): void {
    this.listeners.get(name)?.delete(listener);
  }

  send(name: SignalName): void {
    for (const listener of this.listeners.get(name) ?? []) listener();
  }
}

describe("signals", () => {
  function setUp() {
    const signals = new Signals();
    const clock = new VirtualClock();
    const stop = Promise.withResolvers<void>();
    const reloads: PromiseWithResolvers<void>[] = [];
    const ended = Promise.withResolvers<Error>();
    const logged: string[] = [];
    let stops = 0;
    const code = untilStopped(
      signals,
      {
        stop: () => {
          stops++;
          return stop.promise;
        },
        reload: () => {
          const reload = Promise.withResolvers<void>();
          reloads.push(reload);
          return reload.promise;
        },
      },
      { clock, log: logTo((entry) => logged.push(entry.message)), ended: ended.promise },
    );
    return { signals, clock, stop, reloads, ended, logged, code, stops: () => stops };
  }

  test.each<[SignalName]>([["SIGTERM"], ["SIGINT"]])("%s stops cleanly", async (name) => {
    const { signals, stop, code, stops, clock } = setUp();
    signals.send(name);
    clock.advance(STOP_TIME_MAX_MS - 1);
    stop.resolve();
    expect(await code).toBe(0);
    expect(stops()).toBe(1);
    expect([...signals.listeners.values()].every((set) => set.size === 0)).toBe(true);
  });

  test("a second signal does not wait", async () => {
    const { signals, code, stops, logged } = setUp();
    signals.send("SIGTERM");
    signals.send("SIGINT");
    expect(await code).toBe(0);
    expect(stops()).toBe(1);
    expect(logged).toContain("second signal received, stopping hard");
  });

  test("a stop that takes too long is ended", async () => {
    const { signals, code, clock, logged } = setUp();
    signals.send("SIGTERM");
    clock.advance(STOP_TIME_MAX_MS);
    expect(await code).toBe(0);
    expect(logged).toContain("time limit reached, stopping hard");
  });

  test("a stop that fails makes the exit code 1", async () => {
    const { signals, code, stop } = setUp();
    signals.send("SIGTERM");
    stop.reject(new Error("disk full"));
    expect(await code).toBe(1);
  });

  test("a daemon that ends by itself is stopped, exit code 1", async () => {
    const { ended, code, stop, stops } = setUp();
    ended.resolve(new Error("listener lost"));
    stop.resolve();
    expect(await code).toBe(1);
    expect(stops()).toBe(1);
  });

  test("hang-ups during a reload ask for one more, and a failed reload ends nothing", async () => {
    const { signals, reloads, stop, code, logged } = setUp();
    signals.send("SIGHUP");
    signals.send("SIGHUP");
    signals.send("SIGHUP");
    expect(reloads.length).toBe(1);
    reloads[0]?.reject(new Error("bad file"));
    for (let i = 0; i < 10 && reloads.length < 2; i++) await Promise.resolve();
    expect(reloads.length).toBe(2);
    reloads[1]?.resolve();
    for (let i = 0; i < 10; i++) await Promise.resolve();
    expect(reloads.length).toBe(2);
    expect(logged).toContain("reload failed");
    signals.send("SIGTERM");
    stop.resolve();
    expect(await code).toBe(0);
  });
});
