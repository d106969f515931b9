/**
 * `kapacitorctl doctor` and `member list -watch` on the compiled binary: healthy clusters, members that are down, and
 * networks that let only some of it pass.
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { TestCluster } from "../../../scripts/cluster-lab.ts";
import { BINARY, type CommandResult, cli, until } from "../../../scripts/lab.ts";
import { NetLab, netLabProblem } from "../../../scripts/net-lab.ts";

const problem = netLabProblem();
const title = (text: string): string =>
  problem === undefined ? text : `${text} (skipped: ${problem})`;

interface Row {
  readonly from: string;
  readonly to: string;
  readonly check: string;
  readonly problem: string;
  readonly advice: string;
}

interface Report {
  readonly ok: boolean;
  readonly members: readonly { readonly answered: boolean }[];
  readonly checks: readonly { readonly check: string; readonly ok: boolean }[];
  readonly problems: readonly Row[];
}

describe("a cluster on one host", () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.open();
  }, 20_000);
  afterAll(() => cluster?.close());

  const doctor = (at: number, ...more: string[]): CommandResult =>
    cli("kapacitorctl", "doctor", "-url", cluster.at(at).process.url, ...more);

  /** Starts watching; `lines` grows. */
  function watch(...words: string[]) {
    const url = cluster.at(0).process.url;
    const command = [BINARY, "kapacitorctl", "member", "list", "-watch", "-url", url, ...words];
    const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const seen = { text: "" };
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of child.stdout) seen.text += decoder.decode(chunk, { stream: true });
    })();
    return { child, seen, reading };
  }

  test("nothing is wrong: one line, exit 0, and every check in JSON", () => {
    for (const at of [0, 1, 2]) {
      expect(doctor(at)).toEqual({
        stdout: "3 members, 3 answered, 33 checks: nothing is wrong\n",
        stderr: "",
        code: 0,
      });
    }
    const { stdout, code } = doctor(0, "-output", "json");
    const report = JSON.parse(stdout) as Report;
    expect(code).toBe(0);
    expect(report).toMatchObject({ ok: true, problems: [] });
    const counts = Map.groupBy(report.checks, ({ check }) => check);
    expect([...counts].map(([check, all]) => `${check} ${all.length}`).sort()).toEqual([
      "api 6",
      "gossip-tcp 6",
      "gossip-udp 6",
      "names 9",
      "rpc 6",
    ]);
    expect(report.checks.every(({ ok }) => ok)).toBe(true);
  });

  test("one member alone has nothing to compare with", async () => {
    const alone = await cluster.startMember(3);
    cluster.members.pop();
    try {
      expect(cli("kapacitorctl", "doctor", "-url", alone.process.url)).toMatchObject({
        stdout: "1 member, 1 answered, 1 check: nothing is wrong\n",
        code: 0,
      });
    } finally {
      await alone.process.kill("SIGKILL");
    }
  });

  test("a member that is down is one line for all, and watching prints a line per change until interrupted", async () => {
    const { child, seen, reading } = watch();
    const down = cluster.at(2);
    const { id } = down;
    const api = down.process.url.slice("http://".length);
    await until("all are listed", 10_000, () => seen.text.includes(`${id} ${api} alive\n`));
    await down.process.kill("SIGKILL");
    const { stdout, code } = doctor(0);
    expect(code).toBe(1);
    const [head, , row = "", end] = stdout.split("\n");
    expect([head, end]).toEqual(["3 members, 2 answered, 22 checks: 1 problem", ""]);
    expect(row).toStartWith(`all  ${api} member it does not run (`);
    expect(row).toEndWith(`kapacitorctl member remove ${id}`);
    await until("the change is printed", 15_000, () => seen.text.includes("-> failed\n"));
    await down.process.start();
    await until("and the next one", 15_000, () => seen.text.includes("failed -> alive\n"));
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
    await reading;
    const [first = "", ...changes] = seen.text.trimEnd().split("\n");
    expect(first).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ cluster [0-9a-f-]{36} initialized$/);
    expect(changes.slice(0, 3).every((line) => line.endsWith(" alive"))).toBe(true);
    expect(changes.slice(3).every((line) => line.includes(` ${id} ${api} `))).toBe(true);
    await cluster.settled();
  }, 40_000);

  test("watching with -output json prints the cluster in a line", async () => {
    const { child, seen, reading } = watch("-output", "json");
    await until("the first line", 10_000, () => seen.text.includes("\n"));
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
    await reading;
    const [line = ""] = seen.text.split("\n");
    const { time, state, members } = JSON.parse(line);
    expect([Number.isNaN(Date.parse(time)), state, members.length]).toEqual([
      false,
      "initialized",
      3,
    ]);
  });

  test("watching a member that is not there fails at once", () => {
    const { code, stdout, stderr } = cli(
      ...["kapacitorctl", "member", "list", "-watch", "-url", "http://127.0.0.1:1"],
    );
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toStartWith("Error: cannot reach http://127.0.0.1:1: ");
  });
});

describe.skipIf(problem !== undefined)(title("a network that lets only some of it pass"), () => {
  let lab: NetLab;
  let cluster: TestCluster;
  beforeAll(async () => {
    lab = await NetLab.open(3);
    cluster = await TestCluster.open({ lab });
  }, 30_000);
  afterAll(async () => {
    await cluster?.close();
    await lab?.close();
  });
  afterEach(() => lab.heal());

  const api = (member: number): string => `${lab.host(member)}:9092`;

  function problems(at: number): readonly Pick<Row, "from" | "to" | "check" | "problem">[] {
    const url = cluster.at(at).process.url;
    const { stdout, code } = cli("kapacitorctl", "doctor", "-url", url, "-output", "json");
    const { ok, problems: rows } = JSON.parse(stdout) as Report;
    expect({ code, ok }).toEqual({ code: rows.length === 0 ? 0 : 1, ok: rows.length === 0 });
    return rows
      .map(({ from, to, check, problem: what }) => ({ from, to, check, problem: what }))
      .sort((a, b) => (`${a.check}${a.from}` < `${b.check}${b.from}` ? -1 : 1));
  }

  test("datagrams that pass one way only: both sides say which", () => {
    lab.block(1, 0, "udp", 9090);
    expect(problems(2)).toEqual([
      {
        from: api(0),
        to: api(1),
        check: "gossip-udp",
        problem: `${lab.host(1)}:9090: datagrams arrive there, the answers do not arrive here`,
      },
      {
        from: api(1),
        to: api(0),
        check: "gossip-udp",
        problem: `${lab.host(0)}:9090: datagrams do not arrive there`,
      },
    ]);
  });

  test("ports that are filtered are named, by whom they are missed", () => {
    lab.block(0, 2, "tcp", 9091);
    lab.block(1, 2, "tcp", 9092);
    lab.block(0, 1, "tcp", 9090);
    lab.block(2, 1, "tcp", 9090);
    // The one that is asked reaches both others.
    const rows = problems(1).map(({ from, to, check }) => `${from} > ${to} ${check}`);
    expect(rows).toEqual([
      `${api(1)} > ${api(2)} api`,
      `all > ${api(1)} gossip-tcp`,
      `${api(0)} > ${api(2)} rpc`,
    ]);
  });

  test("a member whose host is silent is one line, within six seconds", async () => {
    lab.cut([2], [0, 1]);
    const rows = problems(0);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ from: "all", to: api(2), check: "member" });
    expect(rows[0]?.problem).toMatch(/^nobody reaches it \(\w+\): its host does not answer$/);
  }, 20_000);
});
