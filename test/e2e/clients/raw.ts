/**
 * Requests as the very bytes that a client sends, and the whole answer to each, as text.
 *
 *     === what it shows
 *     > POST /write?db=telegraf HTTP/1.1
 *     > Host: localhost:9092
 *     > Content-Length: 8
 *     cpu v=1\n
 *     < HTTP/1.1 204 No Content
 *     < Date: <date>
 *     {…}
 *
 * Lines of the head end in CR LF on the wire; a body is the lines below it, `\n` at its very end stands for a line
 * feed. `{gzip}` before a body packs it. All headers of an answer are shown in their order. What differs between
 * runs is masked: dates, IDs, measured times, lengths of what was packed. A title that ends in `(stream)` reads an
 * answer without end up to its first line feed, one in `(first line)` shows no more of the answer, one in `(ended)`
 * asks until what is shown runs no more.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

export interface RawCase {
  readonly title: string;
  /** First line and headers. */
  readonly head: readonly string[];
  readonly body: string;
  /** Status line and headers. */
  answerHead: readonly string[];
  answer: string;
}

export interface RawTranscript {
  readonly file: string;
  readonly cases: readonly RawCase[];
}

/** An answer that takes longer is a hang, ms. */
const ANSWER_MS_MAX = 10_000;

export function readRaw(folder: string): RawTranscript[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".txt"))
    .sort()
    .map((name) => {
      const file = join(folder, name);
      const parts = readFileSync(file, "utf8").split(/^=== /m).slice(1);
      return { file, cases: parts.map(readCase) };
    });
}

function readCase(text: string): RawCase {
  const [title = "", ...lines] = text.replace(/\n+$/, "").split("\n");
  const head = lines.filter((line) => line.startsWith("> ")).map((line) => line.slice(2));
  const rest = lines.slice(head.length);
  const at = rest.findIndex((line) => line.startsWith("< HTTP/"));
  const body = rest.slice(0, at < 0 ? undefined : at).join("\n");
  const answer = at < 0 ? [] : rest.slice(at);
  const answerHead = answer.filter((line) => line.startsWith("< ")).map((line) => line.slice(2));
  return { title, head, body, answerHead, answer: answer.slice(answerHead.length).join("\n") };
}

export function writeRaw({ file, cases }: RawTranscript): void {
  const top = /^(?:#[^\n]*\n)*\n?/.exec(readFileSync(file, "utf8"))?.[0] ?? "";
  const text = cases.map(({ title, head, body, answerHead, answer }) =>
    [
      `=== ${title}`,
      ...head.map((line) => `> ${line}`),
      ...(body === "" ? [] : [body]),
      ...answerHead.map((line) => `< ${line}`),
      ...(answer === "" ? [] : [answer]),
      "",
    ].join("\n"),
  );
  writeFileSync(file, top + text.join("\n"));
}

/** The body's bytes. */
export function bodyOf({ body }: RawCase): Buffer {
  const isPacked = body.startsWith("{gzip}");
  const text = (isPacked ? body.slice("{gzip}".length) : body).replace(/\\n$/, "\n");
  return isPacked ? gzipSync(text) : Buffer.from(text);
}

/** What goes over the wire; a chunked body in one piece. */
export function bytesOf(item: RawCase): Buffer {
  const head = Buffer.from(`${item.head.join("\r\n")}\r\n\r\n`);
  const body = bodyOf(item);
  if (!item.head.includes("Transfer-Encoding: chunked")) return Buffer.concat([head, body]);
  const size = Buffer.from(`${body.length.toString(16)}\r\n`);
  return Buffer.concat([head, size, body, Buffer.from("\r\n0\r\n\r\n")]);
}

export interface RawAnswer {
  readonly head: readonly string[];
  readonly body: Buffer;
}

/** Sends the bytes over a connection of their own and reads one answer. */
export function exchange(port: number, bytes: Buffer, isStream = false): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    const end = (answer: RawAnswer): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ANSWER_MS_MAX, () => {
      socket.destroy();
      reject(new Error(`no complete answer within ${ANSWER_MS_MAX} ms: ${received}`));
    });
    socket.on("data", (part) => {
      received = Buffer.concat([received, part]);
      const answer = completeAnswer(received, isStream);
      if (answer !== undefined) end(answer);
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`the connection closed after ${received}`)));
  });
}

/** Undefined until all of it is there. */
function completeAnswer(bytes: Buffer, isStream: boolean): RawAnswer | undefined {
  const split = bytes.indexOf("\r\n\r\n");
  if (split < 0) return undefined;
  const head = bytes.subarray(0, split).toString("latin1").split("\r\n");
  const rest = bytes.subarray(split + 4);
  if (head.some((line) => /^transfer-encoding: chunked$/i.test(line)))
    return chunkedAnswer(head, rest, isStream);
  const length = Number(head.find((line) => /^content-length:/i.test(line))?.split(" ")[1] ?? 0);
  return rest.length < length ? undefined : { head, body: rest.subarray(0, length) };
}

function chunkedAnswer(
  head: readonly string[],
  rest: Buffer,
  isStream: boolean,
): RawAnswer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = rest.indexOf("\r\n", at);
    const size = line < 0 ? Number.NaN : Number.parseInt(rest.toString("latin1", at, line), 16);
    const isComplete = size === 0 || (isStream && parts.some((part) => part.includes("\n")));
    if (isComplete) return { head, body: Buffer.concat(parts) };
    if (Number.isNaN(size) || rest.length < line + 2 + size + 2) return undefined;
    parts.push(rest.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

/** Head and body as a transcript shows them. */
export function shownAnswer({ head, body }: RawAnswer): { head: string[]; answer: string } {
  const isPacked = head.includes("Content-Encoding: gzip") && body.length > 0;
  const isBinary = head.includes("Content-Type: application/octet-stream");
  const text = isBinary ? "<bytes>" : (isPacked ? gunzipSync(body) : body).toString();
  return {
    head: head.map((line) => {
      const shown = masked(line).replace(/^(Date: ).*/, "$1<date>");
      const varies = isPacked || isBinary || shown !== line || masked(text) !== text;
      return varies ? shown.replace(/^(Content-Length: ).*/, "$1<length>") : shown;
    }),
    answer: masked(text).replace(/\n$/, "\\n"),
  };
}

function masked(text: string): string {
  return text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[14][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g, "<uuid>")
    .replace(/"(?!0001-)\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)"/g, '"<time>"')
    .replace(/\bts=\S+/g, "ts=<time>")
    .replace(/"avg_exec_time_ns": \d+/g, '"avg_exec_time_ns": <ns>')
    .replace(/avg_exec_time_ns=\\"[^"]*"/g, 'avg_exec_time_ns=\\"<ns>\\"')
    .replace(/throughput=\\"[^"]*"/g, 'throughput=\\"<rate>\\"')
    .replace(/"throughput": [\d.e+-]+/g, '"throughput": <rate>')
    .replace(/"size": [1-9]\d*/g, '"size": <size>')
    .replace(/^(X-Kapacitor-Build: ).*/, "$1<build>");
}
