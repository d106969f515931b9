/** Subscriptions against a real InfluxDB: what it shows, what it sends, and what is repaired. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { WriteChunk, WriteOutcome } from "#engine/ports.ts";
import type { InfluxdbSection } from "#ingest/subscription-config.ts";
import { tokenOwner } from "#ingest/subscription-destination.ts";
import type { SubscriptionTokens } from "#ingest/subscription-link.ts";
import { Subscriptions, type SubscriptionsOptions } from "#ingest/subscriptions.ts";
import { VirtualClock } from "#lib/clock.ts";
import { MINUTE, SECOND } from "#lib/duration.ts";
import { logTo, silentLog } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { type Influxd, influxdMissing, startInfluxd } from "#test/support/influxd.ts";
import { freePort } from "../../scripts/lab.ts";

const CLUSTER = "0d2e9961-5fba-44f3-818b-bc3538cb8cb6";
const SERVER = "7f1f1c9e-2b1f-4c8e-9d5c-0a4f5b6c7d8e";
const OURS = `kapacitor-${SERVER}`;

function section(url: string, more: Partial<InfluxdbSection> = {}): InfluxdbSection {
  return {
    name: "default",
    enabled: true,
    urls: [url],
    username: "",
    password: "",
    token: "",
    "http-shared-secret": false,
    "ssl-ca": "",
    "ssl-cert": "",
    "ssl-key": "",
    "insecure-skip-verify": false,
    timeout: 5 * SECOND,
    compression: "gzip",
    "disable-subscriptions": false,
    "subscription-protocol": "http",
    "subscription-mode": "server",
    "subscription-path": "",
    "subscriptions-sync-interval": MINUTE,
    "kapacitor-hostname": "",
    "http-port": 0,
    "udp-bind": "127.0.0.1",
    "udp-buffer": 1000,
    "udp-read-buffer": 0,
    "startup-timeout": 5 * MINUTE,
    subscriptions: {},
    "excluded-subscriptions": { _kapacitor: ["autogen"], _internal: ["monitor"] },
    ...more,
  };
}

async function until<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const end = performance.now() + 8_000;
  while (performance.now() < end) {
    const seen = await look();
    if (seen !== undefined) return seen;
    await Bun.sleep(10);
  }
  throw new Error(`waited in vain for ${what}`);
}

class Tokens implements SubscriptionTokens {
  readonly all = new Set<string>();
  list = (): readonly string[] => [...this.all];
  grant = async (token: string): Promise<void> => void this.all.add(token);
  revoke = async (token: string): Promise<void> => void this.all.delete(token);
}

const missing = influxdMissing();

describe.skipIf(missing !== undefined)(
  `a real influxd${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    let influxd: Influxd;
    let running: Subscriptions[] = [];
    beforeAll(async () => {
      influxd = await startInfluxd();
    });
    afterAll(async () => await influxd?.close());
    beforeEach(async () => {
      for (const subscriptions of running) await subscriptions.stop();
      running = [];
      const shown = await influxd.query("SHOW DATABASES");
      for (const [db] of shown.results[0]?.series?.[0]?.values ?? []) {
        if (db !== "_internal") await influxd.query(`DROP DATABASE "${db}"`);
      }
    });

    function build(
      options: Partial<SubscriptionsOptions> = {},
      more: Partial<InfluxdbSection> = {},
    ) {
      const clock = new VirtualClock();
      const chunks: { db: string; rp: string; text: string }[] = [];
      const write = async (chunk: WriteChunk): Promise<WriteOutcome> => {
        chunks.push({ db: chunk.db, rp: chunk.rp, text: new TextDecoder().decode(chunk.body) });
        return { kind: "written", points: 1 };
      };
      const subscriptions = new Subscriptions({
        sections: [section(influxd.url, more)],
        identity: { serverId: SERVER, clusterId: () => CLUSTER },
        hostname: "127.0.0.1",
        httpPort: 9092,
        clock,
        random: new SeededRandom(1),
        log: silentLog,
        write,
        ...options,
      });
      running.push(subscriptions);
      return { subscriptions, clock, chunks };
    }

    /** `db.rp name mode destinations`, sorted. */
    async function shown(): Promise<string[]> {
      const { results } = await influxd.query("SHOW SUBSCRIPTIONS");
      const rows = (results[0]?.series ?? []).flatMap(({ name, values }) =>
        values.map(([rp, sub, mode, to]) => `${name}.${rp} ${sub} ${mode} ${JSON.stringify(to)}`),
      );
      return rows.sort();
    }
    const ours = (db: string, to = "http://127.0.0.1:9092", rp = "autogen", name = OURS): string =>
      `${db}.${rp} ${name} ANY ["${to}"]`;

    test("a database is subscribed, and its points arrive as InfluxDB sends them", async () => {
      const received: { path: string; query: string; agent: string | null; text: string }[] = [];
      using server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: async (request) => {
          const { pathname, search } = new URL(request.url);
          const agent = request.headers.get("user-agent");
          received.push({ path: pathname, query: search, agent, text: await request.text() });
          return new Response(null, { status: 204 });
        },
      });
      const httpPort = server.port ?? 0;
      await influxd.query("CREATE DATABASE telegraf");
      const { subscriptions } = build({ httpPort }, { "subscription-path": "/kapacitor/v1" });
      await subscriptions.start();
      const to = `http://127.0.0.1:${httpPort}/kapacitor/v1`;
      expect(await shown()).toEqual([ours("telegraf", to)]);
      expect(subscriptions.count).toBe(1);
      await influxd.write("telegraf", "cpu,host=a usage=1.5,n=3i 1600000000123456789\n");
      const request = await until("points", () => received[0]);
      expect(request).toEqual({
        path: "/kapacitor/v1/write",
        query: "?consistency=&db=telegraf&precision=ns&rp=autogen",
        agent: "InfluxDBClient",
        text: "cpu,host=a usage=1.5,n=3i 1600000000123456789\n",
      });
    });

    test("one dropped by hand is back after the next pass, foreign ones stay as they are", async () => {
      await influxd.query("CREATE DATABASE a");
      await influxd.query(
        `CREATE SUBSCRIPTION "kapacitor-other" ON a.autogen DESTINATIONS ALL 'http://x:1'`,
      );
      await influxd.query(`CREATE SUBSCRIPTION sub0 ON a.autogen DESTINATIONS ANY 'udp://y:2'`);
      const foreign = [
        'a.autogen kapacitor-other ALL ["http://x:1"]',
        'a.autogen sub0 ANY ["udp://y:2"]',
      ];
      const { subscriptions, clock } = build();
      await subscriptions.start();
      expect(await shown()).toEqual([ours("a"), ...foreign]);
      await influxd.query(`DROP SUBSCRIPTION "${OURS}" ON a.autogen`);
      expect(await shown()).toEqual(foreign);
      clock.advance(60_000);
      await until("the repair", async () => ((await shown()).length === 3 ? true : undefined));
      expect(await shown()).toEqual([ours("a"), ...foreign]);
    });

    test("databases and retention policies come and go", async () => {
      await influxd.query("CREATE DATABASE a");
      const { subscriptions } = build();
      await subscriptions.start();
      await influxd.query('CREATE DATABASE "b-c"');
      await influxd.query("CREATE RETENTION POLICY week ON a DURATION 7d REPLICATION 1");
      await subscriptions.relink();
      expect(await shown()).toEqual([ours("a"), ours("a", undefined, "week"), ours("b-c")]);
      await influxd.query("DROP DATABASE a");
      await subscriptions.relink();
      expect(await shown()).toEqual([ours("b-c")]);
      expect(subscriptions.counters()["default"]?.["num_subscriptions"]).toBe(1);
    });

    test.each([
      ["listed ones only", { subscriptions: { a: ["autogen"], none: ["x"] } }, ["a"]],
      [
        "all but excluded ones",
        { "excluded-subscriptions": { a: ["autogen"], _internal: ["monitor"] } },
        ["b"],
      ],
      [
        "listed and excluded is excluded",
        { subscriptions: { a: ["autogen"] }, "excluded-subscriptions": { a: ["autogen"] } },
        [],
      ],
    ])("%s", async (_, more, dbs) => {
      await influxd.query("CREATE DATABASE a");
      await influxd.query("CREATE DATABASE b");
      const before = build();
      await before.subscriptions.start();
      expect((await shown()).length).toBe(2);
      const { subscriptions } = build({}, more);
      await subscriptions.start();
      expect(await shown()).toEqual(dbs.map((db) => ours(db)));
    });

    test.each([
      ["another host", "http://elsewhere:9092"],
      ["another port", "http://127.0.0.1:9093"],
      ["another protocol", "https://127.0.0.1:9092"],
      ["a user", "http://user:pw@127.0.0.1:9092"],
      ["nonsense", "http://[::bad"],
    ])("our own with %s is made anew", async (_, to) => {
      await influxd.query("CREATE DATABASE a");
      // InfluxDB itself refuses what it cannot parse; then there is nothing to repair.
      const created = await influxd
        .query(`CREATE SUBSCRIPTION "${OURS}" ON a.autogen DESTINATIONS ALL '${to}'`)
        .then(
          () => 1,
          () => 0,
        );
      const { subscriptions } = build();
      await subscriptions.start();
      expect(await shown()).toEqual([ours("a")]);
      expect(subscriptions.counters()["default"]?.["dropped"]).toBe(created);
    });

    test("a path is not compared", async () => {
      await influxd.query("CREATE DATABASE a");
      const to = "http://127.0.0.1:9092/old/path";
      await influxd.query(`CREATE SUBSCRIPTION "${OURS}" ON a.autogen DESTINATIONS ANY '${to}'`);
      const { subscriptions } = build();
      await subscriptions.start();
      expect(await shown()).toEqual([ours("a", to)]);
    });

    test("names of older versions are taken over with mode and destination", async () => {
      for (const [db, name, mode] of [
        ["a", "kapacitor", "ALL"],
        ["b", CLUSTER, "ANY"],
      ]) {
        await influxd.query(`CREATE DATABASE ${db}`);
        const to = "http://127.0.0.1:9092/p";
        await influxd.query(
          `CREATE SUBSCRIPTION "${name}" ON ${db}.autogen DESTINATIONS ${mode} '${to}'`,
        );
      }
      const { subscriptions } = build();
      await subscriptions.start();
      expect(await shown()).toEqual([
        `a.autogen ${OURS} ALL ["http://127.0.0.1:9092/p"]`,
        ours("b", "http://127.0.0.1:9092/p"),
      ]);
    });

    test("with a changed cluster ID the abandoned name is dropped where it points to us", async () => {
      let clusterId = CLUSTER;
      await influxd.query("CREATE DATABASE a");
      await influxd.query("CREATE DATABASE b");
      const identity = { serverId: SERVER, clusterId: () => clusterId };
      const { subscriptions } = build({ identity }, { "subscription-mode": "cluster" });
      await subscriptions.start();
      const old = `kapacitor-${CLUSTER}`;
      expect(await shown()).toEqual([
        ours("a", undefined, undefined, old),
        ours("b", undefined, undefined, old),
      ]);
      await influxd.query(`DROP SUBSCRIPTION "${old}" ON b.autogen`);
      await influxd.query(
        `CREATE SUBSCRIPTION "${old}" ON b.autogen DESTINATIONS ANY 'http://mate:9092'`,
      );
      clusterId = "11111111-2222-4333-8444-555555555555";
      await subscriptions.relink();
      const name = `kapacitor-${clusterId}`;
      expect(await shown()).toEqual([
        ours("a", undefined, undefined, name),
        ours("b", "http://mate:9092", undefined, old),
        ours("b", undefined, undefined, name),
      ]);
    });

    test("what a removed member left behind can be dropped", async () => {
      await influxd.query("CREATE DATABASE a");
      await influxd.query(
        `CREATE SUBSCRIPTION "kapacitor-gone" ON a.autogen DESTINATIONS ANY 'http://gone:9092'`,
      );
      const { subscriptions } = build();
      await subscriptions.start();
      await subscriptions.dropMember("gone");
      expect(await shown()).toEqual([ours("a")]);
    });

    test("two members drop what a third left behind at the same time", async () => {
      for (const db of ["a", "b", "c"]) {
        await influxd.query(`CREATE DATABASE ${db}`);
        await influxd.query(
          `CREATE SUBSCRIPTION "kapacitor-gone" ON ${db}.autogen DESTINATIONS ANY 'http://gone:9092'`,
        );
      }
      const errors: unknown[] = [];
      const log = logTo((entry) => {
        if (entry.level === "error") errors.push(entry.fields);
      });
      const second = "22222222-2b1f-4c8e-9d5c-0a4f5b6c7d8e";
      const identity = { serverId: second, clusterId: () => CLUSTER };
      const members = [build({ log }), build({ log, identity, httpPort: 9093 })];
      for (const { subscriptions } of members) await subscriptions.start();
      await Promise.all(members.map(({ subscriptions }) => subscriptions.dropMember("gone")));
      expect((await shown()).filter((row) => row.includes("gone"))).toEqual([]);
      expect((await shown()).length).toBe(6);
      expect(errors).toEqual([]);
    });

    test("what a removed member left is dropped when InfluxDB is back, unless it is a member again", async () => {
      await influxd.query("CREATE DATABASE a");
      for (const name of ["gone", "back"]) {
        await influxd.query(
          `CREATE SUBSCRIPTION "kapacitor-${name}" ON a.autogen DESTINATIONS ANY 'http://x:9092'`,
        );
      }
      const { subscriptions, clock } = build({ isMember: (id) => id === "back" });
      await subscriptions.start();
      await influxd.kill();
      for (const name of ["gone", "back"]) await subscriptions.dropMember(name);
      expect(subscriptions.counters()["default"]?.["failures"]).toBe(2);
      await influxd.restart();
      // A change of configuration in between must not forget it.
      await subscriptions.update([section(influxd.url)]);
      clock.advance(60_000);
      const left = await until("the drop", async () => {
        const rows = await shown();
        return rows.some((row) => row.includes("gone")) ? undefined : rows;
      });
      expect(left).toEqual([ours("a"), ours("a", "http://x:9092", "autogen", "kapacitor-back")]);
    });

    test("changed sections: one comes, one goes, one gets another destination", async () => {
      await influxd.query("CREATE DATABASE a");
      const { subscriptions } = build();
      await subscriptions.start();
      await subscriptions.update([section(influxd.url, { "kapacitor-hostname": "elsewhere" })]);
      expect(await shown()).toEqual([ours("a", "http://elsewhere:9092")]);
      await subscriptions.update([
        section(influxd.url, { "kapacitor-hostname": "elsewhere" }),
        section(influxd.url, { name: "other", "subscription-mode": "cluster" }),
      ]);
      expect(await shown()).toEqual([
        ours("a", undefined, undefined, `kapacitor-${CLUSTER}`),
        ours("a", "http://elsewhere:9092"),
      ]);
      await subscriptions.update([
        section(influxd.url, { name: "other", "subscription-mode": "cluster" }),
      ]);
      expect(await shown()).toEqual([ours("a", undefined, undefined, `kapacitor-${CLUSTER}`)]);
      expect(Object.keys(subscriptions.counters())).toEqual(["other"]);
    });

    test.each([
      ["secret", true],
      ["another secret", false],
    ])(
      "an InfluxDB with users takes tokens signed with its secret: %s, %p",
      async (secret, fits) => {
        const admin = { user: "root", password: "pw" };
        const guarded = await startInfluxd({ admin, sharedSecret: "secret" });
        try {
          await guarded.query("CREATE DATABASE a");
          const now = Date.now();
          const { subscriptions } = build({
            clock: new VirtualClock({ ms: now, ns: 0 }),
            sections: [section(guarded.url, { username: "root", "http-shared-secret": true })],
            sharedSecret: secret,
          });
          const error = await subscriptions.start().catch((failure: unknown) => failure);
          expect(error === undefined).toBe(fits);
          expect(subscriptions.count).toBe(fits ? 1 : 0);
          await subscriptions.stop();
        } finally {
          await guarded.close();
        }
      },
    );

    test("with authentication subscriptions carry tokens; unknown and unused ones go", async () => {
      await influxd.query("CREATE DATABASE a");
      const tokens = new Tokens();
      const { subscriptions } = build({ tokens });
      await subscriptions.start();
      const [token] = tokens.list();
      expect(tokenOwner(token ?? "")).toBe("default");
      expect(token).toMatch(/^[A-Za-z0-9_-]{96}$/);
      expect(await shown()).toEqual([ours("a", `http://~subscriber:${token}@127.0.0.1:9092`)]);
      await subscriptions.relink();
      expect(tokens.list()).toEqual([token ?? ""]);
      tokens.all.clear();
      const stale = Buffer.from("default;old").toString("base64url");
      const foreign = Buffer.from("other;x").toString("base64url");
      for (const one of [stale, foreign]) await tokens.grant(one);
      await subscriptions.relink();
      expect(tokens.list()).toContain(foreign);
      expect(tokens.list()).not.toContain(stale);
      expect(tokens.list().length).toBe(2);
      await subscriptions.update([]);
      expect(await shown()).toEqual([]);
      expect(tokens.list()).toEqual([]);
    });

    test("udp subscriptions have a listener each, which is opened again on its port after a restart", async () => {
      await influxd.query("CREATE DATABASE a");
      const first = build({}, { "subscription-protocol": "udp" });
      await first.subscriptions.start();
      const before = await shown();
      expect(before[0]).toMatch(/^a\.autogen kapacitor-.* ANY \["udp:\/\/127\.0\.0\.1:\d+"\]$/);
      await influxd.write("a", "m v=1 5");
      const chunk = await until("a datagram", () => first.chunks[0]);
      expect(chunk).toEqual({ db: "a", rp: "autogen", text: "m v=1 5" });
      await first.subscriptions.stop();
      const second = build({}, { "subscription-protocol": "udp" });
      await second.subscriptions.start();
      expect(await shown()).toEqual(before);
      await until("a datagram after the restart", async () => {
        await influxd.write("a", "m v=2 6");
        return second.chunks[0];
      });
    });

    test("disabling by configuration drops ours, stopping does not", async () => {
      await influxd.query("CREATE DATABASE a");
      const { subscriptions } = build();
      await subscriptions.start();
      await subscriptions.update([section(influxd.url, { "subscription-mode": "cluster" })]);
      expect(await shown()).toEqual([ours("a", undefined, undefined, `kapacitor-${CLUSTER}`)]);
      await subscriptions.update([section(influxd.url, { "disable-subscriptions": true })]);
      expect(await shown()).toEqual([]);
      await subscriptions.update([section(influxd.url)]);
      await subscriptions.stop();
      expect(await shown()).toEqual([ours("a")]);
    });

    test("an InfluxDB that never answers ends the start with its timeout", async () => {
      const url = `http://127.0.0.1:${await freePort("127.0.0.1")}`;
      const { subscriptions, clock } = build({ sections: [section(url)] });
      const failed = subscriptions.start().catch((error) => error);
      const ticking = setInterval(() => clock.advance(10_000), 1);
      const error = await failed;
      clearInterval(ticking);
      expect(error.message).toBe("failed to connect to InfluxDB, retry limit reached");
      expect(subscriptions.counters()["default"]?.["failures"]).toBeGreaterThan(5);
      expect(subscriptions.count).toBe(0);
    });

    test("an InfluxDB that comes up late is linked then", async () => {
      await influxd.query("CREATE DATABASE a");
      await influxd.kill();
      const { subscriptions, clock } = build();
      const started = subscriptions.start();
      const failures = (): number => subscriptions.counters()["default"]?.["failures"] ?? 0;
      await until("a failed attempt", () => (failures() > 0 ? true : undefined));
      await influxd.restart();
      await until("the link", () => {
        clock.advance(1_000);
        return subscriptions.count === 1 ? true : undefined;
      });
      await started;
      expect(await shown()).toEqual([ours("a")]);
    });
  },
);
