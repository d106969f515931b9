/** Bounds of the compiled daemon as they show on the wire, where the runtime has a say too. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Member } from "../../scripts/lab.ts";
import { exchange } from "./clients/raw.ts";

let directory = "";
let member: Member;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "kapacitor-limits-"));
  member = await Member.create({ name: "limits", host: "127.0.0.1", directory });
}, 30_000);

afterAll(async () => {
  await member.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

const HOST = "Host: x\r\n";

async function send(text: string) {
  const { head, body } = await exchange(member.apiPort, Buffer.from(text));
  return { status: Number(head[0]?.split(" ")[1]), text: body.toString() };
}

const stillThere = async (): Promise<void> =>
  expect((await fetch(`${member.url}/kapacitor/v1/ping`)).status).toBe(204);

test.each([
  [
    "a long header",
    `GET /kapacitor/v1/tasks HTTP/1.1\r\n${HOST}X: ${"a".repeat(300_000)}\r\n\r\n`,
    431,
    "headers are too long, at most 262144 characters are accepted",
  ],
  [
    "many headers",
    `GET /kapacitor/v1/tasks HTTP/1.1\r\n${HOST}${`X: ${"a".repeat(9000)}\r\n`.repeat(30)}\r\n`,
    431,
    "headers are too long, at most 262144 characters are accepted",
  ],
  [
    "a long URL",
    `GET /kapacitor/v1/tasks?pattern=${"a".repeat(70_000)} HTTP/1.1\r\n${HOST}\r\n`,
    414,
    "URL is too long, at most 65536 characters are accepted",
  ],
  [
    "a body that announces too much",
    `POST /kapacitor/v1/tasks HTTP/1.1\r\n${HOST}Content-Length: 16777217\r\n\r\n{}`,
    413,
    "request body is too large, at most 16777216 bytes are accepted",
  ],
])("%s is refused in the API's shape", async (_, request, status, error) => {
  const answer = await send(request);
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.text)).toEqual({ error, message: error });
  await stillThere();
});

test("a body in pieces that goes on too long is refused in the API's shape", async () => {
  const piece = `100000\r\n${" ".repeat(0x100000)}\r\n`;
  const head = `POST /kapacitor/v1/tasks HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`;
  const answer = await send(head + piece.repeat(17));
  expect(answer.status).toBe(413);
  expect(JSON.parse(answer.text).error).toStartWith("request body is too large, at most 16777216");
  await stillThere();
});

test("headers beyond what the runtime reads are refused by it, without a body", async () => {
  const request = `GET /kapacitor/v1/tasks HTTP/1.1\r\n${HOST}X: ${"a".repeat(1_100_000)}\r\n\r\n`;
  expect((await send(request)).status).toBe(431);
  await stillThere();
});
