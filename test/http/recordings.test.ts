/**
 * Transcripts of recordings and replays over the real engine, language and directory.
 *
 * The format is that of `transcripts.ts`. A case whose title ends in `(ended)` waits until the recording or replay
 * that its path names has ended, one in `(after N alike)` is asked N times before, one in `(while ID runs)`
 * waits until that replay feeds its task; sizes and times of files are masked.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { rmSync, utimesSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { createApp } from "#http/app.ts";
import { FakeQueries } from "#test/support/fake-outside.ts";
import { RecordingWorld, until } from "#test/tasks/recording-world.ts";
import { fakeServices } from "./fake-services.ts";
import { type Case, mask, readTranscripts, UPDATING, writeTranscript } from "./transcripts.ts";

async function appOf(file: string) {
  const fakes = fakeServices();
  const asks = { queries: new FakeQueries(), rawQueries: { run: async () => {} } };
  const world = new RecordingWorld({ clock: fakes.clock, ...(file === "live.txt" ? asks : {}) });
  await world.open();
  writeFileSync(world.path("bad.srpl"), "no gzip");
  writeFileSync(world.path("gone.srpl"), gzipSync("db\nrp\ncpu v=1 1\n"));
  for (const file of ["bad.srpl", "gone.srpl"]) utimesSync(world.path(file), 1e9, 1e9);
  await world.recordings.open();
  rmSync(world.path("gone.srpl"));
  const { tasks, recordings, replays, language } = world;
  const { engine } = world.main;
  const app = createApp({ ...fakes, engine, tasks, recordings, replays, language });
  return { world, app };
}

function masked(text: string): string {
  return mask(text)
    .replace(/"size": [1-9]\d*/g, '"size": <size>')
    .replace(/"avg_exec_time_ns": \d+/g, '"avg_exec_time_ns": <ns>')
    .replace(/remove \S+\//g, "remove <dir>/")
    .replace(/open \S+\//g, "open <dir>/")
    .replace(/\n$/, "\\n");
}

for (const transcript of readTranscripts(join(import.meta.dir, "recordings"))) {
  const file = basename(transcript.file);
  describe(file, async () => {
    const { world, app } = await appOf(file);

    afterAll(async () => {
      await world.close();
      if (UPDATING) writeTranscript(transcript);
    });

    async function run({ method, path, body }: Case): Promise<Response> {
      const request = { method, ...(body === "" ? {} : { body }) };
      return app.handle(new Request(`http://localhost${path}`, request));
    }

    for (const item of transcript.cases) {
      test(item.title, async () => {
        if (item.title.endsWith("(ended)")) {
          const id = basename(item.path);
          await until(() => world.recordings.get(id)?.status !== "running");
          await until(() => world.replays.get(id)?.status !== "running");
        }
        const [, feeding] = /\(while (\w+) runs\)$/.exec(item.title) ?? [];
        if (feeding !== undefined) await until(() => world.replays.running(feeding) !== undefined);
        const alike = Number(/\(after (\d+) alike\)$/.exec(item.title)?.[1] ?? 0);
        for (let i = 0; i < alike; i++) await run(item);
        const response = await run(item);
        const answer = masked(await response.text());
        if (UPDATING) {
          item.status = response.status;
          item.answer = answer;
          return;
        }
        expect(answer).toBe(item.answer);
        expect(response.status).toBe(item.status);
      });
    }
  });
}

test("a task shows the numbers and the endpoint of a replay that runs", async () => {
  const { world, app } = await appOf("recorded.txt");
  try {
    await world.define("t", "stream|from().measurement('cpu')|httpOut('out')");
    writeFileSync(
      world.path("r.srpl"),
      gzipSync("db\nrp\ncpu v=1 1\ndb\nrp\ncpu v=2 60000000000\n"),
    );
    await world.recordings.open();
    const pace = { recordingTime: true, clock: "real" } as const;
    await world.replays.replay({ id: "p", task: "t", recording: "r", ...pace });
    const collected = () => world.replays.running("p")?.engine.stats("t")?.nodeStats["from1"];
    await until(() => collected()?.["collected"] === 1);
    const get = async (path: string) => {
      const request = new Request(`http://localhost/kapacitor/v1/tasks/${path}`);
      return (await app.handle(request)).json();
    };
    expect(await get("t?replay-id=p")).toMatchObject({
      status: "disabled",
      executing: true,
      dot: expect.stringContaining('stream0 -> from1 [processed="1"]'),
      stats: { "node-stats": { from1: { collected: 1 } } },
    });
    expect(await get("t")).toMatchObject({ executing: false, stats: {} });
    expect(await get("t/out")).toMatchObject({
      series: [{ values: [["1970-01-01T00:00:00.000000001Z", 1]] }],
    });
  } finally {
    await world.close();
  }
});
