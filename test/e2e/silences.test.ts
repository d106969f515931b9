/** Silences on three real members: made on one, in force on all, known to one that was away. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { expected, getJson, point, TestCluster } from "../../scripts/cluster-lab.ts";
import { mustRun, until } from "../../scripts/lab.ts";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open();
}, 20_000);
afterAll(() => cluster?.close());

const idsOn = async (place: number): Promise<readonly string[]> => {
  const { silences } = (await getJson(
    cluster.at(place).process,
    "alerts/silences?status=active",
  )) as {
    readonly silences: readonly { readonly id: string }[];
  };
  return silences.map(({ id }) => id);
};

/** The client on a member. */
const run = (place: number, ...words: readonly string[]): string =>
  mustRun("kapacitor", "-url", cluster.at(place).process.url, ...words);

test("a silence holds on every member, ends on every member, and survives absence", async () => {
  run(0, "silence", "add", "-for", "1h", "-author", "me", "-comment", "x", "tag:host=quiet");
  const [id = ""] = await idsOn(0);
  expect(await idsOn(1)).toEqual([id]);
  expect(await idsOn(2)).toEqual([id]);

  await cluster.write(point("quiet", "CRITICAL", 0) + point("loud", "CRITICAL", 0));
  const loud = expected("loud", "CRITICAL", 0);
  expect(await cluster.arrivals([loud], 5_000, 3_000)).toEqual([loud]);

  // Ended while a member is away; it learns that when it returns.
  const { process: away } = cluster.at(2);
  await away.kill("SIGKILL");
  run(1, "silence", "expire", id);
  expect(await idsOn(0)).toEqual([]);
  await away.start();
  await until("the silence has ended there too", 10_000, async () => (await idsOn(2)).length === 0);
}, 40_000);
