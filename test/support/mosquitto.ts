/**
 * A real MQTT broker for tests: `mosquitto` on free loopback ports with a temporary directory, and a subscriber.
 *
 * `startMosquitto` throws `MosquittoMissing` when there is no binary; tests then skip with that reason, or fail
 * when KAPACITOR_TEST_REQUIRE=1. The process is stopped by the handle that started it.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { freePort } from "../../scripts/lab.ts";

export class MosquittoMissing extends Error {
  override name = "MosquittoMissing";
}

export interface BrokerMessage {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  /** True when it was kept from before the subscription. */
  readonly retained: boolean;
}

export interface Subscriber {
  /** In order of arrival. */
  readonly messages: readonly BrokerMessage[];
  /** Resolves when so many messages have come. */
  received(count: number): Promise<void>;
  close(): Promise<void>;
}

export interface Mosquitto {
  /** `tcp://…`. */
  readonly url: string;
  /** `ssl://localhost:…`; only with a certificate. */
  readonly secureUrl: string;
  /** `ws://…`. */
  readonly webSocketUrl: string;
  /** Resolves when the broker's log has a line that matches. */
  logged(pattern: RegExp): Promise<void>;
  /** Every matching line of the log so far. */
  logLines(pattern: RegExp): readonly string[];
  /** Listens to all topics, or those of a filter, at QoS 2. */
  subscribe(filter?: string): Promise<Subscriber>;
  /** Stops the process without an end of its connections. */
  freeze(): void;
  thaw(): void;
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export interface MosquittoOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Only these may connect. */
  readonly accounts?: Readonly<Record<string, string>>;
}

const START_TIMEOUT_MS = 10_000;

/** Debian keeps it where only root's PATH looks. */
function program(name: string): string | null {
  return Bun.which(name, { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/bin` });
}

/** Why tests with a real broker cannot run here, or `undefined` when they can. */
export function mosquittoMissing(): string | undefined {
  if (program("mosquitto") !== null) return undefined;
  const reason = "no mosquitto on the PATH (Debian: apt-get install mosquitto)";
  if (process.env["KAPACITOR_TEST_REQUIRE"] === "1") throw new MosquittoMissing(reason);
  return reason;
}

export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const binary = program("mosquitto");
  if (binary === null) throw new MosquittoMissing("no mosquitto on the PATH");
  const dir = mkdtempSync(join(tmpdir(), "mosquitto-"));
  const [port, secure, web] = await Promise.all([
    freePort("127.0.0.1"),
    freePort("127.0.0.1"),
    freePort("127.0.0.1"),
  ]);
  const config = join(dir, "mosquitto.conf");
  writeFileSync(config, configuration(dir, { port, secure, web }, options));
  const log = new BrokerLog();
  const spawn = () => {
    const child = Bun.spawn([binary, "-c", config], { stdout: "ignore", stderr: "pipe" });
    void log.read(child.stderr);
    return child;
  };
  let child = spawn();
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
  };
  const close = async (): Promise<void> => {
    await kill();
    rmSync(dir, { recursive: true, force: true });
  };
  const ports = options.tls === undefined ? [port, web] : [port, web, secure];
  const up = async (): Promise<void> => {
    for (const one of ports) await answering(one, () => child.exitCode);
  };
  try {
    await up();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url: `tcp://127.0.0.1:${port}`,
    secureUrl: `ssl://localhost:${secure}`,
    webSocketUrl: `ws://127.0.0.1:${web}`,
    logged: (pattern) => log.until(pattern),
    logLines: (pattern) => log.lines.filter((line) => pattern.test(line)),
    subscribe: (filter = "#") => subscribe(port, filter, options.accounts),
    freeze: () => child.kill("SIGSTOP"),
    thaw: () => child.kill("SIGCONT"),
    kill,
    restart: async () => {
      child = spawn();
      await up();
    },
    close,
  };
}

class BrokerLog {
  readonly lines: string[] = [];
  readonly #waiting: (() => void)[] = [];

  async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      this.lines.push(...parts);
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  async until(pattern: RegExp): Promise<void> {
    while (!this.lines.some((line) => pattern.test(line))) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

function configuration(
  dir: string,
  ports: { readonly port: number; readonly secure: number; readonly web: number },
  { tls, accounts }: MosquittoOptions,
): string {
  const lines = [
    "per_listener_settings false",
    "persistence false",
    "log_dest stderr",
    "log_type all",
    "connection_messages true",
    `user ${process.getuid?.() === 0 ? "root" : ""}`.trim(),
    `allow_anonymous ${accounts === undefined}`,
    `listener ${ports.port} 127.0.0.1`,
    `listener ${ports.web} 127.0.0.1`,
    "protocol websockets",
  ];
  if (tls !== undefined) {
    writeFileSync(join(dir, "cert.pem"), tls.cert);
    writeFileSync(join(dir, "key.pem"), tls.key);
    lines.push(`listener ${ports.secure} 127.0.0.1`);
    lines.push(`certfile ${join(dir, "cert.pem")}`, `keyfile ${join(dir, "key.pem")}`);
  }
  if (accounts !== undefined) lines.push(`password_file ${passwordFile(dir, accounts)}`);
  return `${lines.filter((line) => line !== "user").join("\n")}\n`;
}

function passwordFile(dir: string, accounts: Readonly<Record<string, string>>): string {
  const path = join(dir, "passwords");
  const lines = Object.entries(accounts).map(([user, password]) => `${user}:${password}\n`);
  writeFileSync(path, lines.join(""), { mode: 0o600 });
  const hash = Bun.spawnSync([program("mosquitto_passwd") ?? "mosquitto_passwd", "-U", path]);
  if (!hash.success) throw new Error(hash.stderr.toString());
  return path;
}

async function answering(port: number, exitCode: () => number | null): Promise<void> {
  const end = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < end) {
    if (exitCode() !== null) throw new Error(`mosquitto exited with code ${exitCode()}`);
    const up = await new Promise<boolean>((resolve) => {
      const socket = connectSocket(port, "127.0.0.1");
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (up) return;
    await Bun.sleep(10);
  }
  throw new Error(`mosquitto did not answer within ${START_TIMEOUT_MS} ms`);
}

async function subscribe(
  port: number,
  filter: string,
  accounts: Readonly<Record<string, string>> = {},
): Promise<Subscriber> {
  const messages: BrokerMessage[] = [];
  const waiting: (() => void)[] = [];
  const [account] = Object.entries(accounts);
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
    reconnectPeriod: 0,
    ...(account === undefined ? {} : { username: account[0], password: account[1] }),
  });
  client.on("message", (topic, payload, packet) => {
    const { qos, retain } = packet;
    messages.push({ topic, payload: payload.toString(), qos, retained: retain });
    for (const resolve of waiting.splice(0)) resolve();
  });
  await client.subscribeAsync(filter, { qos: 2 });
  return {
    messages,
    received: async (count) => {
      while (messages.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    close: () => client.endAsync(true),
  };
}
