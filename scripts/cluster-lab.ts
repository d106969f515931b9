/**
 * Real members with the same task and one webhook: what scenarios and benches of an alert cluster start from.
 *
 * Each point of `m` is one change of level, so that a test says exactly which events it raises and when. The delays
 * are short unless told otherwise, so that a takeover is seen within a second or two.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { score } from "#cluster/ownership/ranking.ts";
import type { MemberId } from "#cluster/ports.ts";
import {
  type CommandResult,
  cli,
  Member,
  mustRun,
  type Notification,
  until,
  Webhook,
} from "./lab.ts";
import type { NetLab } from "./net-lab.ts";

/** `delay-per-member` of these clusters, ms. */
export const DELAY_MS = 2_000;

const HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];
const BASE_SECONDS = 1_700_000_000;
const VALUES = { OK: 0, WARNING: 2, CRITICAL: 3 } as const;

export type LevelName = keyof typeof VALUES;

export interface ClusterMember {
  readonly process: Member;
  readonly id: MemberId;
}

export interface ClusterOptions {
  readonly members?: number;
  /** The `[alert]` settings; empty for the defaults. */
  readonly alert?: string;
  /** More of `[cluster]`, for every member. */
  readonly cluster?: string;
  /** More of `[rpc]`, for every member. */
  readonly rpc?: string;
  /** More sections, for every member. */
  readonly sections?: string;
  /** Hosts for the members; without it they share this one's loopback. */
  readonly lab?: NetLab;
  /** Words before the binary of a member. */
  readonly launch?: (place: number) => readonly string[];
}

type Places = Pick<ClusterOptions, "lab" | "launch" | "rpc">;

/** On a host of its own a member has the usual ports. */
const USUAL_PORTS = [9090, 9091, 9092] as const;

const SHORT_DELAYS = `redundancy = 2
  delay-per-member = "${DELAY_MS}ms"
  full-sync-interval = "2s"`;

/** What `GET cluster` says, as far as tests read it. */
export interface ClusterJson {
  readonly id: string;
  readonly state: string;
  readonly members: readonly { readonly id: string; readonly status: string }[];
}

const task = (topic: string): string => `dbrp "telegraf"."autogen"

stream
    |from()
        .measurement('m')
        .groupBy('host')
    |alert()
        .id('{{ index .Tags "host" }}')
        .message('{{ .ID }} is {{ .Level }}')
        .warn(lambda: "v" > 1)
        .crit(lambda: "v" > 2)
        .stateChangesOnly()
        .topic('${topic}')
`;

/** One point: host, level and second of data time. */
export function point(host: string, level: LevelName, second: number): string {
  return `m,host=${host} v=${VALUES[level]} ${BASE_SECONDS + second}000000000\n`;
}

/** The key of the notification that such a point raises. */
export function expected(host: string, level: LevelName, second: number): string {
  const time = new Date((BASE_SECONDS + second) * 1000).toISOString().replace(".000Z", "Z");
  return `${host} ${time} ${level}`;
}

export class TestCluster {
  readonly members: ClusterMember[] = [];
  readonly webhook: Webhook;
  readonly #directory = mkdtempSync(join(tmpdir(), "kapacitor-cluster-"));
  readonly #alert: string;
  readonly #cluster: string;
  readonly #sections: string;
  readonly #places: Places;

  private constructor(alert: string, cluster: string, sections: string, places: Places) {
    this.webhook = new Webhook(places.lab?.gateway ?? "127.0.0.1");
    this.#places = places;
    this.#alert = alert;
    this.#cluster = cluster;
    this.#sections = sections;
  }

  /** Starts and joins the members, and runs the task for topic `t` on each; the webhook is handler `hook` of it. */
  static async open({
    members = 3,
    alert = SHORT_DELAYS,
    cluster: clusterKeys = "",
    sections = "",
    ...places
  }: ClusterOptions = {}): Promise<TestCluster> {
    const cluster = new TestCluster(alert, clusterKeys, sections, places);
    try {
      for (let i = 0; i < members; i++) await cluster.startMember(i);
      for (const member of cluster.members.slice(1)) cluster.join(member);
      await cluster.defineTask("t");
      cluster.defineHandler(cluster.at(0), "t", "hook");
      await cluster.settled();
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  async startMember(place: number): Promise<ClusterMember> {
    const { lab, launch = () => [] } = this.#places;
    const process = await Member.create({
      name: `member${place}`,
      host: lab?.host(place) ?? HOSTS[place] ?? "127.0.0.9",
      ...(lab === undefined ? {} : { ports: USUAL_PORTS }),
      launch: [...(lab?.launch(place) ?? []), ...launch(place)],
      directory: join(this.#directory, `member${place}`),
      cluster: this.#cluster,
      rpc: this.#places.rpc ?? "",
      config: `[alert]\n  ${this.#alert}\n${this.#sections}`,
    });
    const known = { process, id: "" as MemberId };
    this.members.push(known);
    const { "local-member-id": id } = (await getJson(process, "cluster")) as Record<
      string,
      unknown
    >;
    const member = { process, id: String(id) as MemberId };
    this.members[this.members.indexOf(known)] = member;
    return member;
  }

  join(member: ClusterMember): void {
    const { url } = this.at(0).process;
    mustRun("kapacitorctl", "member", "add", "-url", url, member.process.rpcAddress);
  }

  at(place: number): ClusterMember {
    const member = this.members[place];
    if (member === undefined) throw new Error(`there is no member ${place}`);
    return member;
  }

  /** Members in the order in which they own the topic; the first `redundancy` are its owners. */
  ranking(topic = "t"): readonly ClusterMember[] {
    return [...this.members].sort((a, b) => (score(topic, a.id) > score(topic, b.id) ? -1 : 1));
  }

  async defineTask(topic: string, members: readonly ClusterMember[] = this.members): Promise<void> {
    for (const { process } of members) {
      const body = {
        id: `task-${topic}`,
        type: "stream",
        script: task(topic),
        status: "enabled",
      };
      const answer = await fetch(`${process.url}/kapacitor/v1/tasks`, {
        method: "POST",
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`task: ${answer.status} ${await answer.text()}`);
    }
  }

  /** Runs `define-topic-handler` on a member; throws unless it succeeds. */
  defineHandler(member: ClusterMember, topic: string, id: string, more: object = {}): void {
    const { code, stderr } = this.tryDefineHandler(member, topic, id, more);
    if (code !== 0) throw new Error(`define-topic-handler: ${stderr}`);
  }

  tryDefineHandler(
    { process }: ClusterMember,
    topic: string,
    id: string,
    more: object = {},
  ): CommandResult {
    const file = join(this.#directory, `${topic}-${id}.json`);
    const options = { url: this.webhook.url };
    writeFileSync(file, JSON.stringify({ topic, id, kind: "post", options, ...more }));
    return cli("kapacitor", "-url", process.url, "define-topic-handler", file);
  }

  /** All members call all alive, and none holds back sends because something has just changed. */
  async settled(members: readonly ClusterMember[] = this.members): Promise<void> {
    await until("all members alive in every view", 10_000, async () => {
      const views = await Promise.all(members.map((member) => this.view(member)));
      return views.every(
        (view) => view.members.filter(({ status }) => status === "alive").length >= members.length,
      );
    });
    await Bun.sleep(600);
  }

  async view({ process }: ClusterMember): Promise<ClusterJson> {
    return (await getJson(process, "cluster")) as ClusterJson;
  }

  /** What a member answers, or `undefined` when it knows no such thing. */
  async tryRead({ process }: ClusterMember, path: string): Promise<unknown> {
    const answer = await fetch(`${process.url}/kapacitor/v1/${path}`);
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return await answer.json();
  }

  /** Writes the same points to the members, as a client that feeds all of them does. */
  async write(body: string, members: readonly ClusterMember[] = this.members): Promise<void> {
    await Promise.all(members.map(({ process }) => writeTo(process, body)));
  }

  /** Waits until everything expected has arrived and then for a while, so that a repeat would be seen. */
  async arrivals(
    keys: readonly string[],
    boundMs: number,
    quietMs = 500,
  ): Promise<readonly string[]> {
    const { received } = this.webhook;
    const wanted = new Set(keys);
    await until(`${keys.length} notifications, have ${received.length}`, boundMs, () => {
      const seen = new Set(received.map(keyOf));
      return [...wanted].every((key) => seen.has(key));
    }).catch((error: unknown) => {
      const seen = received.map(keyOf);
      throw new Error(`${error}; seen ${seen.slice(0, 20)}\n${this.logs()}`);
    });
    let count = received.length;
    let since = performance.now();
    await until("quiet", 10_000, () => {
      if (received.length !== count) [count, since] = [received.length, performance.now()];
      return performance.now() - since > quietMs;
    });
    return received.map(keyOf).sort();
  }

  /** A counter of the alert ownership of every member. */
  async counters(name: string): Promise<readonly number[]> {
    return Promise.all(
      this.members.map(async ({ process }) => (await statistics(process, "alert"))[name] ?? 0),
    );
  }

  logs(): string {
    return this.members
      .map(({ process }) => `--- ${process.name}\n${process.logTail(15)}`)
      .join("\n");
  }

  async close(): Promise<void> {
    for (const { process } of this.members) {
      await process.kill("SIGCONT");
      await process.kill("SIGKILL");
    }
    await this.webhook.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export function keyOf({ id, time, level }: Notification): string {
  return `${id} ${time} ${level}`;
}

export async function getJson(member: Member, path: string): Promise<unknown> {
  const answer = await fetch(`${member.url}/kapacitor/v1/${path}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return await answer.json();
}

export async function writeTo(member: Member, body: string, timeoutMs = 30_000): Promise<void> {
  const url = `${member.url}/kapacitor/v1/write?db=telegraf&rp=autogen`;
  const answer = await fetch(url, { method: "POST", body, signal: AbortSignal.timeout(timeoutMs) });
  if (answer.status !== 204) throw new Error(`write: ${answer.status} ${await answer.text()}`);
}

/** The counters of one part of a member, as `debug/vars` names it. */
export async function statistics(
  member: Member,
  name: string,
): Promise<Readonly<Record<string, number>>> {
  const { kapacitor } = (await getJson(member, "debug/vars")) as {
    readonly kapacitor: Readonly<
      Record<string, { readonly name: string; readonly values: Record<string, number> }>
    >;
  };
  return Object.values(kapacitor).find((one) => one.name === name)?.values ?? {};
}
