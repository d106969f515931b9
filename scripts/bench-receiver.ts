/**
 * The endpoint of a bench's alerts, in a process of its own, so that its work is nobody else's.
 *
 * As a program (`bench-receiver.ts [ms per answer]`) it counts what is posted to it and can probe: it writes points that
 * cross a threshold and takes the time until their alerts arrive; both times are of one clock then. `Receiver` is the handle
 * that a bench holds. Alerts whose message is a number are checked for order and repetition.
 */

import { Connection, post } from "./bench-client.ts";
import { quantile } from "./bench-figures.ts";
import { atExit } from "./bench-process.ts";
import { until } from "./lab.ts";

export interface Report {
  readonly received: number;
  /** Numbered alerts that came after one with a higher number, and those that came twice. */
  readonly disordered: number;
  readonly repeated: number;
}

export interface ProbeOrder {
  /** Where points are written to: base URL and path with query. */
  readonly base: string;
  readonly path: string;
  readonly perSecond: number;
  readonly seconds: number;
}

/** Ms from sending a point to the arrival of its alert. */
export interface ProbeReport {
  readonly p50: number;
  readonly p99: number;
  readonly sent: number;
  /** Without an alert after ten seconds. */
  readonly lost: number;
}

/** A task that raises an alert for every probe. */
export function probeTask(receiver: Receiver): string {
  return `stream|from().measurement('probe')|alert().id('probe')
    .message('{{ index .Fields "seq" }}').crit(lambda: "v" > 50.0).post('${receiver.url}')`;
}

export class Receiver implements AsyncDisposable {
  readonly url: string;
  readonly #process: Bun.Subprocess;
  readonly #keep: () => void;

  private constructor(url: string, process: Bun.Subprocess) {
    this.url = url;
    this.#process = process;
    this.#keep = atExit(() => process.kill("SIGKILL"));
  }

  static async start(answerMs = 0): Promise<Receiver> {
    const program = [process.execPath, import.meta.path, String(answerMs)];
    const child = Bun.spawn(program, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    return new Receiver(new TextDecoder().decode(value).trim(), child);
  }

  async report(): Promise<Report> {
    return (await fetch(this.url)).json() as Promise<Report>;
  }

  /** Until so many arrived; throws when nothing arrives for `quietMs`. */
  async arrived(expected: number, quietMs = 30_000): Promise<void> {
    let last = { received: -1, at: performance.now() };
    await until(`${expected} alerts arrive`, 600_000, async () => {
      const { received } = await this.report();
      if (received >= expected) return true;
      if (received > last.received) last = { received, at: performance.now() };
      if (performance.now() - last.at > quietMs)
        throw new Error(`${received} of ${expected} alerts arrived, then none for ${quietMs} ms`);
      return false;
    });
  }

  async probe(order: ProbeOrder): Promise<ProbeReport> {
    const body = JSON.stringify(order);
    const answer = await fetch(`${this.url}probe`, { method: "POST", body, timeout: false });
    if (!answer.ok) throw new Error(`probe: ${await answer.text()}`);
    return answer.json() as Promise<ProbeReport>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    this.#keep();
  }
}

const PROBE_CONNECTIONS = 16;
const LATE_MS = 10_000;

/** Number of a probe → when it was sent. */
const underWay = new Map<number, number>();
const delays: number[] = [];

async function probe({ base, path, perSecond, seconds }: ProbeOrder): Promise<ProbeReport> {
  const free = await Promise.all(
    Array.from({ length: PROBE_CONNECTIONS }, () => Connection.open(base)),
  );
  const start = performance.now();
  const firstSecond = Math.floor((performance.timeOrigin + start) / 1000) - 100_000;
  let sent = 0;
  let refused: string | undefined;
  const refuse = (why: string): void => {
    refused ??= why;
  };
  for (let seq = 0; seq < Math.ceil(perSecond * seconds); seq++) {
    await Bun.sleep(Math.max(0, start + (seq * 1000) / perSecond - performance.now()));
    // In turn, so that all are as warm.
    const connection = free.shift();
    // All wait for an answer: the server's delays of these are in the figures already.
    if (connection === undefined) continue;
    const line = `probe,src=bench v=100,seq=${seq}i ${firstSecond + seq}000000000\n`;
    const { bytes } = post(path, new TextEncoder().encode(line), 1);
    sent++;
    underWay.set(seq, performance.now());
    connection.send(bytes).then(
      ({ status }) => {
        if (status !== 204) refuse(`a probe was answered ${status}`);
        free.push(connection);
      },
      (error: Error) => refuse(error.message),
    );
  }
  const late = performance.now() + LATE_MS;
  while (underWay.size > 0 && performance.now() < late) await Bun.sleep(10);
  for (const connection of free) connection.close();
  // Such a probe is among the lost ones below, although the server never had it.
  if (refused !== undefined) console.error(`probe: ${refused}`);
  const sorted = delays.toSorted((a, b) => a - b);
  const report = { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
  const lost = underWay.size;
  delays.length = 0;
  underWay.clear();
  return { ...report, sent, lost };
}

function serve(answerMs: number): string {
  let seen = new Set<number>();
  let [received, disordered, repeated, highest] = [0, 0, 0, -1];
  const count = (message: string, at: number): void => {
    received++;
    const number = /^\d+$/.test(message) ? Number(message) : -1;
    if (number < 0) return;
    const sentAt = underWay.get(number);
    if (sentAt !== undefined && underWay.delete(number)) delays.push(at - sentAt);
    if (seen.has(number)) repeated++;
    else if (number < highest) disordered++;
    seen.add(number);
    highest = Math.max(highest, number);
  };
  const server = Bun.serve({
    ...{ hostname: "127.0.0.1", port: 0, idleTimeout: 0 },
    async fetch(request) {
      const at = performance.now();
      if (request.method === "GET") return Response.json({ received, disordered, repeated });
      if (request.url.endsWith("/probe")) {
        [seen, highest] = [new Set<number>(), -1];
        return Response.json(await probe((await request.json()) as ProbeOrder));
      }
      const { message = "" } = (await request.json()) as { message?: string };
      count(message, at);
      if (answerMs > 0) await Bun.sleep(answerMs);
      return new Response(null, { status: 204 });
    },
  });
  return `http://127.0.0.1:${server.port}/`;
}

if (import.meta.main) console.log(serve(Number(process.argv[2] ?? 0)));
