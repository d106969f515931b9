import { describe, expect, test } from "bun:test";
import { basename, join } from "node:path";
import { createApp } from "#http/app.ts";
import { fakeServices } from "./fake-services.ts";
import { type Case, mask, readTranscripts, UPDATING, writeTranscript } from "./transcripts.ts";

const folder = join(import.meta.dir, "transcripts");

for (const transcript of readTranscripts(folder)) {
  describe(basename(transcript.file), () => {
    const app = createApp(fakeServices());

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
        const response = await run(item);
        const answer = mask(await response.text()).replace(/\n$/, "\\n");
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
        const { headers } = await run(item);
        expect(headers.get("X-Kapacitor-Version")).toBe("1.8.3");
        expect(headers.get("X-Kapacitor-Build")).toBe("0.1.0 (abc1234)");
        expect(mask(headers.get("Request-Id") ?? "")).toBe("<uuid>");
      }
      if (UPDATING) writeTranscript(transcript);
    });
  });
}
