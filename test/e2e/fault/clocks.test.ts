/**
 * Members whose wall clocks are wrong, and time that passes quickly (cluster-behaviour §16: 9, 15).
 *
 * The clocks are set by libfaketime of Debian's packages, which the system's loader puts before the C library: the
 * binary is the one that ships. Monotonic clocks, by which everything waits, are left alone.
 */

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expected, getJson, point, statistics, TestCluster } from "../../../scripts/cluster-lab.ts";
import { fakeClock, fakeClockFile, fakeClockProblem } from "../../../scripts/fake-clock.ts";
import { cli, until } from "../../../scripts/lab.ts";

const problem = fakeClockProblem();
const title = (text: string): string =>
  problem === undefined ? text : `${text} (skipped: ${problem})`;

describe.skipIf(problem !== undefined)(title("wrong clocks"), () => {
  let cluster: TestCluster;
  const directory = mkdtempSync(join(tmpdir(), "kapacitor-clock-"));
  afterEach(() => cluster?.close());
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test("an hour before and after: 1000 changes arrive 1000 times; doctor tells which clocks differ", async () => {
    const offsets = ["-1h", "+0", "+1h"];
    cluster = await TestCluster.open({ launch: (place) => fakeClock(offsets[place] ?? "+0") });
    const keys: string[] = [];
    for (let round = 0; round < 10; round++) {
      const level = round % 2 === 0 ? "CRITICAL" : "OK";
      const hosts = Array.from({ length: 100 }, (_, i) => `clock${i}`);
      keys.push(...hosts.map((host) => expected(host, level, round)));
      await cluster.write(hosts.map((host) => point(host, level, round)).join(""));
    }
    expect(await cluster.arrivals(keys, 15_000)).toEqual([...keys].sort());
    expect(await cluster.counters("secondary-handle-count")).toEqual([0, 0, 0]);
    const { code, stdout } = cli("kapacitorctl", "doctor", "-url", cluster.at(1).process.url);
    expect(code).toBe(1);
    expect(stdout).toMatch(/ clock +its clock is 3600\.\ds .* behind that of /);
    expect(stdout).toMatch(/ clock +its clock is 3600\.\ds .* ahead of that of /);
    expect(stdout.split("\n")[0]).toEndWith("2 problems");
  }, 40_000);

  test("a handler deleted while a member is away for longer than deletions are remembered stays deleted", async () => {
    const offset = join(directory, "offset");
    writeFileSync(offset, "+0\n");
    cluster = await TestCluster.open({
      alert: 'full-sync-interval = "1s"',
      launch: () => fakeClockFile(offset),
    });
    const [a, b, away] = [cluster.at(0), cluster.at(1), cluster.at(2)];
    cluster.defineHandler(a, "t", "kept");
    cluster.defineHandler(a, "t", "deleted");
    await until("the third member has it", 5_000, async () => {
      return (await cluster.tryRead(away, "alerts/topics/t/handlers/deleted")) !== undefined;
    });
    await away.process.kill("SIGTERM");
    const url = `${a.process.url}/kapacitor/v1/alerts/topics/t/handlers/deleted?force=true`;
    expect((await fetch(url, { method: "DELETE" })).status).toBe(204);
    // Eight days pass, one more than deletions are remembered.
    writeFileSync(offset, "+8d\n");
    await until("the others have forgotten the deletion", 15_000, async () => {
      const counts = await Promise.all(
        [a, b].map(({ process }) => statistics(process, "handler_definitions")),
      );
      return counts.every(({ handler_definitions: count }) => count === 2);
    });
    await away.process.start();
    await cluster.settled();
    await until("the deleted handler is gone everywhere", 10_000, async () => {
      const left = await Promise.all(
        cluster.members.map((each) => cluster.tryRead(each, "alerts/topics/t/handlers/deleted")),
      );
      return left.every((handler) => handler === undefined);
    });
    for (const { process } of cluster.members) {
      expect(await getJson(process, "alerts/topics/t/handlers/kept")).toMatchObject({ id: "kept" });
    }
  }, 40_000);
});
