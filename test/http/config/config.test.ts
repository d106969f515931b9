/** `/config` as clients see it. `UPDATE_TRANSCRIPTS=1` writes what came; the diff is what reviewers read. */

import { describe, expect, test } from "bun:test";
import { basename } from "node:path";
import { loadConfig } from "#config/load.ts";
import { ConfigService } from "#config/overrides.ts";
import { config } from "#http/resources/config.ts";
import type { HttpServices } from "#http/services.ts";
import { fakeServices } from "#test/http/fake-services.ts";
import { type Answering, oneResource } from "#test/http/one-resource.ts";
import { readTranscripts, UPDATING, writeTranscript } from "#test/http/transcripts.ts";

const FILE = `data_dir = "/d"
[smtp]
enabled = true
host = "mail"
from = "a@b"
to = ["x@y"]
password = "pw"
`;

function services(text = ""): HttpServices & { readonly config: ConfigService } {
  const fakes = fakeServices();
  const loaded = loadConfig({ file: { path: "k.conf", text: FILE + text } });
  const service = new ConfigService({ ...fakes, config: loaded.config });
  service.onChange("pushover", (value) => {
    if (value["user-key"] === "refused") throw new Error("pushover does not want this");
  });
  return { ...fakes, config: service };
}

async function ask(app: Answering, method: string, path: string, body = "") {
  const url = `http://localhost${path}`;
  const hasBody = method === "POST";
  const response = await app.handle(new Request(url, { method, ...(hasBody ? { body } : {}) }));
  return { status: response.status, text: await response.text() };
}

for (const transcript of readTranscripts(import.meta.dir)) {
  const file = basename(transcript.file);
  describe(file, () => {
    const switchedOff = file === "disabled.txt" ? "[config-override]\nenabled = false\n" : "";
    const app = oneResource(config, services(switchedOff));

    for (const item of transcript.cases) {
      test(item.title, async () => {
        const { status, text } = await ask(app, item.method, item.path, item.body);
        const answer = text.replace(/\n$/, "\\n");
        if (UPDATING) Object.assign(item, { status, answer });
        expect(`${status} ${answer}`).toBe(`${item.status} ${item.answer}`);
        if (UPDATING && item === transcript.cases.at(-1)) writeTranscript(transcript);
      });
    }
  });
}

test("everything at once: all sections that can be changed and have elements", async () => {
  const app = oneResource(config, services());
  const { status, text } = await ask(app, "GET", "/kapacitor/v1/config");
  const { link, sections } = JSON.parse(text);
  expect(status).toBe(200);
  expect(text).toStartWith(
    '{"link":{"rel":"self","href":"/kapacitor/v1/config"},"sections":{"alerta":',
  );
  expect(link.href).toBe("/kapacitor/v1/config");
  expect(Object.keys(sections)).toEqual(
    "alerta bigpanda discord hipchat httppost influxdb kafka mqtt opsgenie opsgenie2 pagerduty pagerduty2 pushover sensu servicenow slack smtp snmptrap talk teams telegram victorops zenoss".split(
      " ",
    ),
  );
  const [smtp] = JSON.parse((await ask(app, "GET", "/kapacitor/v1/config/smtp")).text).elements;
  expect(sections.smtp.elements).toEqual([smtp]);
  expect(text).not.toContain('"pw"');
});

test("where nothing can be changed, the answer says so", async () => {
  const { status, text } = await ask(
    oneResource(config, fakeServices()),
    "GET",
    "/kapacitor/v1/config",
  );
  expect([status, JSON.parse(text).error]).toEqual([
    501,
    "changing the configuration through the API is not available yet",
  ]);
});
