/**
 * One process of the compiled binary whose API may want credentials or speak TLS, so that nobody can just ping it:
 * it is up when something answers on its port.
 */

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, freePort, until } from "../../scripts/lab.ts";

export interface LoneOptions {
  readonly directory: string;
  /** Lines below `[http]`. */
  readonly http?: string;
  /** `host` part of `[http] bind-address`; default 127.0.0.1. */
  readonly host?: string;
  readonly scheme?: "http" | "https";
  /** More sections. */
  readonly sections?: string;
}

export interface LoneDaemon {
  readonly port: number;
  /** `http(s)://127.0.0.1:port`. */
  readonly url: string;
  log(): string;
  /** Kills it and starts it again on the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** How a process ended that did not want to start. */
export interface Refused {
  readonly code: number;
  readonly stderr: string;
}

const START_MS_MAX = 15_000;

async function configure(options: LoneOptions) {
  const { directory, http = "", host = "127.0.0.1", sections = "" } = options;
  mkdirSync(directory, { recursive: true });
  const port = await freePort("127.0.0.1");
  const [gossip, rpc] = [await freePort("127.0.0.1"), await freePort("127.0.0.1")];
  const at = (name: string) => JSON.stringify(join(directory, name));
  const path = join(directory, "kapacitor.conf");
  writeFileSync(
    path,
    `hostname = "127.0.0.1"
data_dir = ${at("data")}
[http]
  bind-address = "${host}:${port}"
${http}
[cluster]
  bind-address = "127.0.0.1:${gossip}"
[rpc]
  bind-address = "127.0.0.1:${rpc}"
[storage]
  boltdb = ${at("kapacitor.db")}
[replay]
  dir = ${at("replay")}
[task]
  dir = ${at("tasks")}
[logging]
  file = "STDERR"
${sections.includes("[[influxdb]]") ? "" : "[[influxdb]]\n  enabled = false\n"}${sections}
`,
  );
  return { port, path, log: join(directory, "kapacitor.log") };
}

/** Starts a daemon; throws with its log when it ends instead. */
export async function startLone(options: LoneOptions): Promise<LoneDaemon> {
  const { port, path, log } = await configure(options);
  const url = `${options.scheme ?? "http"}://127.0.0.1:${port}`;
  const shown = (): string => (existsSync(log) ? readFileSync(log, "utf8") : "");
  const spawn = () => {
    const file = openSync(log, "a");
    const child = Bun.spawn([BINARY, "kapacitord", "-config", path], {
      stdout: file,
      stderr: file,
      stdin: "ignore",
    });
    closeSync(file);
    return child;
  };
  const ready = () =>
    until(`an answer of ${url}`, START_MS_MAX, async () => {
      if (child.exitCode !== null) throw new Error(`the daemon has ended:\n${shown()}`);
      return answers(url);
    });
  const close = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
  };
  let child = spawn();
  try {
    await ready();
  } catch (error) {
    await close();
    throw error;
  }
  const restart = async (): Promise<void> => {
    await close();
    child = spawn();
    await ready();
  };
  return { port, url, log: shown, restart, close };
}

/** Starts a daemon that must refuse its configuration. */
export async function refusedLone(options: LoneOptions): Promise<Refused> {
  const { path } = await configure(options);
  const child = Bun.spawn([BINARY, "kapacitord", "-config", path], {
    stdout: "ignore",
    stderr: "pipe",
    stdin: "ignore",
    timeout: START_MS_MAX,
  });
  const stderr = await new Response(child.stderr).text();
  return { code: await child.exited, stderr };
}

async function answers(url: string): Promise<boolean> {
  try {
    await fetch(`${url}/kapacitor/v1/ping`, { tls: { rejectUnauthorized: false } });
    return true;
  } catch {
    return false;
  }
}
