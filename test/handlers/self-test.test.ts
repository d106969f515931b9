/** The self-tests of services: their options, that they send the real request, and how they fail. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { HANDLER_KINDS } from "#handlers/registry.ts";
import { handlerTests } from "#handlers/self-test.ts";
import { VirtualClock } from "#lib/clock.ts";
import { configFor, HTTP_KINDS } from "./http-kinds.ts";
import { HttpReceiver, services, TcpReceiver } from "./support.ts";

let receiver: HttpReceiver;
beforeAll(() => {
  receiver = new HttpReceiver();
});
afterAll(() => receiver.close());
beforeEach(() => {
  receiver.received.length = 0;
  receiver.answer = () => new Response("");
});

type Options = Readonly<Record<string, unknown>>;

function selfTest(name: string, using = services()) {
  const found = handlerTests(HANDLER_KINDS, using).find((one) => one.name === name);
  if (found === undefined) throw new Error(`no test ${name}`);
  return found;
}

const eventData = (name: string): Options => ({
  ...{ Name: name, TaskName: "", Category: "", Group: "", Tags: null, Fields: null },
  ...{ Recoverable: false, Result: { series: null } },
});

/** Service → options without configuration. Source: http-api §9. */
const DEFAULTS: Readonly<Record<string, Options>> = {
  alerta: {
    ...{ resource: "testResource", event: "testEvent", environment: "", severity: "critical" },
    ...{ group: "testGroup", value: "testValue", message: "test alerta message", origin: "" },
    service: ["testServiceA", "testServiceB"],
    correlate: ["testServiceX", "testServiceY"],
    timeout: "24h0m0s",
  },
  bigpanda: {
    ...{ app_key: "my-app-key-123456", message: "test bigpanda message", level: "CRITICAL" },
    event_data: eventData("testBigPanda"),
    timestamp: "1970-01-01T00:00:01Z",
  },
  discord: {
    ...{ workspace: "", message: "test discord message", level: "INFO", username: "Kapacitor" },
    "avatar-url":
      "https://influxdata.github.io/branding/img/downloads/influxdata-logo--symbol--pool-alpha.png",
    "embed-title": "Kapacitor Alert",
    "time-val": "1970-01-01T00:00:01Z",
  },
  hipchat: { room: "", message: "test hipchat message", level: "CRITICAL" },
  httppost: {
    ...{ endpoint: "example", url: "http://localhost:3000/", headers: { Auth: "secret" } },
    timeout: 0,
  },
  opsgenie: {
    ...{ teams: null, recipients: null, "message-type": "CRITICAL" },
    ...{ message: "test opsgenie message", "entity-id": "testEntityID" },
  },
  opsgenie2: {
    ...{ teams: null, recipients: null, recovery_action: "notes", "message-type": "CRITICAL" },
    ...{ message: "test opsgenie message", "entity-id": "testEntityID" },
  },
  pagerduty: {
    ...{ "incident-key": "testIncidentKey", description: "test pagerduty message" },
    ...{ details: "", level: "CRITICAL" },
  },
  pagerduty2: {
    ...{ alert_id: "testAlertID", description: "test pagerduty2 message", level: "CRITICAL" },
    event_data: eventData("testPagerDuty2"),
    timestamp: "2014-11-12T11:45:26.371Z",
    links: [
      { href: "https://example.com/a", text: "a" },
      { href: "https://example.com/b", text: "b" },
    ],
  },
  pushover: {
    ...{ "user-key": "", message: "test pushover message", device: "", title: "", url: "" },
    ...{ "url-title": "", sound: "", level: "CRITICAL" },
  },
  sensu: {
    ...{ name: "testName", source: "Kapacitor", output: "testOutput" },
    ...{ handlers: [], metadata: {}, level: "CRITICAL" },
  },
  servicenow: {
    ...{ alert_id: "id", source: "Kapacitor", level: "CRITICAL" },
    message: "test servicenow alert",
  },
  slack: {
    ...{ workspace: "", channel: "", message: "test slack message", level: "CRITICAL" },
    ...{ username: "", "icon-emoji": "" },
  },
  talk: { title: "testTitle", text: "test talk text" },
  teams: {
    ...{ channel_url: "", alert_topic: "test kapacitor alert topic", alert_id: "foo/bar/bat" },
    ...{ message: "test teams message", level: "CRITICAL" },
  },
  telegram: {
    ...{ "chat-id": "", "parse-mode": "", message: "test telegram message" },
    ...{ "disable-web-page-preview": false, "disable-notification": false },
  },
  victorops: {
    ...{ routingKey: "", messageType: "CRITICAL" },
    ...{ message: "test victorops message", entityID: "testEntityID" },
  },
  zenoss: { alert_id: "testAlertID", level: "CRITICAL", message: "test zenoss message" },
};

test.each(Object.entries(DEFAULTS))("%s: options without configuration", (name, options) => {
  expect(selfTest(name).options).toEqual(options);
});

test("every HTTP kind has one", () => {
  const names = handlerTests(HANDLER_KINDS, services()).map((one) => one.name);
  const wanted = HTTP_KINDS.map(({ kind }) => (kind === "post" ? "httppost" : kind));
  for (const name of [...wanted, "sensu"]) expect(names).toContain(name);
});

for (const one of HTTP_KINDS) {
  const name = one.kind === "post" ? "httppost" : one.kind;
  describe(name, () => {
    const using = () => services(configFor(one, receiver.url));
    const given = (options: Options): Options =>
      name === "httppost" ? { ...options, url: receiver.url } : options;

    test("sends its message to the receiver", async () => {
      receiver.answer = () => new Response(null, { status: one.accepts[0] ?? 200 });
      const run = selfTest(name, using());
      expect(await run.run(given(run.options))).toBeUndefined();
      const [received] = receiver.received;
      const { message, description, text } = run.options;
      const wanted = String(message ?? description ?? text ?? "test httppost message");
      expect(decodeURIComponent(received?.body.replaceAll("+", " ") ?? "")).toContain(wanted);
    });

    test("says why it failed, without secrets", async () => {
      const configured = JSON.stringify(one.config);
      const secrets = one.secrets.filter((secret) => configured.includes(secret));
      const echo = secrets.join(" ");
      receiver.answer = () => Response.json({ message: `no: ${echo}` }, { status: 503 });
      const run = selfTest(name, using());
      const error = await run.run(given(run.options));
      expect(error).toContain("503");
      for (const secret of secrets) expect(error).not.toContain(secret);
      for (const secret of secrets) expect(JSON.stringify(run.options)).not.toContain(secret);
    });

    if (name !== "httppost") {
      test("says when the service is off", async () => {
        const run = selfTest(name);
        expect(await run.run(run.options)).toBe("service is not enabled");
      });
    }
  });
}

test("sensu: the client's answer decides", async () => {
  const client = new TcpReceiver((said) => (said.endsWith("\n") ? "ok" : undefined));
  try {
    const run = selfTest("sensu", services({ sensu: { enabled: true, addr: client.address } }));
    const closed = client.nextClosed();
    expect(await run.run({ ...run.options, metadata: { a: 1 } })).toBeUndefined();
    await closed;
    expect(client.received[0]).toContain('"a":1');
    expect(client.received[0]).toContain('"name":"testName"');
  } finally {
    client.close();
  }
});

describe("options", () => {
  test("come from the configuration where it has them", () => {
    const slack = {
      enabled: true,
      workspace: "w",
      channel: "#a",
      username: "u",
      url: "http://x/y",
    };
    expect(selfTest("slack", services({ slack: [slack] })).options).toMatchObject({
      ...{ workspace: "w", channel: "#a", username: "u" },
    });
  });

  test("of the event's data reach the receiver", async () => {
    receiver.answer = () => new Response(null, { status: 201 });
    const section = { enabled: true, url: receiver.url, "auto-attributes": "tags,fields" };
    const run = selfTest("bigpanda", services({ bigpanda: section }));
    const event_data = {
      ...{ Name: "cpu", TaskName: "t", Tags: { host: "h1", odd: 1 } },
      Fields: { idle: 5.5, up: true, odd: [] },
    };
    expect(await run.run({ ...run.options, event_data })).toBeUndefined();
    const body = JSON.parse(receiver.received[0]?.body ?? "");
    expect(body).toMatchObject({ task: "t:cpu", host: "h1", idle: "5.5", up: "true" });
    expect(body).not.toHaveProperty("odd");
  });

  test.each([
    ["discord", { level: "loud" }, "unknown alert level 'LOUD'"],
    ["discord", { "time-val": "noon" }, 'invalid time "noon"'],
    ["discord", { "embed-title": "{{" }, "template: embed-title"],
    ["alerta", { severity: "bad" }, 'unknown severity "bad"'],
    ["alerta", { timeout: "soon" }, 'time: invalid duration "soon"'],
    ["telegram", { "parse-mode": "x" }, "parseMode x is not valid"],
    ["slack", { workspace: "nope" }, 'unknown workspace "nope"'],
  ])("%s refuses %j", async (name, options, error) => {
    const discord = { enabled: true, url: receiver.url };
    const sections = { discord, alerta: discord, telegram: discord, slack: discord };
    const run = selfTest(name, services(sections));
    expect(await run.run({ ...run.options, ...options })).toContain(error);
    expect(receiver.received).toEqual([]);
  });
});

test("a receiver that never answers ends the test after its time", async () => {
  const clock = new VirtualClock();
  const { promise, resolve } = Promise.withResolvers<Response>();
  const arrived = Promise.withResolvers<void>();
  receiver.answer = () => {
    arrived.resolve();
    return promise;
  };
  const run = selfTest("talk", services({ talk: { enabled: true, url: receiver.url } }, clock));
  const result = run.run(run.options);
  await arrived.promise;
  clock.advance(30_000);
  expect(await result).toBe("no answer within 30s");
  resolve(new Response(""));
});

test("a disabled kind sends nothing", async () => {
  const using = services({ talk: { enabled: true, url: receiver.url } });
  const [run] = handlerTests(HANDLER_KINDS, using, new Set(["talk"])).filter(
    ({ name }) => name === "talk",
  );
  expect(await run?.run(run.options)).toBe("handler disabled");
  expect(receiver.received).toEqual([]);
});
