/**
 * Handlers written in scripts on three real members: told once, whoever runs the task, dies, or is reloaded.
 */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  type ClusterMember,
  DELAY_MS,
  expected,
  getJson,
  point,
  TestCluster,
} from "../../scripts/cluster-lab.ts";
import { until } from "../../scripts/lab.ts";

let cluster: TestCluster;
beforeEach(async () => {
  cluster = await TestCluster.open();
}, 30_000);
afterEach(() => cluster?.close());

const script = (url: string, measurement: string, more: string): string => `
stream
    |from()
        .measurement('${measurement}')
        .groupBy('host')
    |alert()
        .id('{{ index .Tags "host" }}')
        .message('{{ .ID }} is {{ .Level }}')
        .warn(lambda: "v" > 1)
        .crit(lambda: "v" > 2)
        .stateChangesOnly()
        .post('${url}')${more}
`;

/** Runs the task with an inline `post` on some members, one after the other. */
async function defineInline(
  id: string,
  members: readonly ClusterMember[] = cluster.members,
  more = "",
): Promise<void> {
  for (const { process } of members) {
    const answer = await fetch(`${process.url}/kapacitor/v1/tasks`, {
      method: "POST",
      body: JSON.stringify({
        ...{ id, type: "stream", status: "enabled" },
        dbrps: [{ db: "telegraf", rp: "autogen" }],
        script: script(cluster.webhook.url, id, more),
      }),
    });
    if (!answer.ok) throw new Error(`task: ${answer.status} ${await answer.text()}`);
  }
}

async function patch(members: readonly ClusterMember[], id: string, body: object): Promise<void> {
  for (const { process } of members) {
    const url = `${process.url}/kapacitor/v1/tasks/${id}`;
    const answer = await fetch(url, { method: "PATCH", body: JSON.stringify(body) });
    expect(answer.status).toBe(200);
  }
}

const topicOf = (id: string): string => `main:${id}:alert2`;

const lines = (id: string, hosts: readonly string[], level: "OK" | "CRITICAL", second: number) =>
  hosts.map((host) => point(host, level, second).replace(/^m,/, `${id},`)).join("");

interface Owners {
  readonly members: readonly {
    readonly id: string;
    readonly acting: boolean;
    readonly home: boolean;
    readonly answered: boolean;
    readonly handlers: number | null;
  }[];
}

/** Every member knows that so many of them share the topic. */
async function shared(id: string, count: number, by = cluster.members): Promise<void> {
  await until(`${count} members share ${id}`, 10_000, async () => {
    const seen = await Promise.all(
      by.map(({ process }) => getJson(process, `cluster/owners/${topicOf(id)}`) as Promise<Owners>),
    );
    return seen.every(({ members }) => members.length === count);
  });
}

describe("a script with a handler of its own", () => {
  test("on all members tells each change once, and every member remembers it for itself", async () => {
    await defineInline("once");
    await shared("once", 3);
    const hosts = Array.from({ length: 50 }, (_, i) => `h${i}`);
    const keys: string[] = [];
    for (let round = 0; round < 6; round++) {
      const level = round % 2 === 0 ? "CRITICAL" : "OK";
      keys.push(...hosts.map((host) => expected(host, level, round)));
      await cluster.write(lines("once", hosts, level, round));
    }
    expect(await cluster.arrivals(keys, 15_000, DELAY_MS)).toEqual([...keys].sort());
    for (const { process } of cluster.members) {
      const topic = await getJson(process, `alerts/topics/${topicOf("once")}`);
      expect(topic).toMatchObject({ level: "OK", collected: 300 });
    }
  }, 60_000);

  test("on one member, or with other handlers on another one, is told by each", async () => {
    await defineInline("alone", [cluster.at(0)]);
    await cluster.write(lines("alone", ["a"], "CRITICAL", 0));
    const key = expected("a", "CRITICAL", 0);
    expect(await cluster.arrivals([key], 5_000)).toEqual([key]);
    await defineInline("alone", [cluster.at(1)], "\n        .log('/dev/null')");
    await cluster.write(lines("alone", ["b"], "CRITICAL", 1));
    const other = expected("b", "CRITICAL", 1);
    expect(await cluster.arrivals([other], 5_000, DELAY_MS)).toEqual([key, other, other]);
  }, 60_000);

  test("goes on when the member that tells it is killed, restarted, and its task reloaded", async () => {
    await defineInline("on");
    await shared("on", 3);
    const [first, ...others] = cluster.ranking(topicOf("on"));
    if (first === undefined) throw new Error("three members");
    const keys: string[] = [];
    const raise = async (host: string, members: readonly ClusterMember[]): Promise<void> => {
      keys.push(expected(host, "CRITICAL", keys.length));
      await cluster.write(lines("on", [host], "CRITICAL", keys.length - 1), members);
    };
    await first.process.kill("SIGKILL");
    for (let i = 0; i < 10; i++) await raise(`killed${i}`, others);
    expect(await cluster.arrivals(keys, DELAY_MS + 2_000)).toEqual([...keys].sort());
    await first.process.start();
    await cluster.settled();
    for (let i = 0; i < 10; i++) await raise(`back${i}`, cluster.members);
    expect(await cluster.arrivals(keys, 10_000, DELAY_MS)).toEqual([...keys].sort());
    await patch([first], "on", { status: "disabled" });
    for (let i = 0; i < 10; i++) await raise(`stopped${i}`, cluster.members);
    await patch([first], "on", { status: "enabled" });
    for (let i = 0; i < 10; i++) await raise(`again${i}`, cluster.members);
    expect(await cluster.arrivals(keys, 10_000, DELAY_MS)).toEqual([...keys].sort());
  }, 90_000);
});

describe("a member that shares nothing", () => {
  test("tells its alerts by itself, as those of the others", async () => {
    await cluster.close();
    cluster = await TestCluster.open({
      members: 2,
      alert: `redundancy = 2\n  delay-per-member = "${DELAY_MS}ms"\n  deduplicate-inline = false`,
    });
    await defineInline("apart");
    await cluster.write(lines("apart", ["a"], "CRITICAL", 0));
    const key = expected("a", "CRITICAL", 0);
    expect(await cluster.arrivals([key], 5_000, DELAY_MS)).toEqual([key, key]);
  }, 60_000);
});
