/** Profiles of the compiled daemon while it works: they name its functions and files, and end with their client. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Member, until, write } from "../../scripts/lab.ts";

let directory = "";
let member: Member;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "kapacitor-profiles-"));
  member = await Member.create({ name: "profiles", host: "127.0.0.1", directory });
}, 30_000);

afterAll(async () => {
  await member.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

const get = (path: string, init: RequestInit = {}) =>
  fetch(`${member.url}/kapacitor/v1/debug/pprof/${path}`, init);

const LINES = Array.from({ length: 5_000 }, (_, i) => `cpu,host=h${i % 50} a=${i} ${i}\n`).join("");

/** Writes until it is done. */
async function whileWriting<T>(running: Promise<T>): Promise<T> {
  let isDone = false;
  const done = running.finally(() => {
    isDone = true;
  });
  while (!isDone) await write(member.url, LINES);
  return done;
}

test("a CPU profile names what reads points, in the form of pprof and of browsers", async () => {
  const packed = await whileWriting(get("profile?seconds=1"));
  const texts = gunzipSync(await packed.arrayBuffer()).toString("latin1");
  expect(texts).toContain("src/model/line-protocol.ts");
  expect(texts).not.toContain("../");
  const tree = await whileWriting(get("profile?seconds=1&format=cpuprofile"));
  const { nodes, samples } = await tree.json();
  expect(samples.length).toBeGreaterThan(0);
  expect(JSON.stringify(nodes)).toContain("src/model/line-protocol.ts");
}, 30_000);

test("there is one CPU profile at a time, and one whose client goes makes room", async () => {
  const gone = new AbortController();
  let isRunning = false;
  const begin = async (): Promise<void> => {
    isRunning = true;
    await get("profile?seconds=60", { signal: gone.signal }).catch(() => {});
    isRunning = false;
  };
  await until("the refusal of a second one", 10_000, async () => {
    // The second one may have come first.
    if (!isRunning) begin();
    return (await get("profile?seconds=1")).status === 503;
  });
  gone.abort();
  await until("room", 10_000, async () => (await get("profile?seconds=1")).status === 200);
}, 40_000);

test("the heap is shown by type, as profile, text and snapshot", async () => {
  const heap = gunzipSync(await (await get("heap?gc=1")).arrayBuffer()).toString("latin1");
  expect(heap).toContain("inuse_objects");
  expect(await (await get("heap?debug=1")).text()).toMatch(/^# bytes in use: \d+\n\d+ \w+\n/);
  const snapshot = await (await get("heap?format=heapsnapshot")).json();
  expect(snapshot.snapshot.node_count).toBeGreaterThan(1000);
});

test("the command line is the one it was called by", async () => {
  const [program = "", ...words] = (await (await get("cmdline")).text()).split("\u0000");
  expect(program).toStartWith("/");
  expect(words).toEqual(["kapacitord", "-config", member.configPath]);
});
