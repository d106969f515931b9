/**
 * Every transcript of the folder `transcripts` against its world.
 *
 * A title that ends in `(first line)` compares the answer's first line; `(stream)` reads the first part of an answer
 * without end, `(after N alike)` asks N times before; bytes are shown as `<bytes>`, zero bytes in text as `\\0`.
 */

import { describe, expect, test } from "bun:test";
import { basename, join } from "node:path";
import { type Case, mask, readTranscripts, UPDATING, writeTranscript } from "./transcripts.ts";
import { worldOf } from "./worlds.ts";

const folder = join(import.meta.dir, "transcripts");

async function textOf(item: Case, response: Response): Promise<string> {
  if (item.title.endsWith("(stream)")) {
    const reader = response.body?.getReader();
    const first = await reader?.read();
    await reader?.cancel();
    return new TextDecoder().decode(first?.value);
  }
  if (response.headers.get("Content-Type") === "application/octet-stream") return "<bytes>";
  const text = (await response.text()).replaceAll("\u0000", "\\0");
  return item.title.endsWith("(first line)") ? (text.split("\n")[0] ?? "") : text;
}

for (const transcript of readTranscripts(folder)) {
  describe(basename(transcript.file), async () => {
    const app = await worldOf(basename(transcript.file));

    async function run(item: Case): Promise<Response> {
      const withBody = item.body !== "" && item.method !== "GET" && item.method !== "HEAD";
      return app.handle(
        new Request(`http://localhost${item.path}`, {
          method: item.method,
          headers: item.headers.map(([name, value]): [string, string] => [name, value]),
          ...(withBody ? { body: item.body } : {}),
        }),
      );
    }

    for (const item of transcript.cases) {
      test(item.title, async () => {
        const alike = Number(/\(after (\d+) alike\)$/.exec(item.title)?.[1] ?? 0);
        for (let i = 0; i < alike; i++) await run(item);
        const response = await run(item);
        const answer = mask(await textOf(item, response)).replace(/\n$/, "\\n");
        if (UPDATING) {
          item.status = response.status;
          item.answer = answer;
          item.answerHeaders = item.answerHeaders.map(([name]) => [
            name,
            mask(response.headers.get(name) ?? "(absent)"),
          ]);
          return;
        }
        expect(answer).toBe(item.answer);
        expect(response.status).toBe(item.status);
        for (const [name, value] of item.answerHeaders) {
          expect(`${name}: ${mask(response.headers.get(name) ?? "(absent)")}`).toBe(
            `${name}: ${value}`,
          );
        }
      });
    }

    test("every answer carries the common headers", async () => {
      for (const item of transcript.cases.filter(({ method }) => method !== "OPTIONS")) {
        const response = await run(item);
        const { headers } = response;
        expect(headers.get("X-Kapacitor-Version")).toBe("1.8.3");
        expect(headers.get("X-Kapacitor-Build")).toBe("0.1.0 (abc1234)");
        expect(mask(headers.get("Request-Id") ?? "")).toBe("<uuid>");
        await response.body?.cancel();
      }
      if (UPDATING) writeTranscript(transcript);
    });
  });
}
