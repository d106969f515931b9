/**
 * The main job on the compiled binary: two members, a real InfluxDB that feeds both, one webhook.
 *
 * 200 events give exactly 200 notifications while both live; with the owner killed at event 100 none is lost.
 */

import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { influxdMissing, startInfluxd } from "#test/support/influxd.ts";
import {
  CPU_TASK,
  CpuFeed,
  keyOf,
  Member,
  mustRun,
  until,
  Webhook,
  write,
} from "../../scripts/lab.ts";

const HOSTS = 4;
/** One round more than 50, because a round's events are raised by the next round's points. */
const ROUNDS = 51;

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface Lab {
  readonly members: readonly Member[];
  readonly webhook: Webhook;
  readonly influxUrl: string;
}

async function openLab(): Promise<Lab> {
  const directory = mkdtempSync(join(tmpdir(), "kapacitor-e2e-"));
  undo.push(() => rmSync(directory, { recursive: true, force: true }));
  const influx = await startInfluxd();
  undo.push(() => influx.close());
  await query(influx.url, 'CREATE DATABASE "telegraf"');
  const open = async (name: string, host: string): Promise<Member> => {
    const member = await Member.create({
      name,
      host,
      directory: join(directory, name),
      influxUrl: influx.url,
    });
    undo.push(() => member.kill("SIGKILL"));
    return member;
  };
  const members = [await open("first", "127.0.0.1"), await open("second", "127.0.0.2")] as const;
  const webhook = new Webhook("127.0.0.1");
  undo.push(() => webhook.close());
  mustRun("kapacitorctl", "member", "add", "-url", members[0].url, members[1].rpcAddress);
  const script = join(directory, "cpu.tick");
  const handler = join(directory, "post.json");
  writeFileSync(script, CPU_TASK);
  writeFileSync(
    handler,
    JSON.stringify({ topic: "cpu", id: "hook", kind: "post", options: { url: webhook.url } }),
  );
  for (const { url } of members) {
    mustRun("kapacitor", "-url", url, "define", "cpu", "-tick", script);
    mustRun("kapacitor", "-url", url, "enable", "cpu");
  }
  mustRun("kapacitor", "-url", members[1].url, "define-topic-handler", handler);
  await until("both subscriptions", 20_000, async () => {
    const text = await query(influx.url, "SHOW SUBSCRIPTIONS");
    return members.every(({ host, apiPort }) => text.includes(`//${host}:${apiPort}`));
  });
  return { members, webhook, influxUrl: influx.url };
}

async function query(url: string, text: string): Promise<string> {
  return await (
    await fetch(`${url}/query?q=${encodeURIComponent(text)}`, { method: "POST" })
  ).text();
}

function missing(feed: CpuFeed, webhook: Webhook): readonly string[] {
  const seen = new Set(webhook.received.map(keyOf));
  return [...feed.raised.keys()].filter((key) => !seen.has(key));
}

/**
 * Hands one round to InfluxDB and waits until the members have it. InfluxDB's subscriber sends with forty
 * workers and keeps no order between writes; windows by data time need their points in order.
 */
async function feedRound(lab: Lab, feed: CpuFeed, members: readonly Member[]): Promise<void> {
  const body = feed.next();
  const expected = await Promise.all(
    members.map(async (member) => (await received(member)) + HOSTS),
  );
  await write(lab.influxUrl, body);
  await until("the round at every member", 10_000, async () => {
    const counts = await Promise.all(members.map(received));
    return counts.every((count, i) => count >= (expected[i] ?? 0));
  });
}

/** Points of the CPU measurement that a member has taken in. */
async function received(member: Member): Promise<number> {
  const ingress = (await statistics(member)).filter(({ name, tags }) => {
    return name === "ingress" && tags["database"] === "telegraf";
  });
  return ingress.reduce((sum, { values }) => sum + (values["points_received"] ?? 0), 0);
}

interface Statistic {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, number>>;
}

async function statistics(member: Member): Promise<readonly Statistic[]> {
  const answer = await fetch(`${member.url}/kapacitor/v1/debug/vars`);
  const vars = (await answer.json()) as { kapacitor: Record<string, Statistic> };
  return Object.values(vars.kapacitor);
}

/** Waits until the cluster has gone quiet for a while, so that a late duplicate would be seen. */
async function quiet(webhook: Webhook): Promise<void> {
  let [count, since] = [webhook.received.length, performance.now()];
  await until("one second without a notification", 30_000, () => {
    if (webhook.received.length !== count) {
      [count, since] = [webhook.received.length, performance.now()];
    }
    return performance.now() - since > 1_000;
  });
}

describe.skipIf(influxdMissing() !== undefined)(
  "the main job on two members fed by InfluxDB",
  () => {
    test("200 events are notified exactly 200 times while both members are healthy", async () => {
      const lab = await openLab();
      const { webhook, members } = lab;
      const feed = new CpuFeed(HOSTS);
      for (let round = 0; round < ROUNDS; round++) await feedRound(lab, feed, members);
      await until("all events", 30_000, () => missing(feed, webhook).length === 0);
      await quiet(webhook);
      expect(feed.raised.size).toBe(200);
      expect(webhook.received.length).toBe(200);
      expect(new Set(webhook.received.map(keyOf))).toEqual(new Set(feed.raised.keys()));
    });

    test("with the owner killed at event 100 nothing is lost", async () => {
      const lab = await openLab();
      const { webhook } = lab;
      const feed = new CpuFeed(HOSTS);
      let members: readonly Member[] = lab.members;
      for (let round = 0; round < ROUNDS; round++) {
        await feedRound(lab, feed, members);
        if (feed.raised.size < 100 || members.length < 2) continue;
        await until("a first notification", 20_000, () => webhook.received.length > 0);
        const owner = await primary(lab.members);
        void owner.kill("SIGKILL");
        members = members.filter((member) => member !== owner);
      }
      await until("all events", 60_000, () => missing(feed, webhook).length === 0);
      expect(missing(feed, webhook)).toEqual([]);
      expect(feed.raised.size).toBe(200);
    });
  },
);

/** The member that has handled events as first owner. */
async function primary(members: readonly Member[]): Promise<Member> {
  for (const member of members) {
    for (const { name, values } of await statistics(member)) {
      if (name === "alert" && (values["primary-handle-count"] ?? 0) > 0) return member;
    }
  }
  throw new Error("no member says that it handled an event");
}
