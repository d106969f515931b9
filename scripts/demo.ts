/**
 * The main job on one machine: a cluster forms, points flow in, each alert goes out once, a member is killed,
 * alerts still go out.
 *
 * Exit code 0 only if nothing was lost at all and nothing was sent twice before the kill.
 */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startInfluxd } from "../test/support/influxd.ts";
import { scriptArguments } from "./arguments.ts";
import { build } from "./build.ts";
import { CPU_TASK, CpuFeed, keyOf, Member, mustRun, until, Webhook, write } from "./lab.ts";

const { flags } = scriptArguments({
  name: "demo",
  does: "Forms a cluster of two, feeds it, kills the member that notifies, and counts every alert.",
  arguments: {
    "--keep": "leave the cluster running and print its addresses",
    "--direct": "write to both members instead of through InfluxDB",
  },
});

const feed = new CpuFeed(2);
const ROUNDS = 31;
const ROUND_MS = 250;

const directory = mkdtempSync(join(tmpdir(), "kapacitor-demo-"));
const started = performance.now();
const say = (text: string): void => {
  console.log(`[${((performance.now() - started) / 1000).toFixed(1).padStart(5)}s] ${text}`);
};
const undo: (() => unknown)[] = [];
const members: Member[] = [];
let exitCode = 1;

try {
  exitCode = await demo();
} catch (error) {
  say(`failed: ${error instanceof Error ? error.message : String(error)}`);
  for (const member of members) console.log(`--- ${member.name}\n${member.logTail(15)}`);
}
if (flags.has("--keep") && exitCode === 0) keep();
else {
  for (const step of undo.reverse()) await step();
  rmSync(directory, { recursive: true, force: true });
}
process.exit(exitCode);

async function demo(): Promise<number> {
  say("building the binary");
  const built = await build();
  say(
    `${built.path}, ${(built.bytes / 1e6).toFixed(0)} MB: ${mustRun("kapacitor", "version").trim()}`,
  );
  const influx = await maybeInflux();
  await startMembers(influx?.url);
  joinMembers();
  const delays: number[] = [];
  const webhook = receiver(delays);
  define(webhook);
  if (influx !== undefined) await untilSubscribed(influx.url);
  return await feedAndKill(influx?.url, webhook, delays);
}

async function maybeInflux(): Promise<{ readonly url: string } | undefined> {
  if (flags.has("--direct") || Bun.which("influxd") === null) {
    say("no InfluxDB: points are written to both members directly");
    return undefined;
  }
  const influx = await startInfluxd();
  undo.push(() => influx.close());
  await influxQuery(influx.url, 'CREATE DATABASE "telegraf"');
  say(`InfluxDB at ${influx.url}`);
  return influx;
}

async function startMembers(influxUrl: string | undefined): Promise<void> {
  for (const [name, host] of [
    ["first", "127.0.0.1"],
    ["second", process.platform === "linux" ? "127.0.0.2" : "127.0.0.1"],
  ] as const) {
    const member = await Member.create({
      name,
      host,
      directory: join(directory, name),
      ...(influxUrl === undefined ? {} : { influxUrl }),
    });
    members.push(member);
    undo.push(() => member.kill("SIGKILL"));
    say(`member ${name}: API ${member.url}, RPC ${member.rpcAddress}, pid ${member.pid}`);
  }
}

function joinMembers(): void {
  const [first, second] = pair();
  say(`$ kapacitorctl member add -url ${first.url} ${second.rpcAddress}`);
  mustRun("kapacitorctl", "member", "add", "-url", first.url, second.rpcAddress);
  for (const member of [first, second]) {
    say(`$ kapacitorctl member list -url ${member.url}`);
    process.stdout.write(mustRun("kapacitorctl", "member", "list", "-url", member.url));
  }
}

function receiver(delays: number[]): Webhook {
  const webhook = new Webhook("127.0.0.1", (notification) => {
    const raised = feed.raised.get(keyOf(notification));
    const delay = raised === undefined ? Number.NaN : notification.at - raised;
    delays.push(delay);
    say(`  → ${notification.message}  (${notification.time}, ${delay.toFixed(0)} ms)`);
  });
  undo.push(() => webhook.close());
  return webhook;
}

function define(webhook: Webhook): void {
  const [first, second] = pair();
  const script = join(directory, "cpu.tick");
  const handler = join(directory, "post.yaml");
  void Bun.write(script, CPU_TASK);
  void Bun.write(
    handler,
    `topic: cpu\nid: webhook\nkind: post\noptions:\n  url: ${JSON.stringify(webhook.url)}\n`,
  );
  for (const member of [first, second]) {
    say(`$ kapacitor -url ${member.url} define cpu -tick cpu.tick; enable cpu`);
    mustRun("kapacitor", "-url", member.url, "define", "cpu", "-tick", script);
    mustRun("kapacitor", "-url", member.url, "enable", "cpu");
  }
  say(`$ kapacitor -url ${first.url} define-topic-handler post.yaml   (on one member only)`);
  mustRun("kapacitor", "-url", first.url, "define-topic-handler", handler);
  process.stdout.write(mustRun("kapacitor", "-url", second.url, "list", "topic-handlers"));
}

async function feedAndKill(
  influxUrl: string | undefined,
  webhook: Webhook,
  delays: readonly number[],
): Promise<number> {
  const warmUp = ROUNDS >> 1;
  let beforeKill = 0;
  let duplicatesBeforeKill = 0;
  let alive = [...members];
  for (let round = 0; round < ROUNDS; round++) {
    const body = feed.next();
    if (influxUrl !== undefined) await write(influxUrl, body);
    else await Promise.all(alive.map((member) => write(member.url, body)));
    await Bun.sleep(ROUND_MS);
    if (round !== warmUp) continue;
    await until("everything raised so far was notified", 5_000, () => lostCount(webhook) === 0);
    beforeKill = webhook.received.length;
    duplicatesBeforeKill = beforeKill - new Set(webhook.received.map(keyOf)).size;
    const owner = await busiest();
    say(`kill -9 ${owner.pid}: ${owner.name}, which has sent these notifications`);
    void owner.kill("SIGKILL");
    alive = alive.filter((member) => member !== owner);
  }
  await until("all alerts", 20_000, () => lostCount(webhook) === 0).catch(() => {});
  const lost = lostCount(webhook);
  const duplicates = webhook.received.length - new Set(webhook.received.map(keyOf)).size;
  const known = delays.filter((delay) => !Number.isNaN(delay));
  const survivor = alive[0];
  if (survivor !== undefined) {
    say(`$ kapacitorctl member list -url ${survivor.url}`);
    process.stdout.write(mustRun("kapacitorctl", "member", "list", "-url", survivor.url));
  }
  console.log(`
  events raised                ${String(feed.raised.size).padStart(8)}
  notifications received       ${String(webhook.received.length).padStart(8)}
  … of these before the kill   ${String(beforeKill).padStart(8)}
  duplicates                   ${String(duplicates).padStart(8)}
  … of these before the kill   ${String(duplicatesBeforeKill).padStart(8)}
  lost                         ${String(lost).padStart(8)}
  longest delay                ${`${Math.max(0, ...known).toFixed(0)} ms`.padStart(8)}
`);
  return lost === 0 && duplicatesBeforeKill === 0 ? 0 : 1;
}

function lostCount(webhook: Webhook): number {
  const seen = new Set(webhook.received.map(keyOf));
  return [...feed.raised.keys()].filter((key) => !seen.has(key)).length;
}

/** The member that has handled most events as the topic's first owner. */
async function busiest(): Promise<Member> {
  const counts = await Promise.all(
    members.map(async (member) => {
      const answer = await fetch(`${member.url}/kapacitor/v1/debug/vars`);
      const vars = (await answer.json()) as {
        kapacitor: Record<string, { name: string; values: Record<string, number> }>;
      };
      const alert = Object.values(vars.kapacitor).find((entry) => entry.name === "alert");
      return alert?.values["primary-handle-count"] ?? 0;
    }),
  );
  const most = members[counts.indexOf(Math.max(...counts))];
  if (most === undefined) throw new Error("no member is running");
  return most;
}

async function untilSubscribed(influxUrl: string): Promise<void> {
  await until("both members subscribed to InfluxDB", 20_000, async () => {
    const text = await influxQuery(influxUrl, "SHOW SUBSCRIPTIONS");
    return members.every(
      (member) => text.includes(`:${member.apiPort}`) && text.includes("telegraf"),
    );
  });
  say("both members are subscribed to telegraf.autogen");
}

async function influxQuery(url: string, query: string): Promise<string> {
  const answer = await fetch(`${url}/query?q=${encodeURIComponent(query)}`, { method: "POST" });
  return await answer.text();
}

function pair(): readonly [Member, Member] {
  const [first, second] = members;
  if (first === undefined || second === undefined) throw new Error("two members are needed");
  return [first, second];
}

function keep(): void {
  say("left running:");
  for (const member of members) {
    console.log(`  ${member.name}: ${member.url}  log ${member.logPath}`);
  }
  console.log(`  stop them with: pkill -f ${directory}`);
  if (!existsSync(directory)) console.log("  (their directory is gone)");
}
