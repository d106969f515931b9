/**
 * Members of the compiled binary beside a real InfluxDB: subscriptions, their repair, what removed members leave,
 * changes while running, datagrams, and the daemon's own statistics.
 */

import { afterEach, describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { influxdMissing } from "#test/support/influxd.ts";
import { freePort, mustRun, until, Webhook } from "../../scripts/lab.ts";
import {
  cleanUp,
  define,
  openDirectory,
  openInfluxd,
  openMember,
  received,
  shown,
  statistics,
  subscribed,
  subscriptions,
  undo,
} from "./influx-lab.ts";

afterEach(cleanUp);

const missing = influxdMissing();

describe.skipIf(missing !== undefined)(
  `members beside an InfluxDB${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    test("a database made later is subscribed, its points raise an alert; what was dropped by hand is repaired", async () => {
      const influx = await openInfluxd();
      const directory = openDirectory();
      const member = await openMember(directory, "127.0.0.1", influx.url);
      const webhook = new Webhook("127.0.0.1");
      undo.push(() => webhook.close());
      define(
        member,
        directory,
        "disk",
        `dbrp "late"."autogen"
stream
    |from().measurement('disk').groupBy('host')
    |alert().id('disk/{{ index .Tags "host" }}').crit(lambda: "used" > 90.0).post('${webhook.url}')
`,
      );
      await influx.query("CREATE DATABASE late");
      await subscribed(influx, "late", [member]);
      await influx.write("late", "disk,host=a used=95.5 1600000000000000000");
      await until("the alert", 10_000, () => webhook.received.length > 0);
      expect(webhook.received.map(({ id, level }) => `${id} ${level}`)).toEqual([
        "disk/a CRITICAL",
      ]);

      const before = await subscriptions(influx);
      const [row = ""] = before;
      await influx.query(
        `CREATE SUBSCRIPTION foreign ON late.autogen DESTINATIONS ANY 'http://127.0.0.1:1'`,
      );
      await influx.query(`DROP SUBSCRIPTION "${row.split(" ")[1]}" ON late.autogen`);
      // The interval is 2 s.
      await until("the repair", 4_000, async () => (await subscriptions(influx)).includes(row));
      expect(await subscriptions(influx)).toEqual(
        [...before, 'late.autogen foreign ["http://127.0.0.1:1"]'].sort(),
      );
      await influx.write("late", "disk,host=b used=99 1600000001000000000");
      await until("the second alert", 10_000, () => webhook.received.length === 2);
      expect(webhook.received[1]?.id).toBe("disk/b");
    }, 60_000);

    test("two members in server mode both receive every point; what a removed one leaves is dropped", async () => {
      const influx = await openInfluxd();
      const directory = openDirectory();
      await influx.query("CREATE DATABASE telegraf");
      const first = await openMember(directory, "127.0.0.1", influx.url);
      const second = await openMember(directory, "127.0.0.2", influx.url);
      const members = [first, second];
      mustRun("kapacitorctl", "member", "add", "-url", first.url, second.rpcAddress);
      await subscribed(influx, "telegraf", members);
      const total = 5_000;
      for (let from = 0; from < total; from += 500) {
        const lines = Array.from(
          { length: 500 },
          (_, i) =>
            `cpu,host=h${i % 10} v=${from + i}i ${1_600_000_000_000_000_000n + BigInt(from + i)}`,
        );
        await influx.write("telegraf", lines.join("\n"));
      }
      await until("all points at both", 20_000, async () => {
        const counts = await Promise.all(members.map((each) => received(each, "telegraf")));
        return counts.every((count) => count >= total);
      });
      for (const each of members) expect(await received(each, "telegraf")).toBe(total);

      await second.kill("SIGKILL");
      const shownCluster = await fetch(`${first.url}/kapacitor/v1/cluster`);
      const cluster = (await shownCluster.json()) as {
        members: readonly { readonly id: string; readonly "rpc-address": string }[];
      };
      const gone = cluster.members.find((each) => each["rpc-address"] === second.rpcAddress);
      expect((await subscriptions(influx)).length).toBe(2);
      mustRun("kapacitorctl", "member", "remove", "-url", first.url, gone?.id ?? "");
      await until("the drop", 10_000, async () => {
        return !(await subscriptions(influx)).some((row) => row.includes(`//${second.host}:`));
      });
      const left = await subscriptions(influx);
      expect(left.length).toBe(1);
      expect(left[0]).toContain(`//${first.host}:${first.apiPort}`);
    }, 60_000);

    test("a change of [[influxdb]] through the API takes effect at once", async () => {
      const influx = await openInfluxd();
      await influx.query("CREATE DATABASE a");
      const member = await openMember(openDirectory(), "127.0.0.1", influx.url);
      await subscribed(influx, "a", [member]);
      const before = await subscriptions(influx);
      const set = async (options: unknown): Promise<void> => {
        const url = `${member.url}/kapacitor/v1/config/influxdb/default`;
        const body = JSON.stringify({ set: options });
        const answer = await fetch(url, { method: "POST", body });
        expect(answer.status).toBe(204);
      };
      await set({ "disable-subscriptions": true });
      expect(await subscriptions(influx)).toEqual([]);
      await set({ "disable-subscriptions": false, "excluded-subscriptions": { b: ["autogen"] } });
      await influx.query("CREATE DATABASE b");
      await fetch(`${member.url}/kapacitor/v1/subscriptions`, { method: "POST" });
      expect(await subscriptions(influx)).toEqual(before);
      await set({ "kapacitor-hostname": "localhost" });
      expect(await subscriptions(influx)).toEqual(
        before.map((row) => row.replace("127.0.0.1", "localhost")),
      );
    }, 60_000);

    test("udp subscriptions and a [[udp]] listener bring points to tasks", async () => {
      const influx = await openInfluxd();
      const directory = openDirectory();
      await influx.query("CREATE DATABASE a");
      const port = await freePort("127.0.0.1");
      const member = await openMember(
        directory,
        "127.0.0.1",
        influx.url,
        // The first lines still belong to [[influxdb]].
        `  subscription-protocol = "udp"
  udp-bind = "127.0.0.1"
[[udp]]
  enabled = true
  bind-address = "127.0.0.1:${port}"
  database = "datagrams"
  retention-policy = "autogen"
`,
      );
      await until("a udp subscription", 20_000, async () =>
        (await subscriptions(influx)).some((row) => row.includes('"udp://127.0.0.1:')),
      );
      const script = (db: string): string =>
        `dbrp "${db}"."autogen"\nstream\n    |from().measurement('m')\n    |httpOut('out')\n`;
      for (const db of ["a", "datagrams"]) define(member, directory, db, script(db));
      const socket = createSocket("udp4");
      undo.push(() => socket.close());
      await until("both points", 20_000, async () => {
        await influx.write("a", "m value=1 1600000000000000000");
        socket.send("m value=2 1600000000000000001", port, "127.0.0.1");
        const rows = await Promise.all([shown(member, "a"), shown(member, "datagrams")]);
        return rows.every((row) => row.length > 0);
      });
      expect((await shown(member, "a"))[0]?.values).toEqual([["2020-09-13T12:26:40Z", 1]]);
      expect((await shown(member, "datagrams"))[0]?.values).toEqual([
        ["2020-09-13T12:26:40.000000001Z", 2],
      ]);
      const [udp] = await statistics(member, "udp");
      expect(udp?.tags["bind"]).toBe(`127.0.0.1:${port}`);
      expect(udp?.values["points_rx"]).toBeGreaterThan(0);
    }, 60_000);

    test("tasks on _kapacitor see the statistics of nodes, edges and the daemon", async () => {
      const influx = await openInfluxd();
      const directory = openDirectory();
      const member = await openMember(
        directory,
        "127.0.0.1",
        influx.url,
        `[stats]\n  stats-interval = "100ms"\n`,
      );
      for (const measurement of ["kapacitor", "nodes", "edges"]) {
        define(
          member,
          directory,
          measurement,
          `dbrp "_kapacitor"."autogen"\nstream\n    |from().measurement('${measurement}').groupBy('task', 'node', 'child')\n    |httpOut('out')\n`,
        );
      }
      await until("all three", 20_000, async () => {
        const all = await Promise.all(
          ["kapacitor", "nodes", "edges"].map((id) => shown(member, id)),
        );
        const [daemon = [], nodes = [], edges = []] = all;
        return daemon.length === 1 && nodes.length === 9 && edges.length === 6;
      });
      const [daemon] = await shown(member, "kapacitor");
      expect(daemon?.columns).toEqual([
        "time",
        "num_enabled_tasks",
        "num_subscriptions",
        "num_tasks",
        "uptime",
      ]);
      const [point = []] = daemon?.values ?? [];
      expect([point[1], point[3]]).toEqual([3, 3]);
      const edges = (await shown(member, "edges")).map(
        ({ tags }) => `${tags?.["task"]} ${tags?.["child"]}`,
      );
      expect(edges.sort()).toEqual([
        "edges from1",
        "edges http_out2",
        "kapacitor from1",
        "kapacitor http_out2",
        "nodes from1",
        "nodes http_out2",
      ]);
    }, 60_000);
  },
);
