/**
 * Keys of a running cluster, on real processes: joining with and without them, rotation and switching over by
 * SIGHUP while alerts flow, and a rolling restart. Nobody is ever taken for dead, with default settings.
 */

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Authority } from "#test/cluster/rpc/certificates.ts";
import {
  type ClusterMember,
  expected,
  getJson,
  point,
  statistics,
  TestCluster,
} from "../../scripts/cluster-lab.ts";
import { cli, until } from "../../scripts/lab.ts";

const KEYS = [1, 2, 3].map((n) => Buffer.alloc(32, n).toString("base64"));

/** `[cluster]` lines for keys by their place in `KEYS`. */
function keys(...places: readonly number[]): string {
  return `encryption-keys = [${places.map((place) => JSON.stringify(KEYS[place])).join(", ")}]`;
}

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.close();
  cluster = undefined;
});

interface KeyJson {
  readonly fingerprint: string;
  readonly seals: boolean;
  readonly "seen-last-minute": boolean;
}

interface EncryptionJson {
  readonly "accept-plain": boolean;
  readonly "plain-seen-last-minute": boolean;
  readonly keys: readonly KeyJson[];
}

async function encryption({ process }: ClusterMember): Promise<EncryptionJson> {
  return ((await getJson(process, "cluster")) as { readonly encryption: EncryptionJson })
    .encryption;
}

/** Lines of a member's log that contain the text. */
function logged({ process }: ClusterMember, text: string): readonly string[] {
  return readFileSync(process.logPath, "utf8")
    .split("\n")
    .filter((line) => line.includes(text));
}

/** What any member was ever told about another: nobody may have been dead. */
function deaths(members: readonly ClusterMember[]): readonly string[] {
  return members.flatMap((member) =>
    logged(member, "member changed").filter((line) => line.includes("status=dead")),
  );
}

/** Points that change a level every time, to all members that are up, until stopped. */
class Load {
  readonly keys: string[] = [];
  up: readonly ClusterMember[];
  readonly #cluster: TestCluster;
  readonly #hosts: readonly string[];
  readonly #running: Promise<void>;
  #on = true;
  #second = 0;

  constructor(lab: TestCluster, name: string) {
    this.#cluster = lab;
    this.up = lab.members;
    this.#hosts = Array.from({ length: 4 }, (_, i) => `${name}${i}`);
    this.#running = this.#feed();
  }

  get rounds(): number {
    return this.#second;
  }

  /** So many more rounds were written. */
  async more(rounds: number): Promise<void> {
    const goal = this.#second + rounds;
    await until(`${rounds} rounds of load`, 30_000, () => this.#second >= goal);
  }

  async stop(): Promise<void> {
    this.#on = false;
    await this.#running;
  }

  async #feed(): Promise<void> {
    while (this.#on) {
      const second = this.#second;
      const level = second % 2 === 0 ? "CRITICAL" : "OK";
      const body = this.#hosts.map((host) => point(host, level, second)).join("");
      const taken = await Promise.allSettled(
        this.up.map((member) => this.#cluster.write(body, [member])),
      );
      if (taken.some(({ status }) => status === "fulfilled")) {
        this.keys.push(...this.#hosts.map((host) => expected(host, level, second)));
      }
      this.#second++;
      await Bun.sleep(20);
    }
  }
}

/** Gives all members these `[cluster]` lines and lets each read them; resolves when each has. */
async function reload(lab: TestCluster, lines: string): Promise<void> {
  for (const member of lab.members) {
    const before = logged(member, "cluster settings reloaded").length;
    member.process.configure({ cluster: lines });
    await member.process.kill("SIGHUP");
    await until("the configuration is reloaded", 5_000, () => {
      return logged(member, "cluster settings reloaded").length > before;
    });
  }
}

/** Everybody has heard everybody else use the first key. */
async function firstKeySeen(lab: TestCluster): Promise<void> {
  await until("the first key is in use everywhere", 10_000, async () => {
    const reports = await Promise.all(lab.members.map((member) => encryption(member)));
    return reports.every(({ keys: [first] }) => first?.["seen-last-minute"] === true);
  });
}

describe("keys", () => {
  test("five members rotate their key under load: nobody is taken for dead, all alerts arrive once", async () => {
    const lab = await TestCluster.open({ members: 5, cluster: keys(0), alert: "redundancy = 2" });
    cluster = lab;
    const load = new Load(lab, "rotate");
    await load.more(20);
    for (const step of [keys(0, 1), keys(1, 0), keys(1)]) {
      await reload(lab, step);
      await firstKeySeen(lab);
      await load.more(50);
    }
    await load.stop();
    const arrived = await lab.arrivals(load.keys, 20_000);
    expect(arrived).toEqual([...load.keys].sort());
    expect(deaths(lab.members)).toEqual([]);
    for (const member of lab.members) {
      expect(await statistics(member.process, "rpc")).toMatchObject({ rpc_links_up: 4 });
      const { keys: reported } = await encryption(member);
      expect(reported.map(({ seals }) => seals)).toEqual([true]);
      const gossip = await statistics(member.process, "gossip");
      expect(gossip["datagrams-accepted"]).toBeGreaterThan(0);
      const { "dropped-unknown-key": unknown = 0, "dropped-bad-seal": bad = 0 } = gossip;
      expect([unknown, bad]).toEqual([0, 0]);
    }
    const text = lab.members.map(({ process }) => readFileSync(process.logPath, "utf8")).join("\n");
    for (const key of KEYS) expect(text).not.toContain(key);
  }, 120_000);

  test("a plain cluster is switched over to keys under load", async () => {
    const lab = await TestCluster.open({ members: 3, alert: "redundancy = 2" });
    cluster = lab;
    const load = new Load(lab, "switch");
    await load.more(10);
    await reload(lab, `${keys(0)}\n  accept-plain = true`);
    await firstKeySeen(lab);
    await load.more(30);
    for (const member of lab.members) expect((await encryption(member))["accept-plain"]).toBe(true);
    await reload(lab, keys(0));
    await load.more(30);
    await load.stop();
    expect(await lab.arrivals(load.keys, 20_000)).toEqual([...load.keys].sort());
    expect(deaths(lab.members)).toEqual([]);
    for (const member of lab.members) {
      expect(await statistics(member.process, "rpc")).toMatchObject({ rpc_links_up: 2 });
    }
  }, 60_000);

  test("a member without the key, and one with another, cannot be added, and the adder says why", async () => {
    const lab = await TestCluster.open({ members: 1, cluster: keys(0) });
    cluster = lab;
    const [adder] = lab.members;
    if (adder === undefined) throw new Error("one member");
    const other = await lab.startMember(1);
    const add = (): string =>
      cli("kapacitorctl", "member", "add", "-url", adder.process.url, other.process.rpcAddress)
        .stderr;
    const set = async (lines: string): Promise<void> => {
      await other.process.kill("SIGTERM");
      other.process.configure({ cluster: lines });
      await other.process.start();
    };
    await set("");
    expect(add()).toContain("it has no [cluster] encryption-keys, this member has");
    await set(keys(1));
    expect(add()).toContain("it may hold no common key ([cluster] encryption-keys)");
    expect(await statistics(other.process, "rpc")).toMatchObject({
      rpc_dropped_hello_unknown_key: 1,
    });
    await until("the other one says so in its log, once", 5_000, () => {
      const warnings = logged(other, "rpc dropped for its key");
      return warnings.filter((line) => line.includes("reason=unknown-key")).length === 1;
    });
    const back = cli(
      ...["kapacitorctl", "member", "add", "-url", other.process.url],
      adder.process.rpcAddress,
    );
    expect(back.stderr).toContain("it may hold no common key ([cluster] encryption-keys)");
    for (const member of [adder, other]) {
      expect((await lab.view(member)).state).toBe("uninitialized");
    }
    // It would seal with a key that nobody else has.
    await set(keys(1, 0));
    expect(add()).toContain("it seals with a key that is not in [cluster] encryption-keys here");
    await set(keys(0, 1));
    expect(add()).toBe("");
    await lab.settled();
  }, 30_000);

  test("a configuration that is wrong is reported and changes nothing", async () => {
    const lab = await TestCluster.open({ members: 2, cluster: keys(0) });
    cluster = lab;
    const [first] = lab.members;
    if (first === undefined) throw new Error("two members");
    const before = (await encryption(first)).keys.map(({ fingerprint }) => fingerprint);
    for (const lines of ['encryption-keys = ["AAAA"]', `${keys(1)}\n  no-such-key = 1`, "= ["]) {
      const failures = logged(first, "configuration not reloaded").length;
      first.process.configure({ cluster: lines });
      await first.process.kill("SIGHUP");
      await until("it is reported", 5_000, () => {
        return logged(first, "configuration not reloaded").length > failures;
      });
      const now = (await encryption(first)).keys.map(({ fingerprint }) => fingerprint);
      expect(now).toEqual(before);
    }
    first.process.configure({ cluster: `${keys(0)}\n  roles = []` });
    await first.process.kill("SIGHUP");
    await until("it is told to need a restart", 5_000, () => {
      return logged(first, "changed settings hold after a restart only").length === 1;
    });
    expect(logged(first, "cluster.roles").length).toBe(1);
  }, 30_000);

  test("a probe interval that is shortened by reload holds without a restart", async () => {
    const lab = await TestCluster.open({ members: 2 });
    cluster = lab;
    const [first] = lab.members;
    if (first === undefined) throw new Error("two members");
    const sent = async (): Promise<number> =>
      (await statistics(first.process, "gossip"))["datagrams-sent"] ?? 0;
    await reload(lab, 'probe-interval = "50ms"\n  probe-timeout = "20ms"');
    const from = await sent();
    // 4.1 datagrams a second at the default, ten times as many now.
    await until(
      "probes are sent ten times as often",
      3_000,
      async () => (await sent()) - from > 60,
    );
    expect(deaths(lab.members)).toEqual([]);
  }, 30_000);
});

test("a rolling restart of five members under load: each leaves and comes back, nobody dies, nothing is lost", async () => {
  const lab = await TestCluster.open({ members: 5, cluster: keys(0), alert: "redundancy = 2" });
  cluster = lab;
  const load = new Load(lab, "restart");
  await load.more(20);
  for (const member of lab.members) {
    const others = lab.members.filter((other) => other !== member);
    load.up = others;
    await member.process.kill("SIGTERM");
    for (const other of others) {
      expect((await lab.view(other)).members.find(({ id }) => id === member.id)?.status).toBe(
        "left",
      );
    }
    await member.process.start();
    await until("it is alive in every view", 10_000, async () => {
      const views = await Promise.all(lab.members.map((one) => lab.view(one)));
      return views.every((view) => view.members.every(({ status }) => status === "alive"));
    });
    load.up = lab.members;
    await load.more(30);
  }
  await load.stop();
  const arrived = await lab.arrivals(load.keys, 20_000);
  expect(new Set(load.keys).difference(new Set(arrived))).toEqual(new Set());
  expect(deaths(lab.members)).toEqual([]);
  // What is looked for above would be found: every other member has seen each of them leave.
  for (const member of lab.members) {
    const left = logged(member, "member changed").filter((line) => line.includes("status=left"));
    expect(left.length).toBe(4);
  }
}, 120_000);

describe("mutual TLS between members", () => {
  const authority = new Authority();
  authority.issue("member", ["IP:127.0.0.1", "IP:127.0.0.2"]);
  afterAll(() => authority.remove());
  const file = (name: string): string => JSON.stringify(authority.path(name));
  const tls = `tls-ca = ${file("ca.pem")}
  tls-certificate = ${file("member.pem")}
  tls-private-key = ${file("member.key")}`;

  test("members join and tell alerts once; one without a certificate cannot be added", async () => {
    const lab = await TestCluster.open({ members: 2, rpc: tls });
    cluster = lab;
    const keysSent = [expected("tls", "CRITICAL", 0)];
    await lab.write(point("tls", "CRITICAL", 0));
    expect(await lab.arrivals(keysSent, 5_000)).toEqual(keysSent);
    for (const member of lab.members) {
      expect(await statistics(member.process, "rpc")).toMatchObject({ rpc_links_up: 1 });
    }
    const third = await lab.startMember(2);
    await third.process.kill("SIGTERM");
    third.process.configure({ rpc: "" });
    await third.process.start();
    const add = (from: ClusterMember, to: ClusterMember): string =>
      cli("kapacitorctl", "member", "add", "-url", from.process.url, to.process.rpcAddress).stderr;
    expect(add(lab.at(0), third)).toContain("TLS: ");
    expect(add(third, lab.at(0))).toContain("it talks TLS ([rpc] tls-ca)");
    expect(await statistics(lab.at(0).process, "rpc")).toMatchObject({ rpc_tls_refused: 1 });
  }, 30_000);

  test.each([
    ["rpc", tls.replace("ca.pem", "none.pem"), "section [rpc], key tls-ca: open"],
    ["rpc", 'tls-ca = "/x"', "rpc: set tls-ca, tls-certificate, tls-private-key together"],
    ["rpc", 'advertise-address = "0.0.0.0:1"', "RPC advertise address 0.0.0.0:1 is a wildcard"],
    [
      "cluster",
      'advertise-address = "0.0.0.0:1"',
      "gossip advertise address 0.0.0.0:1 is a wildcard",
    ],
  ])(
    "a wrong [%s] ends the start with one line: %s",
    async (section, lines, text) => {
      const lab = await TestCluster.open({ members: 1 });
      cluster = lab;
      const { process } = lab.at(0);
      await process.kill("SIGTERM");
      process.configure({ [section]: lines });
      await expect(process.start()).rejects.toThrow(text);
    },
    20_000,
  );
});
