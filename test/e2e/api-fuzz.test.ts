/**
 * The compiled daemon under requests nobody should send, made from its own OpenAPI document.
 *
 * Methods × paths × parameters, bodies, headers and transports between valid and absurd. No answer is a 5xx that
 * the route does not name, errors have the API's shape, nothing unforeseen is in the log, resident memory
 * levels off, and after every 500 a normal request works. CI sends 3,000, `KAPACITOR_TEST_FULL=1` 20,000.
 * Request `i` of a run depends on `KAPACITOR_TEST_SEED` and `i` alone.
 */

import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Random, SeededRandom } from "#lib/random.ts";
import { Member, until } from "../../scripts/lab.ts";

const FULL = process.env["KAPACITOR_TEST_FULL"] === "1";
const REQUESTS = FULL ? 20_000 : 3_000;
const SEED = Number(process.env["KAPACITOR_TEST_SEED"] ?? Date.now() % 1_000_000_000);
const STEP = 500;
const LANES = 8;
/** An answer that takes longer is a hang, ms. Tests of services may have to wait for a time limit. */
const ANSWER_MS_MAX = 10_000;
const MAY_WAIT = /service-tests|cluster\/members|\/logs|pprof\/profile/;
/**
 * A log session has no end, and its answer begins with the first entry; a profile takes half a minute. Both are left
 * after this time, ms.
 */
const LOGS_MS = 50;
const LONG = /\/logs|pprof\/profile/;
/**
 * How much larger than in the run's first third the daemon may stay, bytes: what the requests define remains, but
 * a leak of 4 KiB each would show in the full run.
 */
const GROWTH_BYTES_MAX = 64 * 1024 * 1024;
/** Writes at the end that unpack to more than is accepted; the runtime gives their memory back late, ms. */
const BOMBS = 20;
const SHRINK_MS_MAX = 30_000;

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly query: readonly string[];
  readonly schema: unknown;
  readonly statuses: ReadonlySet<number>;
}

interface Sent {
  readonly operation: Operation;
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  readonly chunked: boolean;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const pick = <T>(random: Random, from: readonly [T, ...T[]]): T =>
  from[random.below(from.length)] ?? from[0];
const chance = (random: Random, percent: number): boolean => random.below(100) < percent;

const WORDS = [
  ...["t1", "t2", "system", "cpu", "main:t1:alert2", "h1", "slack", "smtp", "influxdb", "default"],
  ...[
    "__proto__",
    "constructor",
    "",
    ".",
    "..",
    "a/b",
    "a b",
    "\u0000",
    "é",
    "😀",
    "%",
    "x".repeat(300),
  ],
  ...[
    "*",
    "[",
    "[a-",
    "\\",
    "true",
    "-1",
    "0",
    "99999999999999999999",
    "1e400",
    "NaN",
    "id",
    "script",
  ],
] as unknown as readonly [string, ...string[]];

const SCRIPTS: readonly [string, ...string[]] = [
  "stream|from().measurement('cpu')|alert().crit(lambda: \"u\" > 1).topic('t1')",
  'dbrp "d"."r"\nstream|from()|httpOut(\'x\')',
  "batch|query('SELECT mean(u) FROM d.r.cpu').period(10s).every(10s)",
  "var m string\nstream|from().measurement(m)",
  "stream|from()|where(lambda: ",
  "var x = ((((((((((((((((((((((1))))))))))))))))))))))",
  "stream|nothing()",
  "'''",
];

/** Texts of JSON that a body may hold anywhere. */
const ODD: readonly [string, ...string[]] = [
  ...(["null", "true", "0", "-0", "1e400", "-1e400", "9007199254740993", "0.1e-400"] as const),
  ...['""', '"\\ud800"', '"\\u0000"', "[]", "{}", "[[[[]]]]", '{"__proto__":{"x":1}}'],
  ...[
    '{"constructor":{"prototype":{"x":1}}}',
    '{"a":1,"a":2}',
    '"2024-13-45T99:99:99Z"',
    "NaN",
    "01",
  ],
];

function quoted(random: Random): string {
  return JSON.stringify(chance(random, 25) ? pick(random, SCRIPTS) : pick(random, WORDS));
}

/** JSON that mostly follows the schema. */
function jsonOf(schema: unknown, random: Random, depth = 0): string {
  if (depth > 6 || chance(random, 8)) return pick(random, ODD);
  const { anyOf, const: literal, type, properties, items, patternProperties } = Object(schema);
  if (Array.isArray(anyOf)) return jsonOf(anyOf[random.below(anyOf.length)], random, depth + 1);
  if (literal !== undefined) return JSON.stringify(literal);
  switch (type) {
    case "string":
      return quoted(random);
    case "boolean":
      return pick(random, ["true", "false"]);
    case "integer":
    case "number":
      return String(random.below(1000) - 500);
    case "array": {
      const list = Array.from({ length: random.below(3) }, () => jsonOf(items, random, depth + 1));
      return `[${list.join(",")}]`;
    }
    case "object":
      return objectOf(properties, patternProperties, { random, depth });
    default:
      return pick(random, ODD);
  }
}

function objectOf(
  properties: unknown,
  pattern: unknown,
  { random, depth }: { readonly random: Random; readonly depth: number },
): string {
  const members = Object.entries(Object(properties))
    .filter(() => chance(random, 80))
    .map(([key, value]) => `${JSON.stringify(key)}:${jsonOf(value, random, depth + 1)}`);
  for (const value of Object.values(Object(pattern)))
    members.push(`${quoted(random)}:${jsonOf(value, random, depth + 1)}`);
  if (chance(random, 10)) members.push(`"__proto__":${pick(random, ODD)}`);
  return `{${members.join(",")}}`;
}

function lines(random: Random): string {
  const line = (): string =>
    pick(random, [
      "cpu,host=a u=1 1000",
      'cpu,host=b u=99.5,v=2i,s="x",b=t',
      "cpu u=1e400",
      "cpu,= u=",
      "cpu u=9223372036854775808i",
      "\u0000",
      `cpu,${"t=1,".repeat(50)}t=2 u=1`,
      "cpu u=1 99999999999999999999",
      'cpu s="unclosed',
    ]);
  return Array.from({ length: 1 + random.below(4) }, line).join("\n");
}

/** Zeros that unpack to 160 MiB, beyond every bound. */
const BOMB = gzipSync(new Uint8Array(160 * 1024 * 1024));

function bodyOf({ path, schema, method }: Operation, random: Random): Uint8Array {
  if (chance(random, 3)) return random.bytes(random.below(300));
  if (chance(random, 2)) return bytesOf("[".repeat(1 + random.below(100_000)));
  if (chance(random, 2)) return bytesOf(`{"id":"${"x".repeat(random.below(200_000))}"}`);
  const text = path.endsWith("/write")
    ? lines(random)
    : method === "PATCH" && schema === undefined
      ? `[{"op":${quoted(random)},"path":"/options/${pick(random, WORDS)}","value":${pick(random, ODD)}}]`
      : jsonOf(schema ?? { type: "object" }, random);
  const bytes = bytesOf(text);
  if (chance(random, 5)) return bytes.slice(0, random.below(bytes.length + 1));
  if (chance(random, 5) && bytes.length > 0)
    bytes[random.below(bytes.length)] = 0x80 + random.below(128);
  return bytes;
}

function encodedWord(random: Random): string {
  if (chance(random, 5)) return pick(random, ["%ff", "%zz", "%", "%c0%80", "a%2Fb", "%00"]);
  return encodeURIComponent(pick(random, WORDS));
}

function targetOf({ path, query }: Operation, random: Random): string {
  const filled = path.replace(/\{\w+\}/g, () => encodedWord(random));
  const given = query
    .filter(() => chance(random, 40))
    .map((name) => `${name}=${encodedWord(random)}`);
  if (chance(random, 3)) given.push(`${encodedWord(random)}=${"y".repeat(random.below(70_000))}`);
  return given.length === 0 ? filled : `${filled}?${given.join("&")}`;
}

function headersOf(random: Random): Record<string, string> {
  const headers: Record<string, string> = {};
  if (chance(random, 20)) headers["Accept-Encoding"] = pick(random, ["gzip", "xgzipx", "*"]);
  if (chance(random, 10)) headers["Origin"] = "http://elsewhere";
  if (chance(random, 10))
    headers["Authorization"] = pick(random, ["Basic %%%", "Bearer a.b.c", "Token x"]);
  if (chance(random, 5)) headers["X-HTTP-Method-Override"] = "DELETE";
  if (chance(random, 3)) headers["X-Long"] = "z".repeat(random.below(400_000));
  return headers;
}

function requestOf(operations: readonly Operation[], random: Random): Sent {
  const operation = operations[random.below(operations.length)] as Operation;
  const other: readonly [string, ...string[]] = ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"];
  const method = chance(random, 8) ? pick(random, other) : operation.method;
  const headers = headersOf(random);
  const takesBody = method !== "GET" && method !== "HEAD";
  let body = takesBody ? bodyOf(operation, random) : undefined;
  if (body !== undefined && chance(random, 12)) {
    headers["Content-Encoding"] = "gzip";
    const kind = random.below(4);
    if (kind < 2) body = gzipSync(body);
    else if (kind === 2) body = gzipSync(body).subarray(0, 15);
  }
  const chunked = body !== undefined && chance(random, 15);
  return { operation, method, target: targetOf(operation, random), headers, body, chunked };
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  const half = bytes.length >> 1;
  return new ReadableStream({
    start(controller) {
      for (const part of [bytes.subarray(0, half), bytes.subarray(half)])
        if (part.length > 0) controller.enqueue(part);
      controller.close();
    },
  });
}

async function send(
  base: string,
  { method, target, headers, body, chunked }: Sent,
): Promise<Answer> {
  const abort = new AbortController();
  const isEndless = LONG.test(target);
  const timer = setTimeout(() => abort.abort(), isEndless ? LOGS_MS : ANSWER_MS_MAX);
  try {
    // A `Request` takes views of any buffer.
    const content = body === undefined ? undefined : chunked ? streamOf(body) : Buffer.from(body);
    const response = await fetch(base + target, {
      ...{ method, headers, redirect: "manual", signal: abort.signal },
      ...(content === undefined ? {} : { body: content }),
    });
    if (isEndless && response.status === 200) {
      abort.abort();
      return { status: response.status, text: "" };
    }
    return { status: response.status, text: await response.text() };
  } finally {
    clearTimeout(timer);
  }
}

/** What is wrong with an answer, or "". */
function fault({ operation, method, target }: Sent, { status, text }: Answer): string {
  const named = method === operation.method && operation.statuses.has(status);
  if (status === 501 && /not available|not enabled/.test(text)) return "";
  if (status >= 500 && status !== 503 && !named)
    return `${status} is not in the route's list: ${text}`;
  if (status >= 500 && /internal error|undefined|is not a function|null/.test(text)) return text;
  if (status < 400 || target.includes("/logs")) return "";
  // What the runtime refuses itself has no body: a target or headers that it cannot read.
  if (text === "" && [400, 413, 414, 431].includes(status)) return "";
  if (method === "HEAD" || target.includes("/write")) return "";
  try {
    const { error, message } = JSON.parse(text);
    return typeof error === "string" && error === message ? "" : `not the shape of errors: ${text}`;
  } catch {
    return `error without JSON: ${status} ${text.slice(0, 200)}`;
  }
}

/** Sends bytes as they are and gives what comes back until the server closes. */
function raw(port: number, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.end(bytes));
    socket.setTimeout(ANSWER_MS_MAX, () => {
      socket.destroy();
      reject(new Error(`no end of the answer within ${ANSWER_MS_MAX} ms`));
    });
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("close", () => resolve(answer));
    // Being cut off in the middle of nonsense is a fine answer.
    socket.on("error", () => resolve(answer));
  });
}

const PING = "/kapacitor/v1/ping";
const HOST = "Host: x\r\nConnection: close\r\n";

/** Streams of bytes that are hardly HTTP. */
function rawRequest(random: Random): string {
  const chunked = `POST /write?db=d HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`;
  return pick(random, [
    `${pick(random, ["TRACE", "CONNECT", "get", "PROPFIND", "X".repeat(5000)])} ${PING} HTTP/1.1\r\n${HOST}\r\n`,
    `GET /kapacitor/v1/tasks/\xff\xfe\x80 HTTP/1.1\r\n${HOST}\r\n`,
    `GET ${PING} HTTP/1.0\r\n\r\n`,
    `GET ${PING} HTTP/1.1\r\n\r\n`,
    `GET ${PING}\r\n`,
    `GET ${PING} HTTP/1.1\r\n${HOST}X: ${"h".repeat(random.below(2_000_000))}\r\n\r\n`,
    `GET ${PING} HTTP/1.1\r\n${HOST}${"A: b\r\n".repeat(random.below(5_000))}\r\n`,
    `GET /${"p".repeat(random.below(200_000))} HTTP/1.1\r\n${HOST}\r\n`,
    `GET ${PING} HTTP/1.1\r\n${HOST}no colon here\r\n\r\n`,
    `GET ${PING} HTTP/1.1\r\n${HOST}X: \x00\r\n\r\n`,
    `GET ${PING} HTTP/1.1\n${HOST}\n\n`,
    `POST /write?db=d HTTP/1.1\r\n${HOST}Content-Length: -5\r\n\r\ncpu u=1`,
    `POST /write?db=d HTTP/1.1\r\n${HOST}Content-Length: 99999999999999999999\r\n\r\ncpu u=1`,
    `POST /write?db=d HTTP/1.1\r\n${HOST}Content-Length: 100\r\n\r\ncpu u=1`,
    `POST /write?db=d HTTP/1.1\r\n${HOST}Content-Length: 7\r\nContent-Length: 3\r\n\r\ncpu u=1`,
    `POST /write?db=d HTTP/1.1\r\n${HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${chunked}7\r\ncpu u=1\r\n0\r\n\r\n`,
    `${chunked}zz\r\ncpu u=1\r\n0\r\n\r\n`,
    `${chunked}ffffffffffffffff\r\ncpu u=1\r\n0\r\n\r\n`,
    `${chunked}7\r\ncpu u=1`,
    `POST /kapacitor/v1/tasks HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}`,
    `GET http://[::1/x HTTP/1.1\r\n${HOST}\r\n`,
    `GET * HTTP/1.1\r\n${HOST}\r\n`,
    `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
    `HEAD ${PING} HTTP/1.1\r\n${HOST}\r\n`,
    Buffer.from(random.bytes(random.below(2_000))).toString("latin1"),
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  ]);
}

/** Two requests in one packet: both are answered, in order. */
async function pipelined(port: number): Promise<string> {
  const first = `GET /kapacitor/v1/tasks/none HTTP/1.1\r\nHost: x\r\n\r\n`;
  const answer = await raw(port, bytesOf(`${first}GET ${PING} HTTP/1.1\r\n${HOST}\r\n`));
  const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
  return statuses.join() === "404,204" ? "" : `pipelining answered ${statuses.join()}`;
}

async function rawFault(port: number, random: Random): Promise<string> {
  if (chance(random, 20)) return pipelined(port);
  const bytes = rawRequest(random);
  const answer = await raw(port, Buffer.from(bytes, "latin1"));
  // 505 is the runtime's own word for a first line that names no version it knows.
  const bad = /HTTP\/1\.[01] (?!505)5\d\d[\s\S]{0,300}/.exec(answer);
  return bad === null ? "" : `${JSON.stringify(bytes.slice(0, 200))} answered ${bad[0]}`;
}

function operationsOf(document: unknown): readonly Operation[] {
  return Object.entries(Object(Reflect.get(Object(document), "paths"))).flatMap(([path, methods]) =>
    Object.entries(Object(methods)).map(([method, described]): Operation => {
      const { parameters, requestBody, responses } = Object(described);
      const inQuery = (parameters as { in: string; name: string }[]).filter(
        (p) => p.in === "query",
      );
      return {
        path,
        method: method.toUpperCase(),
        query: inQuery.map(({ name }) => name),
        schema: requestBody?.content["application/json"].schema,
        statuses: new Set(Object.keys(responses).map(Number)),
      };
    }),
  );
}

function residentBytes(pid: number): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}

/** The numbered request of this run; gives what is wrong with its answer, or "". */
async function one(
  member: Member,
  operations: readonly Operation[],
  statuses: Map<number, number>,
  i: number,
): Promise<string> {
  const random = new SeededRandom((SEED + i * 7919) >>> 0);
  if (chance(random, 15)) return rawFault(member.apiPort, random);
  const sent = requestOf(operations, random);
  const shown = `${sent.method} ${sent.target.slice(0, 300)} ${Buffer.from(sent.body ?? []).toString("latin1", 0, 300)}`;
  try {
    const answer = await send(member.url, sent);
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    const wrong = fault(sent, answer);
    return wrong === "" ? "" : `${shown}: ${wrong}`;
  } catch (error) {
    if (MAY_WAIT.test(sent.target)) return "";
    return `${shown}: ${error}`;
  }
}

async function normalRequest(member: Member): Promise<void> {
  const url = `${member.url}/kapacitor/v1`;
  const id = "normal";
  const body = JSON.stringify({ id, script: SCRIPTS[1], status: "enabled" });
  expect((await fetch(`${url}/tasks/${id}`, { method: "DELETE" })).status).toBe(204);
  const made = await fetch(`${url}/tasks`, { method: "POST", body });
  expect({ status: made.status, executing: (await made.json()).executing }).toEqual({
    ...{ status: 200, executing: true },
  });
  const written = await fetch(`${url}/write?db=d&rp=r`, { method: "POST", body: "cpu u=1 1" });
  expect(written.status).toBe(204);
}

async function bomb(member: Member): Promise<void> {
  const headers = { "Content-Encoding": "gzip" };
  const answer = await fetch(`${member.url}/write?db=d`, { method: "POST", headers, body: BOMB });
  const text = `request body unpacks to more than ${128 * 1024 * 1024} bytes\n`;
  expect({ status: answer.status, text: await answer.text() }).toEqual({ status: 413, text });
}

test(
  `${REQUESTS} requests leave the daemon alive, truthful and no bigger`,
  async () => {
    console.log(`fuzz of the API: seed ${SEED}, ${REQUESTS} requests`);
    const directory = mkdtempSync(join(tmpdir(), "kapacitor-fuzz-"));
    const member = await Member.create({ name: "fuzz", host: "127.0.0.1", directory });
    try {
      const document = await fetch(`${member.url}/kapacitor/v1/openapi.json`);
      const operations = operationsOf(await document.json());
      expect(operations.length).toBeGreaterThan(50);
      const sizes: number[] = [];
      const statuses = new Map<number, number>();
      const wrong: string[] = [];
      for (let from = 0; from < REQUESTS; from += STEP) {
        let next = from;
        const lane = async (): Promise<void> => {
          while (next < from + STEP) {
            const i = next++;
            const found = await one(member, operations, statuses, i);
            if (found !== "") wrong.push(`#${i} ${found}`);
          }
        };
        await Promise.all(Array.from({ length: LANES }, lane));
        await normalRequest(member);
        sizes.push(residentBytes(member.pid));
      }
      const log = readFileSync(member.logPath, "utf8");
      wrong.push(
        ...log.split("\n").filter((line) => /request failed|uncaught|unhandled/i.test(line)),
      );
      if (wrong.length > 0) throw new Error(`seed ${SEED}:\n${wrong.slice(0, 40).join("\n")}`);
      console.log(`resident MiB: ${sizes.map((size) => Math.round(size / 2 ** 20)).join(" ")}`);
      console.log(
        [...statuses]
          .sort()
          .map(([status, n]) => `${status}: ${n}`)
          .join(", "),
      );
      // Were nearly all refused at the door, the run would say little.
      expect((statuses.get(200) ?? 0) + (statuses.get(204) ?? 0)).toBeGreaterThan(REQUESTS / 10);
      await Promise.all(Array.from({ length: BOMBS }, () => bomb(member)));
      const early = Math.max(...sizes.slice(0, Math.ceil(sizes.length / 3)));
      await until(`at most ${GROWTH_BYTES_MAX} bytes above ${early}`, SHRINK_MS_MAX, async () => {
        await normalRequest(member);
        return residentBytes(member.pid) < early + GROWTH_BYTES_MAX;
      });
    } finally {
      await member.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    }
  },
  FULL ? 900_000 : 120_000,
);
