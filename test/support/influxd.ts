/**
 * A real InfluxDB 1.x for tests: `influxd` on free loopback ports with a temporary directory.
 *
 * `startInfluxd` throws `InfluxdMissing` when there is no binary; tests then skip with that reason, or fail
 * when KAPACITOR_TEST_REQUIRE=1. The process is stopped by the handle that started it.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../scripts/lab.ts";

export class InfluxdMissing extends Error {
  override name = "InfluxdMissing";
}

export interface Influxd {
  readonly url: string;
  /** Runs a statement and returns the parsed JSON; throws InfluxDB's error. */
  query(statement: string, db?: string): Promise<InfluxdAnswer>;
  /** Writes line protocol with ns times. */
  write(db: string, lines: string): Promise<void>;
  /** Kills the process, keeping its data and ports for `restart`. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export interface InfluxdAnswer {
  readonly results: readonly {
    readonly series?: readonly {
      readonly name?: string;
      readonly tags?: Record<string, string>;
      readonly columns: readonly string[];
      readonly values: readonly (readonly unknown[])[];
    }[];
  }[];
}

/** Why tests with a real InfluxDB cannot run here, or `undefined` when they can. */
export function influxdMissing(): string | undefined {
  const binary = Bun.which("influxd");
  if (binary !== null) return undefined;
  const reason = "no influxd on the PATH (Debian: apt-get install influxdb)";
  if (process.env["KAPACITOR_TEST_REQUIRE"] === "1") throw new InfluxdMissing(reason);
  return reason;
}

const HOST = "127.0.0.1";
const START_TIMEOUT_MS = 20_000;

export interface InfluxdOptions {
  /** Requires this user's password on every request; the user is made on start. */
  readonly admin?: { readonly user: string; readonly password: string };
  /** Takes tokens signed with this as well. */
  readonly sharedSecret?: string;
}

export async function startInfluxd(options: InfluxdOptions = {}): Promise<Influxd> {
  const binary = Bun.which("influxd");
  if (binary === null) throw new InfluxdMissing("no influxd on the PATH");
  const dir = mkdtempSync(join(tmpdir(), "influxd-"));
  const [http, rpc] = await Promise.all([freePort(HOST), freePort(HOST)]);
  const url = `http://127.0.0.1:${http}`;
  const config = join(dir, "influxdb.conf");
  writeFileSync(config, configuration(dir, [http, rpc], options));
  const spawn = () =>
    Bun.spawn([binary, "-config", config], { stdout: "ignore", stderr: "ignore" });
  let child = spawn();
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
  };
  const close = async (): Promise<void> => {
    await kill();
    rmSync(dir, { recursive: true, force: true });
  };
  const credentials = options.admin;
  const query = async (statement: string, db = ""): Promise<InfluxdAnswer> => {
    const target = new URL("/query", url);
    target.searchParams.set("q", statement);
    target.searchParams.set("db", db);
    target.searchParams.set("epoch", "ns");
    const headers: Record<string, string> = {};
    if (credentials !== undefined) {
      const pair = `${credentials.user}:${credentials.password}`;
      headers["Authorization"] = `Basic ${Buffer.from(pair).toString("base64")}`;
    }
    const response = await fetch(target, { method: "POST", headers });
    const answer = (await response.json()) as InfluxdAnswer & { error?: string };
    const failed = answer.results?.find((result) => "error" in result);
    if (answer.error !== undefined || failed !== undefined) {
      throw new Error(`${statement}: ${JSON.stringify(answer)}`);
    }
    return answer;
  };
  const write = async (db: string, lines: string): Promise<void> => {
    const target = `${url}/write?db=${encodeURIComponent(db)}`;
    const response = await fetch(target, { method: "POST", body: lines });
    if (response.status !== 204) throw new Error(await response.text());
  };
  try {
    await answering(url, () => child.exitCode);
    if (credentials !== undefined) {
      const { user, password } = credentials;
      await query(`CREATE USER ${user} WITH PASSWORD '${password}' WITH ALL PRIVILEGES`);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const restart = async (): Promise<void> => {
    child = spawn();
    await answering(url, () => child.exitCode);
  };
  return { url, query, write, kill, restart, close };
}

async function answering(url: string, exitCode: () => number | null): Promise<void> {
  const end = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < end) {
    if (exitCode() !== null) throw new Error(`influxd exited with code ${exitCode()}`);
    const up = await fetch(`${url}/ping`).then(
      (response) => response.status === 204,
      () => false,
    );
    if (up) return;
    await Bun.sleep(20);
  }
  throw new Error(`influxd did not answer within ${START_TIMEOUT_MS} ms`);
}

function configuration(
  dir: string,
  [http, rpc]: readonly [number, number],
  { admin, sharedSecret = "" }: InfluxdOptions,
): string {
  return `
reporting-disabled = true
bind-address = "127.0.0.1:${rpc}"
[meta]
dir = "${dir}/meta"
[data]
dir = "${dir}/data"
wal-dir = "${dir}/wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:${http}"
log-enabled = false
auth-enabled = ${admin !== undefined}
shared-secret = "${sharedSecret}"
[monitor]
store-enabled = false
[subscriber]
enabled = true
http-timeout = "5s"
`;
}
