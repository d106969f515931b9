import { afterEach, describe, expect, test } from "bun:test";
import { createApp } from "#http/app.ts";
import { type Listening, listen } from "#http/server.ts";
import { TaskCluster } from "#test/tasks/task-cluster.ts";
import { runCli } from "./support.ts";

const script = 'dbrp "telegraf"."autogen" stream|from()';
const servers: Listening[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close(0, () => Promise.resolve());
});

type Kapacitor = (...args: string[]) => Promise<string>;

/** The command line of every member; their API addresses are `a:9092`, `b:9092` … */
async function opened(members: number): Promise<readonly [TaskCluster, ...Kapacitor[]]> {
  const cluster = await TaskCluster.open(members, 1);
  const lines = cluster.all.map(({ services }): Kapacitor => {
    const server = listen(createApp(services), { host: "127.0.0.1", port: 0 });
    servers.push(server);
    return async (...args) => {
      const url = `http://127.0.0.1:${server.port}`;
      const readFile = (): string => script;
      const { out, err, code } = await runCli(["kapacitor", ...args], { url, readFile });
      return `${out}${err}${code}`;
    };
  });
  return [cluster, ...lines];
}

describe("cluster tasks on the command line", () => {
  test("are defined with -cluster, wherever it stands among the options", async () => {
    const [cluster, kapacitor] = await opened(1);
    if (kapacitor === undefined) throw new Error("no member");
    expect(await kapacitor("define", "t1", "-cluster", "-tick", "x.tick")).toBe("0");
    expect(await kapacitor("define", "t2", "-tick", "x.tick", "-cluster")).toBe("0");
    expect(await kapacitor("define", "t3", "-tick", "x.tick", "-cluster=false")).toBe("0");
    const rows = cluster.at(1).tasks.list({ pattern: "", offset: 0, limit: -1 });
    expect(rows.map(({ cluster: shared }) => shared !== undefined)).toEqual([true, true, false]);
    expect(await kapacitor("define", "-cluster")).toStartWith("Must provide a task ID.");
  });

  test("are listed with the members that run them, and others as before", async () => {
    const [cluster, first, second] = await opened(2);
    if (first === undefined || second === undefined) throw new Error("no members");
    expect(await second("define", "mine", "-tick", "x.tick")).toBe("0");
    const plain = "ID   Type      Status    Executing Databases and Retention Policies\n";
    const mine = 'mine stream    disabled  false     ["telegraf"."autogen"]';
    expect(await second("list", "tasks")).toBe(`${plain}${mine}\n0`);
    expect(await first("define", "ours", "-tick", "x.tick", "-cluster")).toBe("0");
    const head = "ID   Type      Status    Executing Databases and Retention Policies Members\n";
    const padded = (row: string) => row.padEnd(head.indexOf("Members"));
    const ours = (state: string) => padded(`ours stream    ${state} ["telegraf"."autogen"]`);
    expect(await second("list", "tasks")).toBe(
      `${head}${padded(mine)}local\n${ours("disabled  false    ")}none\n0`,
    );
    expect(await second("enable", "ours")).toBe("0");
    await cluster.settle();
    const address = `host${cluster.where("ours")[0]}:9092`;
    expect(await second("list", "tasks", "ours")).toBe(
      `${head}${ours("enabled   true     ")}${address}\n0`,
    );
    expect(await first("show", "ours")).toContain(`Executing: true\nMembers: ${address}\nCreated`);
    expect(await second("show", "mine")).not.toContain("Members");
  });

  test("tell where the cluster's runs when a member's own stands before it", async () => {
    const [cluster, first, second] = await opened(2);
    if (first === undefined || second === undefined) throw new Error("no members");
    await cluster.kill(2);
    await first("define", "t", "-tick", "x.tick", "-cluster");
    await first("enable", "t");
    await second("define", "t", "-tick", "x.tick");
    cluster.at(2).member.reachable = true;
    await cluster.join();
    expect(await second("list", "tasks")).toContain("local, hides the cluster's on host1:9092\n");
  });
});
