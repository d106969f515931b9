/**
 * Members, a webhook and a data feed on this machine, for the demo, the benches and end-to-end tests.
 *
 * Every member is a real process of dist/kapacitor with its own directory and free ports. Everything is
 * stopped by pid; directories are removed by whoever made them.
 */

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { SERVICE_ENVIRONMENT } from "#cli/service-unit.ts";

/** `KAPACITOR_BINARY` names another build than the one in `dist/`. */
export const BINARY = resolve(process.env["KAPACITOR_BINARY"] ?? "dist/kapacitor");

/** Below the ports that systems deal out to outgoing connections: a member that is down keeps its own. */
const PORT_FIRST = 10_240;
const PORT_COUNT = 20_000;

const LOG_WAIT_MS = 10_000;

/** A port that is free for TCP and UDP on this host at this moment. */
export async function freePort(host: string): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = PORT_FIRST + Math.floor(Math.random() * PORT_COUNT);
    if (await isFree(host, port)) return port;
  }
  throw new Error(`no port is free for both TCP and UDP on ${host}`);
}

async function isFree(host: string, port: number): Promise<boolean> {
  const tcp = await new Promise<boolean>((done) => {
    const server = createServer();
    server.on("error", () => done(false));
    server.listen(port, host, () => server.close(() => done(true)));
  });
  if (!tcp) return false;
  try {
    const udp = await Bun.udpSocket({ hostname: host, port });
    udp.close();
    return true;
  } catch {
    return false;
  }
}

export interface MemberOptions {
  readonly name: string;
  readonly host: string;
  readonly directory: string;
  /** Address of an InfluxDB to subscribe to; without it the member has none. */
  readonly influxUrl?: string;
  /** More of `[cluster]` and `[rpc]`, as TOML lines. */
  readonly cluster?: string;
  readonly rpc?: string;
  /** More TOML, appended. */
  readonly config?: string;
  /** Ports for gossip, RPC and API; free ones of this machine when absent. */
  readonly ports?: Ports;
  /** Words before the binary: a network namespace to enter, an environment. */
  readonly launch?: readonly string[];
}

export type Ports = readonly [gossip: number, rpc: number, api: number];

/** One daemon process, in the environment that its unit gives it. `kill` and `start` may alternate; ports and directory stay. */
export class Member {
  readonly name: string;
  readonly host: string;
  readonly directory: string;
  readonly apiPort: number;
  readonly rpcPort: number;
  readonly gossipPort: number;
  /** Words before the binary at the next start. */
  launch: readonly string[];
  #process: Bun.Subprocess | undefined;
  #options: MemberOptions;

  private constructor(options: MemberOptions, ports: Ports) {
    this.#options = options;
    this.name = options.name;
    this.host = options.host;
    this.directory = options.directory;
    this.launch = options.launch ?? [];
    [this.gossipPort, this.rpcPort, this.apiPort] = ports;
  }

  /** Writes the configuration and starts the process; resolves when `/ping` answers. */
  static async create(options: MemberOptions): Promise<Member> {
    const port = () => freePort(options.host);
    const ports: Ports = options.ports ?? [await port(), await port(), await port()];
    const member = new Member(options, ports);
    mkdirSync(options.directory, { recursive: true });
    member.configure({});
    try {
      await member.start();
    } catch (error) {
      // Nobody else has it to stop it.
      await member.kill("SIGKILL");
      throw error;
    }
    return member;
  }

  /** Writes the configuration file; the process hears of it by SIGHUP or at its next start. */
  configure(changed: Partial<Pick<MemberOptions, "cluster" | "rpc" | "config">>): void {
    this.#options = { ...this.#options, ...changed };
    writeFileSync(this.configPath, configOf(this, this.#options));
  }

  get url(): string {
    return `http://${this.host}:${this.apiPort}`;
  }

  get rpcAddress(): string {
    return `${this.host}:${this.rpcPort}`;
  }

  get configPath(): string {
    return join(this.directory, "kapacitor.conf");
  }

  get logPath(): string {
    return join(this.directory, "kapacitor.log");
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async start(): Promise<void> {
    const log = openSync(this.logPath, "a");
    this.#process = Bun.spawn([...this.launch, BINARY, "kapacitord", "-config", this.configPath], {
      env: { ...process.env, ...SERVICE_ENVIRONMENT },
      stdout: log,
      stderr: log,
      stdin: "ignore",
    });
    closeSync(log);
    const exited = this.#process.exited.then((code) => {
      throw new Error(`${this.name} exited with ${code}:\n${this.logTail()}`);
    });
    exited.catch(() => {});
    await Promise.race([
      exited,
      until(`${this.name} answers /ping`, 15_000, () => this.#answers()),
    ]);
  }

  /** Sends a signal and waits until the process is gone (except for STOP, CONT and HUP). */
  async kill(signal: NodeJS.Signals = "SIGTERM"): Promise<number> {
    const running = this.#process;
    if (running === undefined) return 0;
    running.kill(signal);
    if (signal === "SIGSTOP" || signal === "SIGCONT" || signal === "SIGHUP") return 0;
    const code = await running.exited;
    this.#process = undefined;
    return code;
  }

  logTail(lines = 30): string {
    if (!existsSync(this.logPath)) return "(no log)";
    return readFileSync(this.logPath, "utf8").split("\n").slice(-lines).join("\n");
  }

  /** Waits until the log holds the text: lines are written a few milliseconds after what they tell of. */
  async logged(text: string): Promise<void> {
    await until(`${this.name} logs "${text}"`, LOG_WAIT_MS, () => this.logTail(200).includes(text));
  }

  async #answers(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/kapacitor/v1/ping`)).status === 204;
    } catch {
      return false;
    }
  }
}

function configOf(member: Member, options: MemberOptions): string {
  const at = (name: string) => JSON.stringify(join(member.directory, name));
  const influx =
    options.influxUrl === undefined
      ? "[[influxdb]]\n  enabled = false"
      : `[[influxdb]]\n  enabled = true\n  name = "default"\n  urls = ["${options.influxUrl}"]
  subscription-mode = "server"\n  subscriptions-sync-interval = "2s"`;
  return `hostname = "${member.host}"
data_dir = ${at("data")}
[http]
  bind-address = "${member.host}:${member.apiPort}"
  log-enabled = false
[cluster]
  bind-address = "${member.host}:${member.gossipPort}"
  ${options.cluster ?? ""}
[rpc]
  bind-address = "${member.host}:${member.rpcPort}"
  ${options.rpc ?? ""}
[storage]
  boltdb = ${at("kapacitor.db")}
[replay]
  dir = ${at("replay")}
[task]
  dir = ${at("tasks")}
[load]
  enabled = false
  dir = ${at("load")}
[logging]
  file = "STDERR"
  level = "INFO"
[reporting]
  enabled = false
${influx}
${options.config ?? ""}
`;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** Runs the binary like a user would: `cli("kapacitor", "-url", …)`. */
export function cli(...words: string[]): CommandResult {
  const run = Bun.spawnSync([BINARY, ...words], { stdin: "ignore" });
  return { stdout: run.stdout.toString(), stderr: run.stderr.toString(), code: run.exitCode };
}

/** The same, and throws with everything it printed when it fails. */
export function mustRun(...words: string[]): string {
  const { stdout, stderr, code } = cli(...words);
  if (code !== 0) throw new Error(`kapacitor ${words.join(" ")}: exit ${code}\n${stdout}${stderr}`);
  return stdout;
}

/** The same without standing still meanwhile: endpoints of this process go on answering. */
export async function runWhileServing(...words: string[]): Promise<string> {
  const run = Bun.spawn([BINARY, ...words], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
    run.exited,
  ]);
  if (code !== 0) throw new Error(`kapacitor ${words.join(" ")}: exit ${code}\n${stdout}${stderr}`);
  return stdout;
}

/** Polls until the condition holds; throws with the description after the bound. */
export async function until(
  what: string,
  boundMs: number,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = performance.now() + boundMs;
  for (;;) {
    if (await holds()) return;
    if (performance.now() > end) throw new Error(`not within ${boundMs} ms: ${what}`);
    await Bun.sleep(10);
  }
}

/** A notification as the webhook saw it. */
export interface Notification {
  /** When it arrived, before any delay of the answer. */
  readonly at: number;
  readonly id: string;
  readonly level: string;
  readonly time: string;
  readonly message: string;
  readonly body: unknown;
}

/** An HTTP receiver that remembers everything posted to it. */
export class Webhook {
  readonly received: Notification[] = [];
  readonly #server: Bun.Server<undefined>;
  /** Answers with this status; 200 at first. */
  status = 200;
  /** Waits this long before it answers. */
  delayMs = 0;
  /** Requests so far, refused ones too. */
  requests = 0;
  /** Decides the status of the n-th request (from 1) instead of `status`. */
  statusOf: ((request: number) => number) | undefined;

  constructor(host: string, onReceive: (notification: Notification) => void = () => {}) {
    this.#server = Bun.serve({
      hostname: host,
      port: 0,
      fetch: async (request) => {
        const at = performance.now();
        const body = (await request.json()) as Record<string, string>;
        this.requests++;
        const status = this.statusOf?.(this.requests) ?? this.status;
        if (this.delayMs > 0) await Bun.sleep(this.delayMs);
        if (status < 300) {
          const { id = "", level = "", time = "", message = "" } = body;
          const notification = { at, id, level, time, message, body };
          this.received.push(notification);
          onReceive(notification);
        }
        return new Response(null, { status });
      },
    });
  }

  get url(): string {
    return `http://${this.#server.hostname}:${this.#server.port}/`;
  }

  async close(): Promise<void> {
    await this.#server.stop(true);
  }
}

/** The CPU task of the demo and of the end-to-end tests. */
export const CPU_TASK = `dbrp "telegraf"."autogen"

stream
    |from()
        .measurement('cpu')
        .where(lambda: "cpu" == 'cpu-total')
        .groupBy('host')
    |window()
        .period(10s)
        .every(10s)
        .align()
    |mean('usage_user')
        .as('mean')
    |eval(lambda: "mean" / 100.0)
        .as('share')
        .keep('mean', 'share')
    |alert()
        .id('cpu/{{ index .Tags "host" }}')
        .message('{{ .ID }} is {{ .Level }} at {{ index .Fields "mean" | printf "%0.1f" }} %')
        .warn(lambda: "mean" > 70.0)
        .crit(lambda: "share" > 0.9)
        .stateChangesOnly()
        .topic('cpu')
    |httpOut('cpu')
`;

export const BASE_TIME_MS = 1_700_000_000_000;
const VALUES = [95, 80, 20];
const LEVELS = ["CRITICAL", "WARNING", "OK"];

/**
 * Rounds of one point per host whose level changes every time. A round's events are raised when the next
 * round's points close its windows, so `rounds` rounds raise `(rounds − 1) × hosts` events.
 */
export class CpuFeed {
  readonly hosts: readonly string[];
  #round = 0;
  /** Event key `id time level` → when the point that raises it was handed over. */
  readonly raised = new Map<string, number>();

  constructor(hosts: number) {
    this.hosts = Array.from({ length: hosts }, (_, i) => `server${String(i + 1).padStart(2, "0")}`);
  }

  /** Line protocol of the next round; remembers which events it raises. */
  next(): string {
    const round = this.#round++;
    const atMs = BASE_TIME_MS + round * 10_000;
    if (round > 0) {
      const level = LEVELS[(round - 1) % LEVELS.length] ?? "";
      const time = new Date(atMs).toISOString().replace(".000Z", "Z");
      for (const host of this.hosts)
        this.raised.set(`cpu/${host} ${time} ${level}`, performance.now());
    }
    const value = VALUES[round % VALUES.length];
    return this.hosts
      .map((host) => `cpu,cpu=cpu-total,host=${host} usage_user=${value} ${atMs}000000\n`)
      .join("");
  }
}

/** The key under which `CpuFeed.raised` knows a notification. */
export function keyOf(notification: Notification): string {
  return `${notification.id} ${notification.time} ${notification.level}`;
}

/** Writes one body to one member, as a client would; throws unless it was taken. */
export async function write(base: string, body: string): Promise<void> {
  const answer = await fetch(`${base}/write?db=telegraf&rp=autogen`, { method: "POST", body });
  if (answer.status !== 204) throw new Error(`write: ${answer.status} ${await answer.text()}`);
}
