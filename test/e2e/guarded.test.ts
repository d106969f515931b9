/**
 * The compiled daemon with authentication: its first user, what users and tokens may do, and subscriptions of a
 * real InfluxDB that carry tokens.
 */

import { afterEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SignJWT } from "jose";
import { influxdMissing } from "#test/support/influxd.ts";
import { cli, mustRun, until } from "../../scripts/lab.ts";
import { cleanUp, openDirectory, openInfluxd, subscriptions, undo } from "./influx-lab.ts";
import { type LoneDaemon, type LoneOptions, startLone } from "./lone-daemon.ts";

afterEach(cleanUp);

const SECRET = "shared between us";
const HTTP = `  auth-enabled = true\n  shared-secret = "${SECRET}"\n`;
const AUTH = "[auth]\n  enabled = true\n  bcrypt-cost = 4\n";

async function open(options: Partial<LoneOptions> = {}): Promise<LoneDaemon> {
  const directory = options.directory ?? openDirectory();
  const sections = AUTH + (options.sections ?? "");
  const daemon = await startLone({ ...options, directory, http: HTTP, sections });
  undo.push(() => daemon.close());
  return daemon;
}

const withUser = ({ url }: LoneDaemon, user: string): string => url.replace("//", `//${user}@`);

async function ask(
  { url }: LoneDaemon,
  authorization: string | undefined,
  path: string,
  body?: string,
) {
  const answer = await fetch(url + path, {
    headers: authorization === undefined ? {} : { Authorization: authorization },
    ...(body === undefined ? {} : { method: "POST", body }),
  });
  return `${answer.status} ${await answer.text()}`;
}

const basic = (user: string): string => `Basic ${btoa(user)}`;

async function bearer(username: string, secret = SECRET): Promise<string> {
  const token = new SignJWT({ username, exp: 9e9 }).setProtectedHeader({ alg: "HS256" });
  return `Bearer ${await token.sign(new TextEncoder().encode(secret))}`;
}

const V1 = "/kapacitor/v1";
const refusal = (name: string, db: string): string =>
  `401 "${name}" user is not authorized to write to database "${db}"\n`;

describe("users", () => {
  test("the first needs no credentials, and nobody gets in without them afterwards", async () => {
    const daemon = await open();
    expect(await ask(daemon, undefined, `${V1}/ping`)).toStartWith("401 ");
    mustRun("kapacitor", "-url", daemon.url, "user", "add", "root", "-password", "s", "-admin");
    const second = cli("kapacitor", "-url", daemon.url, "user", "add", "mallory", "-password", "s");
    expect([second.code, second.stderr]).toEqual([
      3,
      "Error: unable to parse authentication credentials\n",
    ]);
    const as = withUser(daemon, "root:s");
    mustRun("kapacitor", "-url", as, "user", "add", "bob", "-password", "p", "-permissions", "api");
    expect(mustRun("kapacitor", "-url", as, "user", "list")).toBe(
      "Name Type      Permissions\nbob  normal    api\nroot admin     \n",
    );
    mustRun("kapacitor", "-url", `${daemon.url}?u=bob&p=p`, "list", "tasks");
    await daemon.restart();
    expect(await ask(daemon, basic("bob:p"), `${V1}/tasks`)).toStartWith("200 ");
    expect(await ask(daemon, basic("bob:q"), `${V1}/tasks`)).toStartWith("401 ");
    expect(await ask(daemon, await bearer("bob"), `${V1}/tasks`)).toStartWith("200 ");
    expect(await ask(daemon, await bearer("bob", "other"), `${V1}/tasks`)).toStartWith(
      '401 {"error":"invalid token: signature is invalid"',
    );
    for (const path of ["/debug/vars", "/debug/pprof/", "/debug/pprof/cmdline"]) {
      expect(await ask(daemon, undefined, V1 + path)).toStartWith("401 ");
      expect(await ask(daemon, basic("bob:p"), V1 + path)).toStartWith("200 ");
    }
  }, 30_000);

  test("write to the databases they may write to, by password and by token", async () => {
    const daemon = await open();
    mustRun("kapacitor", "-url", daemon.url, "user", "add", "root", "-password", "s", "-admin");
    const as = withUser(daemon, "root:s");
    const grant = (list: string) =>
      mustRun("kapacitor", "-url", as, "user", "grant", "wanda", "-permissions", list);
    mustRun("kapacitor", "-url", as, "user", "add", "wanda", "-password", "p");
    const both = [basic("wanda:p"), await bearer("wanda")];
    const write = (authorization: string, db: string) =>
      ask(daemon, authorization, `/write?db=${db}`, "cpu v=1");
    for (const each of both) expect(await write(each, "a")).toStartWith("403 ");
    grant("write_points:a,write_points:b");
    for (const each of both) {
      expect(await write(each, "a")).toBe("204 ");
      expect(await write(each, "b")).toBe("204 ");
      expect(await write(each, "c")).toBe(refusal("wanda", "c"));
      expect(await ask(daemon, each, `${V1}/tasks`)).toStartWith("403 ");
    }
    grant("write_points");
    for (const each of both) expect(await write(each, "c")).toBe("204 ");
  }, 30_000);
});

const missing = influxdMissing();

describe.skipIf(missing !== undefined)(
  `subscriptions with tokens${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    test("InfluxDB writes with a token that opens its own database, until that is gone", async () => {
      const influx = await openInfluxd();
      await influx.query("CREATE DATABASE telegraf");
      await influx.query("CREATE DATABASE other");
      const directory = openDirectory();
      const sections = `[[influxdb]]
  enabled = true
  name = "default"
  urls = ["${influx.url}"]
  subscription-mode = "server"
  subscriptions-sync-interval = "1h"
`;
      const daemon = await open({ directory, sections });
      const tokenOf = async (db: string): Promise<string> => {
        const rows = await subscriptions(influx);
        const row = rows.find((each) => each.startsWith(`${db}.`)) ?? "";
        return /\/\/~subscriber:([\w-]+)@127\.0\.0\.1/.exec(row)?.[1] ?? "";
      };
      await until("subscriptions", 20_000, async () => (await tokenOf("other")) !== "");
      const [token, otherToken] = [await tokenOf("telegraf"), await tokenOf("other")];
      expect(token).not.toBe(otherToken);

      mustRun("kapacitor", "-url", daemon.url, "user", "add", "root", "-password", "s", "-admin");
      const as = withUser(daemon, "root:s");
      const tick = join(directory, "t.tick");
      writeFileSync(tick, `dbrp "telegraf"."autogen"\nstream|from()|httpOut('out')\n`);
      mustRun("kapacitor", "-url", as, "define", "t", "-tick", tick);
      mustRun("kapacitor", "-url", as, "enable", "t");
      const arrived = async (value: number): Promise<void> => {
        await influx.write("telegraf", `cpu v=${value} ${value}`);
        await until(`the point ${value}`, 10_000, async () =>
          (await ask(daemon, basic("root:s"), `${V1}/tasks/t/out`)).includes(`,${value}]`),
        );
      };
      await arrived(5);

      const subscriber = basic(`~subscriber:${token}`);
      const write = (db: string, by = subscriber) => ask(daemon, by, `/write?db=${db}`, "cpu v=1");
      expect(await write("telegraf")).toBe("204 ");
      expect(await write("other")).toBe(refusal("~subscriber", "other"));
      expect(await write("other", basic(`~subscriber:${otherToken}`))).toBe("204 ");
      expect(await ask(daemon, subscriber, `${V1}/tasks`)).toStartWith("403 ");
      expect(await write("telegraf", basic("~subscriber:guess"))).toStartWith(
        '401 {"error":"invalid subscription token"',
      );
      expect(await write("telegraf", basic("root:wrong"))).toStartWith("401 ");

      await daemon.restart();
      expect(await tokenOf("telegraf")).toBe(token);
      await arrived(7);

      await influx.query("DROP DATABASE other");
      expect(await ask(daemon, basic("root:s"), `${V1}/subscriptions`, "")).toBe("204 ");
      expect(await write("other", basic(`~subscriber:${otherToken}`))).toStartWith(
        '401 {"error":"invalid subscription token"',
      );
      expect(await write("telegraf")).toBe("204 ");
    }, 60_000);
  },
);
