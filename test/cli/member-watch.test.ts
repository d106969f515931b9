/** `member list -watch`: what it prints of a cluster that changes between two questions. */

import { afterEach, expect, test } from "bun:test";
import { runCli } from "./support.ts";

const ID = "5d1f0d0a-3c52-4a86-8e5c-9a0f6f2b7c01";
const OTHER = "c3a7e9b2-0d64-4c0f-b8f7-6f1e2d3c4b02";

const member = (id: string, status: string) => ({
  id,
  "gossip-address": "a:9090",
  "rpc-address": "a:9091",
  "api-address": "a:9092",
  roles: ["worker"],
  status,
});

const cluster = (...members: ReturnType<typeof member>[]) => ({
  id: "c1",
  state: "initialized",
  "local-member-id": ID,
  members,
});

let server: Bun.Server<undefined> | undefined;
afterEach(() => server?.stop(true));

/** Runs against answers in their order (`undefined`: status 500); interrupted when the last was given. */
async function watched(
  answers: readonly (object | undefined)[],
  words: readonly string[],
  terminal = false,
) {
  const over = new AbortController();
  const left = [...answers];
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch() {
      const answer = left.shift();
      if (left.length === 0) over.abort();
      return answer === undefined
        ? Response.json({ error: "away" }, { status: 500 })
        : Response.json(answer);
    },
  });
  const url = `http://127.0.0.1:${server.port}`;
  return runCli(["kapacitorctl", "member", "list", ...words], {
    url,
    outIsTerminal: terminal,
    interrupted: () => over.signal,
  });
}

const AT = "2026-11-22T06:27:41Z";

test("elsewhere than on a terminal a line per change, and none where nothing changed", async () => {
  const both = cluster(member(ID, "alive"), member(OTHER, "alive"));
  const ran = await watched(
    [
      both,
      both,
      cluster(member(ID, "alive"), member(OTHER, "suspect")),
      undefined,
      cluster(member(ID, "alive")),
      cluster(member(ID, "alive")),
    ],
    ["-watch"],
  );
  expect(ran.out.split("\n")).toEqual([
    `${AT} cluster c1 initialized`,
    `${AT} ${ID} a:9092 alive`,
    `${AT} ${OTHER} a:9092 alive`,
    `${AT} ${OTHER} a:9092 alive -> suspect`,
    `${AT} ${OTHER} a:9092 suspect -> removed`,
    "",
  ]);
  expect(ran.err).toBe(`${AT} no answer: away\n${AT} answers again\n`);
  expect(ran.code).toBe(0);
});

test("on a terminal the list is drawn over itself", async () => {
  const ran = await watched(
    [cluster(member(ID, "alive")), cluster(member(ID, "leaving")), cluster(member(ID, "leaving"))],
    ["--watch"],
    true,
  );
  expect(ran.code).toBe(0);
  expect(ran.out.startsWith("\x1b[2J\x1b[H")).toBe(true);
  const screens = ran.out.split("\x1b[H").slice(1);
  expect(screens.length).toBeGreaterThanOrEqual(2);
  for (const screen of screens) {
    expect(screen).toStartWith(`${AT}\x1b[K\n\x1b[K\nState: initialized\x1b[K\n`);
    expect(screen).toEndWith("\x1b[J");
  }
  expect(screens[0]).toContain("worker alive\x1b[K\n");
  expect(screens[1]).toContain("worker leaving\x1b[K\n");
});

test("with -output json a terminal gets lines too", async () => {
  const ran = await watched([cluster(member(ID, "alive"))], ["-watch", "-output", "json"], true);
  expect(JSON.parse(ran.out)).toMatchObject({ time: AT, id: "c1" });
  expect(ran.out.split("\n")).toHaveLength(2);
});

test.each([
  [["-watch", "more"], "member list takes no arguments"],
  [["-what"], "flag provided but not defined: -what"],
])("%j is refused", async (words, message) => {
  const ran = await watched([cluster()], words);
  expect([ran.code, ran.out]).toEqual([1, ""]);
  expect(ran.err).toStartWith(`Error: ${message}`);
});
