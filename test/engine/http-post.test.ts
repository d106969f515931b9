/** httpPost: what waits, in which order it is posted and passed on, what a stop does, endpoints. */

import { describe, expect, test } from "bun:test";
import { DRAIN_MS_MAX, POSTS_UNDER_WAY_MAX, POSTS_WAITING_MAX } from "#engine/limits.ts";
import { defineNode } from "#engine/node.ts";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import { Forwarding } from "#engine/receiver.ts";
import { TestEngine, taskOf } from "#test/support/engine.ts";

const turns = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

/** The script's `see()` writes down what comes out; posts wait until they are answered by the test. */
function setup(script = "stream|from().groupBy('h')|httpPost('http://localhost/')|see()") {
  const seen: string[] = [];
  const see = defineNode({
    method: "see",
    goType: "*test.SeeNode",
    wants: "either",
    provides: "same",
    doc: "A test's node.",
    options: () => undefined,
    start: (_options, { out }) => {
      const node = new Forwarding(out);
      node.point = (group, point) => seen.push(`${group.id} ${Object.values(point.fields())}`);
      node.barrier = (group, ms) => seen.push(`barrier ${group.id} ${ms}`);
      node.deleteGroup = (group) => seen.push(`delete ${group.id}`);
      node.finish = () => seen.push("finish");
      return node;
    },
  });
  const t = new TestEngine({ specs: new Map([...NODE_SPECS, ["see", see]]) });
  const { posts } = t.outside;
  const waiting: ((status: number | Error) => void)[] = [];
  posts.answer = (_request, signal) =>
    new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      waiting.push((said) =>
        said instanceof Error ? reject(said) : resolve({ status: said, body: "" }),
      );
    });
  expect(t.engine.start(taskOf("t", script))).toEqual({ kind: "started" });
  const bodies = (): string[] =>
    posts.requests.map(({ body }) => JSON.stringify(JSON.parse(body).series[0].values[0].at(-1)));
  const node = () => t.engine.stats("t")?.nodeStats["http_post2"] ?? {};
  return { t, seen, posts, waiting, bodies, node };
}

describe("order", () => {
  test("of one group one post follows the other; of several they go at once", async () => {
    const { t, waiting, bodies } = setup();
    await t.write("m,h=a v=1 1\nm,h=a v=2 2\nm,h=b v=3 3\n");
    expect(bodies()).toEqual(["1", "3"]);
    waiting[0]?.(200);
    await turns();
    expect(bodies()).toEqual(["1", "3", "2"]);
  });

  test("data goes on in the order in which it came, whatever was answered first", async () => {
    const { t, seen, waiting } = setup();
    await t.write("m,h=a v=1 1\nm,h=b v=2 2\nm,h=c v=3 3\n");
    waiting[2]?.(200);
    waiting[1]?.(200);
    await turns();
    expect(seen).toEqual([]);
    waiting[0]?.(new Error("gone"));
    await turns();
    expect(seen).toEqual(["h=a 1", "h=b 2", "h=c 3"]);
    expect(t.errors()).toEqual(["http_post2: failed to POST data: gone"]);
  });

  test("at most so many posts are under way", async () => {
    const { t, waiting, posts } = setup();
    const lines = Array.from({ length: POSTS_UNDER_WAY_MAX + 1 }, (_, i) => `m,h=${i} v=1 1`);
    await t.write(lines.join("\n"));
    expect(posts.requests.length).toBe(POSTS_UNDER_WAY_MAX);
    waiting[3]?.(200);
    await turns();
    expect(posts.requests.length).toBe(POSTS_UNDER_WAY_MAX + 1);
  });

  test("barriers and deletions keep their place", async () => {
    const script =
      "stream|from().groupBy('h')|barrier().idle(1s).delete(TRUE)|httpPost('http://localhost/')|see()";
    const { t, seen, waiting } = setup(script);
    await t.write("m,h=a v=1 0\n");
    t.clock.advance(1_000);
    await t.write("m,h=b v=2 0\n");
    expect(seen).toEqual([]);
    waiting[0]?.(200);
    waiting[1]?.(200);
    await turns();
    expect(seen).toEqual(["h=a 1", "barrier h=a 1000", "delete h=a", "h=b 2"]);
  });
});

test("what is too much is dropped and counted, and the rest goes on", async () => {
  const { t, seen, waiting, node } = setup("stream|from()|httpPost('http://localhost/')|see()");
  const lines = Array.from({ length: POSTS_WAITING_MAX + 5 }, (_, i) => `m v=${i} 1`);
  await t.write(lines.join("\n"));
  expect(node()).toMatchObject({ posts_dropped: 5, errors: 5, posts_waiting: POSTS_WAITING_MAX });
  waiting[0]?.(200);
  await turns();
  expect(seen).toEqual([" 0"]);
});

describe("stopping", () => {
  test("waits for what is under way and passes it on before the end", async () => {
    const { t, seen, waiting } = setup();
    await t.write("m,h=a v=1 1\n");
    let stopped = false;
    const stop = t.engine.stop("t").then(() => {
      stopped = true;
    });
    await turns();
    expect(stopped).toBe(false);
    expect(t.engine.isRunning("t")).toBe(false);
    expect(t.start("t", "stream|from()")).toEqual({
      kind: "refused",
      error: "task t is still stopping",
    });
    waiting[0]?.(200);
    await stop;
    expect(seen).toEqual(["h=a 1", "finish"]);
    expect(t.start("t", "stream|from()")).toEqual({ kind: "started" });
  });

  test("waits a bounded time, then drops what is left", async () => {
    const { t, seen } = setup();
    await t.write("m,h=a v=1 1\n");
    const stop = t.engine.stop("t");
    await turns();
    t.clock.advance(DRAIN_MS_MAX);
    await stop;
    expect(seen).toEqual([]);
    expect(t.errors()).toEqual([]);
  });

  test("drains one node after the other", async () => {
    const script =
      "stream|from()|httpPost('http://localhost/1')|httpPost('http://localhost/2')|see()";
    const { t, seen, waiting, posts } = setup(script);
    await t.write("m v=1 1\n");
    const stop = t.engine.stop("t");
    waiting[0]?.(200);
    await turns();
    waiting[1]?.(200);
    await stop;
    expect(posts.requests.map(({ url }) => url)).toEqual([
      "http://localhost/1",
      "http://localhost/2",
    ]);
    expect(seen).toEqual([" 1", "finish"]);
  });
});

describe("an endpoint", () => {
  const endpoint = {
    url: "http://localhost/{{ .Name }}",
    headers: { "X-A": "1", "X-B": "1" },
    rowTemplate: '{{ range .Values }}{{ index . "v" }}@{{ index . "time" }} {{ end }}{{ .Tags.h }}',
  };

  function open(more: string) {
    const t = new TestEngine();
    t.outside.posts.endpoints.set("e", endpoint);
    const script = `stream|from()|httpPost().endpoint('e')${more}`;
    expect(t.start("t", script)).toEqual({ kind: "started" });
    return t;
  }

  test("gives URL, headers and body; the node's headers win", async () => {
    const t = open(".header('X-B', '2')");
    await t.write("m,h=a v=1 1000000\n");
    expect(t.outside.posts.requests).toEqual([
      {
        url: "http://localhost/m",
        headers: { "X-A": "1", "X-B": "2" },
        body: "1@1970-01-01 00:00:00.001 +0000 UTC a",
        timeoutMs: 0,
      },
    ]);
  });

  test("is the one that is configured when a point comes", async () => {
    const t = open("");
    t.outside.posts.endpoints.set("e", { ...endpoint, url: "http://localhost/new" });
    await t.write("m v=1 1\n");
    t.outside.posts.endpoints.clear();
    await t.write("m v=2 1\n");
    await turns();
    expect(t.outside.posts.requests.map(({ url }) => url)).toEqual(["http://localhost/new"]);
    expect(t.errors()).toEqual([
      'http_post2: failed to POST data: no httppost endpoint "e" is configured',
    ]);
  });
});
