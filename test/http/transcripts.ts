/**
 * Transcripts: requests and their exact answers, as text.
 *
 *     === what it shows
 *     > POST /kapacitor/v1/tasks
 *     > Accept: application/json
 *     {"id": "t1"}
 *     < 200
 *     < Content-Type: application/json; charset=utf-8
 *     {…}
 *
 * Headers after `<` are compared, others are not. Cases of one file run in order against one server.
 * UUIDs are masked as `<uuid>`. `UPDATE_TRANSCRIPTS=1` writes the answers that came; the diff is what
 * reviewers read.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Case {
  readonly title: string;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  status: number;
  answerHeaders: (readonly [string, string])[];
  answer: string;
}

export interface Transcript {
  readonly file: string;
  readonly cases: Case[];
}

export const UPDATING = process.env["UPDATE_TRANSCRIPTS"] === "1";

export function readTranscripts(folder: string): Transcript[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".txt"))
    .sort()
    .map((name) => {
      const file = join(folder, name);
      const parts = readFileSync(file, "utf8").split(/^=== /m).slice(1);
      return { file, cases: parts.map(readCase) };
    });
}

function readCase(text: string): Case {
  const lines = text.replace(/\n+$/, "").split("\n");
  const title = lines.shift() ?? "";
  const request = take(lines, "> ");
  const [method = "GET", path = "/"] = request[0]?.split(" ") ?? [];
  const headers = request.slice(1).map(header);
  const rest = lines.slice(request.length);
  const split = rest.findIndex((line) => /^< \d{3}$/.test(line));
  const body = (split < 0 ? rest : rest.slice(0, split)).join("\n");
  const answer = split < 0 ? ["< 0"] : rest.slice(split);
  const answerHeaders = take(answer.slice(1), "< ").map(header);
  return {
    title,
    method,
    path,
    headers,
    body,
    status: Number(answer[0]?.slice(2)),
    answerHeaders,
    answer: answer.slice(1 + answerHeaders.length).join("\n"),
  };
}

function take(lines: readonly string[], mark: string): string[] {
  const end = lines.findIndex((line) => !line.startsWith(mark));
  return (end < 0 ? lines : lines.slice(0, end)).map((line) => line.slice(mark.length));
}

function header(line: string): readonly [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

export function mask(text: string): string {
  return text.replace(
    /[0-9a-f]{8}-[0-9a-f]{4}-[14][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g,
    "<uuid>",
  );
}

export function writeTranscript({ file, cases }: Transcript): void {
  const head = /^(?:#[^\n]*\n)*\n?/.exec(readFileSync(file, "utf8"))?.[0] ?? "";
  const text = cases.map((item) => {
    const lines = [`=== ${item.title}`, `> ${item.method} ${item.path}`];
    for (const [name, value] of item.headers) lines.push(`> ${name}: ${value}`);
    if (item.body !== "") lines.push(item.body);
    lines.push(`< ${item.status}`);
    for (const [name, value] of item.answerHeaders) lines.push(`< ${name}: ${value}`);
    if (item.answer !== "") lines.push(item.answer);
    return `${lines.join("\n")}\n`;
  });
  writeFileSync(file, head + text.join("\n"));
}
