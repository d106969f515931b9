import { expect, test } from "bun:test";
import { createApp } from "#http/app.ts";
import { TaskService } from "#tasks/task-service.ts";
import { TemplateService } from "#tasks/template-service.ts";
import { tickLanguage } from "#tasks/tick-language.ts";
import { TestEngine } from "#test/support/engine.ts";
import { fakeServices } from "./fake-services.ts";

/** The API over the real language, engine and task services; only topics and disk are stand-ins. */

function world() {
  const fakes = fakeServices();
  const { engine, environment } = new TestEngine();
  const language = tickLanguage(environment);
  const taskServices = { ...fakes, engine, language };
  const tasks = new TaskService(taskServices);
  const templates = new TemplateService(taskServices, tasks);
  const app = createApp({ ...taskServices, tasks, templates });
  return async (method: string, path: string, body?: unknown) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const request = new Request(`http://localhost${path}`, {
      method,
      ...(body === undefined ? {} : { body: text }),
    });
    const response = await app.handle(request);
    const answer = await response.text();
    return { status: response.status, text: answer, json: json(answer) };
  };
}

function json(text: string) {
  return text.startsWith("{") ? JSON.parse(text) : undefined;
}

const dbrps = [{ db: "telegraf", rp: "autogen" }];
const tasks = "/kapacitor/v1/tasks";

test("a task is defined, enabled, fed, read and disabled", async () => {
  const ask = world();
  const script = `
var threshold = 3.0
stream
    |from().measurement('cpu').groupBy('host')
    |where(lambda: "usage" > threshold)
    |httpOut('last')
`;
  const defined = await ask("POST", tasks, { id: "t", script, dbrps });
  expect(defined.json).toMatchObject({
    type: "stream",
    status: "disabled",
    dot: "digraph t {\nstream0 -> from1;\nfrom1 -> where2;\nwhere2 -> http_out3;\n}",
  });
  expect((await ask("GET", `${tasks}/t/last`)).status).toBe(404);

  const enabled = await ask("PATCH", `${tasks}/t`, { status: "enabled" });
  expect([enabled.status, enabled.json.executing]).toEqual([200, true]);
  expect((await ask("GET", `${tasks}/t/last`)).text).toBe('{"series":null}');

  const written = await ask(
    "POST",
    "/write?db=telegraf&rp=autogen&precision=s",
    "cpu,host=a usage=2 1\ncpu,host=a usage=20 1000000000\n",
  );
  expect(written.status).toBe(204);
  expect((await ask("GET", `${tasks}/t/last`)).text).toBe(
    '{"series":[{"name":"cpu","tags":{"host":"a"},"columns":["time","usage"],"values":[["2001-09-09T01:46:40Z",20]]}]}',
  );
  const shown = await ask("GET", `${tasks}/t`);
  expect(shown.json.stats["node-stats"].where2).toMatchObject({ collected: 2, emitted: 1 });

  expect((await ask("PATCH", `${tasks}/t`, { status: "disabled" })).json.executing).toBe(false);
  expect((await ask("GET", `${tasks}/t/last`)).status).toBe(404);
});

test.each([
  ["stream|from(", /^invalid TICKscript: parser: unexpected EOF/],
  ["stream|nothing()", /^invalid TICKscript: line 1 char 8: no .*"nothing" on \*pipeline/],
  ["var x = 5", /^invalid task type: invalid$/],
  ["var m int\nstream|from()|httpOut('a')", /^invalid TICKscript: missing value for var "m"\.$/],
  ["", /^must provide TICKscript$/],
])("the script %j is refused in the language's words", async (script, error) => {
  const answer = await world()("POST", tasks, { id: "t", script, dbrps });
  expect(answer.status).toBe(400);
  expect(answer.json.error).toMatch(error);
});

test("a template's vars are typed, described and filled in", async () => {
  const ask = world();
  const script = `
// Which measurement
var name string
var every = 10s
stream
    |from().measurement(name)
    |httpOut('last')
`;
  const template = await ask("POST", "/kapacitor/v1/templates", { id: "tm", script });
  expect(template.json.vars).toEqual({
    every: { type: "duration", value: 10_000_000_000, description: "" },
    name: { type: "string", value: null, description: "Which measurement" },
  });
  const vars = {
    name: { type: "string", value: "cpu" },
    every: { type: "duration", value: "1m30s" },
  };
  const made = await ask("POST", tasks, { id: "t", "template-id": "tm", dbrps, vars });
  expect(made.json.vars.every).toEqual({
    type: "duration",
    value: 90_000_000_000,
    description: "",
  });
  const wrong = { name: { type: "int", value: 5 } };
  const refused = await ask("POST", tasks, { id: "u", "template-id": "tm", dbrps, vars: wrong });
  expect(refused.json.error).toBe(
    "invalid TICKscript: invalid type supplied for name, got int exp string",
  );
});
