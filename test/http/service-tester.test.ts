/** Self-tests of services: what they may be told, and one real alert per kind against a local receiver. */

import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { HANDLER_KINDS } from "#handlers/registry.ts";
import { serviceTests } from "#http/resources/service-tests.ts";
import { OTHER_SERVICES } from "#http/service-test-table.ts";
import { type ServiceTesterParts, serviceTestsOf } from "#http/service-tester.ts";
import { VirtualClock } from "#lib/clock.ts";
import { silentLog } from "#lib/log.ts";
import { fakeServices } from "./fake-services.ts";
import { oneResource } from "./one-resource.ts";

const received: { path: string; body: string }[] = [];
/** Statuses by which receivers say yes, where that is not 200. */
const STATUS = new Map([
  ["alerta", 201],
  ["bigpanda", 201],
  ["discord", 204],
  ["opsgenie2", 202],
  ["pagerduty2", 202],
]);
const receiver = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    const path = new URL(request.url).pathname;
    received.push({ path, body: await request.text() });
    if (path.startsWith("/refused")) return new Response("no such channel", { status: 404 });
    const status = STATUS.get(path.split("/")[1] ?? "") ?? 200;
    return new Response(status === 204 ? null : "{}", { status });
  },
});
const at = (path: string): string => `http://127.0.0.1:${receiver.port}/${path}`;

afterAll(() => receiver.stop(true));
beforeEach(() => {
  received.length = 0;
});

type Sections = Readonly<Record<string, unknown>>;

function parts(sections: Sections, more: Partial<ServiceTesterParts> = {}): ServiceTesterParts {
  return {
    kinds: HANDLER_KINDS,
    services: {
      clock: new VirtualClock({ ms: 1_600_000_000_000, ns: 0 }),
      log: silentLog,
      server: { hostname: "nodeA01", clusterId: "c", serverId: "s" },
      section: (name) => sections[name],
      publish: () => {},
    },
    ...more,
  };
}

async function ask(given: ServiceTesterParts, method: string, path: string, body?: unknown) {
  const services = { ...fakeServices(), serviceTests: serviceTestsOf(given) };
  const response = await oneResource(serviceTests, services).handle(
    new Request(`http://localhost/kapacitor/v1/service-tests${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  expect(text.endsWith("\n") || response.status !== 200).toBe(true);
  return { status: response.status, text, json: JSON.parse(text) };
}

const NAMES =
  "alerta azure bigpanda consul discord dns ec2 file-discovery gce hipchat httppost influxdb kafka kubernetes marathon mqtt nerve opsgenie opsgenie2 pagerduty pagerduty2 pushover scraper sensu serverset servicenow slack smtp snmptrap static-discovery swarm talk teams telegram triton victorops zenoss".split(
    " ",
  );

describe("the list", () => {
  test("names every service of the reference, by name, whatever is configured", async () => {
    const { json } = await ask(parts({}), "GET", "");
    expect(json.services.map(({ name }: { name: string }) => name)).toEqual(NAMES);
  });

  test.each<[string, string]>([
    [
      "alerta",
      '{"resource":"testResource","event":"testEvent","environment":"","severity":"critical","group":"testGroup","value":"testValue","message":"test alerta message","origin":"","service":["testServiceA","testServiceB"],"correlate":["testServiceX","testServiceY"],"timeout":"24h0m0s"}',
    ],
    [
      "bigpanda",
      '{"app_key":"my-app-key-123456","message":"test bigpanda message","level":"CRITICAL","event_data":{"Name":"testBigPanda","TaskName":"","Category":"","Group":"","Tags":null,"Fields":null,"Recoverable":false,"Result":{"series":null}},"timestamp":"1970-01-01T00:00:01Z"}',
    ],
    ["consul", '{"id":""}'],
    [
      "discord",
      '{"workspace":"","message":"test discord message","level":"INFO","username":"Kapacitor","avatar-url":"https://influxdata.github.io/branding/img/downloads/influxdata-logo--symbol--pool-alpha.png","embed-title":"Kapacitor Alert","time-val":"1970-01-01T00:00:01Z"}',
    ],
    ["hipchat", '{"room":"","message":"test hipchat message","level":"CRITICAL"}'],
    [
      "httppost",
      '{"endpoint":"example","url":"http://localhost:3000/","headers":{"Auth":"secret"},"timeout":0}',
    ],
    ["influxdb", '{"cluster":""}'],
    ["kafka", '{"cluster":"example","topic":"test","key":"key","message":"test kafka message"}'],
    [
      "mqtt",
      '{"broker-name":"default","topic":"","message":"test MQTT message","qos":"at-most-once","retained":false}',
    ],
    [
      "opsgenie",
      '{"teams":null,"recipients":null,"message-type":"CRITICAL","message":"test opsgenie message","entity-id":"testEntityID"}',
    ],
    [
      "opsgenie2",
      '{"teams":null,"recipients":null,"recovery_action":"notes","message-type":"CRITICAL","message":"test opsgenie message","entity-id":"testEntityID"}',
    ],
    [
      "pagerduty",
      '{"incident-key":"testIncidentKey","description":"test pagerduty message","details":"","level":"CRITICAL"}',
    ],
    [
      "pagerduty2",
      '{"alert_id":"testAlertID","description":"test pagerduty2 message","level":"CRITICAL","event_data":{"Name":"testPagerDuty2","TaskName":"","Category":"","Group":"","Tags":null,"Fields":null,"Recoverable":false,"Result":{"series":null}},"timestamp":"2014-11-12T11:45:26.371Z","links":[{"href":"https://example.com/a","text":"a"},{"href":"https://example.com/b","text":"b"}]}',
    ],
    [
      "pushover",
      '{"user-key":"","message":"test pushover message","device":"","title":"","url":"","url-title":"","sound":"","level":"CRITICAL"}',
    ],
    ["scraper", '{"name":""}'],
    [
      "sensu",
      '{"name":"testName","source":"Kapacitor","output":"testOutput","handlers":[],"metadata":{},"level":"CRITICAL"}',
    ],
    [
      "servicenow",
      '{"alert_id":"id","source":"Kapacitor","level":"CRITICAL","message":"test servicenow alert"}',
    ],
    [
      "slack",
      '{"workspace":"w","channel":"#a","message":"test slack message","level":"CRITICAL","username":"kapacitor","icon-emoji":""}',
    ],
    ["smtp", '{"to":["x@y"],"subject":"test subject","body":"test body"}'],
    [
      "snmptrap",
      '{"trap-oid":"1.1.1.1","data-list":[{"oid":"1.1.1.1.2","type":"s","value":"test snmptrap message"}]}',
    ],
    ["talk", '{"title":"testTitle","text":"test talk text"}'],
    [
      "teams",
      '{"channel_url":"","alert_topic":"test kapacitor alert topic","alert_id":"foo/bar/bat","message":"test teams message","level":"CRITICAL"}',
    ],
    [
      "telegram",
      '{"chat-id":"","parse-mode":"","message":"test telegram message","disable-web-page-preview":false,"disable-notification":false}',
    ],
    [
      "victorops",
      '{"routingKey":"","messageType":"CRITICAL","message":"test victorops message","entityID":"testEntityID"}',
    ],
  ])("%s has the options of the reference, in their order", async (name, options) => {
    const slack = [{ default: true, workspace: "w", channel: "#a", username: "kapacitor" }];
    const { text } = await ask(parts({ smtp: { to: ["x@y"] }, slack }), "GET", `/${name}`);
    const href = `/kapacitor/v1/service-tests/${name}`;
    expect(text).toBe(
      `{"link":{"rel":"self","href":"${href}"},"name":"${name}","options":${options}}\n`,
    );
  });

  test.each<[string, object, object]>([
    ["alerta", { environment: "prod", origin: "dc1" }, { environment: "prod", origin: "dc1" }],
    ["hipchat", { room: "ops" }, { room: "ops" }],
    ["opsgenie", { teams: ["a"], recipients: ["b"] }, { teams: ["a"], recipients: ["b"] }],
    [
      "telegram",
      { "chat-id": "7", "parse-mode": "HTML" },
      { "chat-id": "7", "parse-mode": "HTML" },
    ],
    ["victorops", { "routing-key": "r" }, { routingKey: "r" }],
  ])("%s fills its options from the section %j", async (name, section, options) => {
    const { json } = await ask(parts({ [name]: section }), "GET", `/${name}`);
    expect(json.options).toMatchObject(options);
  });
});

describe("a test", () => {
  const SECTIONS: Sections = {
    alerta: { enabled: true, url: at("alerta"), token: "t" },
    bigpanda: { enabled: true, url: at("bigpanda"), token: "t" },
    discord: [{ enabled: true, default: true, url: at("discord") }],
    hipchat: { enabled: true, url: at("hipchat"), room: "r", token: "t" },
    opsgenie: { enabled: true, url: at("opsgenie"), "api-key": "k" },
    opsgenie2: { enabled: true, url: at("opsgenie2"), "api-key": "k" },
    pagerduty: { enabled: true, url: at("pagerduty"), "service-key": "k" },
    pagerduty2: { enabled: true, url: at("pagerduty2"), "routing-key": "k" },
    pushover: { enabled: true, url: at("pushover"), token: "t", "user-key": "u" },
    servicenow: { enabled: true, url: at("servicenow") },
    slack: [{ enabled: true, default: true, url: at("slack"), channel: "#a" }],
    talk: { enabled: true, url: at("talk") },
    teams: { enabled: true, "channel-url": at("teams") },
    telegram: { enabled: true, url: at("telegram/bot"), token: "t", "chat-id": "c" },
    victorops: { enabled: true, url: at("victorops"), "api-key": "k", "routing-key": "r" },
  };

  test.each<[string, string]>([
    ["alerta", "test alerta message"],
    ["bigpanda", "test bigpanda message"],
    ["discord", "test discord message"],
    ["hipchat", "test hipchat message"],
    ["opsgenie", "test opsgenie message"],
    ["opsgenie2", "test opsgenie message"],
    ["pagerduty", "test pagerduty message"],
    ["pagerduty2", "test pagerduty2 message"],
    ["pushover", "test+pushover+message"],
    ["servicenow", "test servicenow alert"],
    ["slack", "test slack message"],
    ["talk", "test talk text"],
    ["teams", "test teams message"],
    ["telegram", "test telegram message"],
    ["victorops", "test victorops message"],
  ])("of %s sends its default message", async (name, message) => {
    const { text } = await ask(parts(SECTIONS), "POST", `/${name}`, {});
    expect([name, text]).toEqual([name, '{"success":true,"message":""}\n']);
    expect(received.length).toBe(1);
    expect(received[0]?.path).toStartWith(`/${name}`);
    expect(received[0]?.body).toContain(message);
  });

  test("takes options from the request", async () => {
    await ask(parts(SECTIONS), "POST", "/slack", { channel: "#b", message: "hello", other: 1 });
    const body = JSON.parse(received[0]?.body ?? "");
    expect([body.channel, body.attachments[0].text]).toEqual(["#b", "hello"]);
  });

  test("of httppost posts to the given address when no endpoint is named", async () => {
    const body = { endpoint: "", url: at("hook") };
    const { json } = await ask(parts({}), "POST", "/httppost", body);
    expect([json, received[0]?.path]).toEqual([{ success: true, message: "" }, "/hook"]);
  });

  test("fails with the receiver's reason", async () => {
    const slack = [{ enabled: true, default: true, url: at("refused") }];
    const { json } = await ask(parts({ slack }), "POST", "/slack", {});
    expect(json.success).toBe(false);
    expect(json.message).toContain("no such channel");
  });

  test.each(
    NAMES.filter(
      (name) => name !== "httppost" && OTHER_SERVICES.every((other) => other.name !== name),
    ),
  )("of %s that is not configured says so", async (name) => {
    const { status, json } = await ask(parts({}), "POST", `/${name}`, {});
    expect([status, json]).toEqual([200, { success: false, message: "service is not enabled" }]);
    expect(received).toEqual([]);
  });

  test("of a disabled kind is listed, and sends nothing", async () => {
    const given = parts(SECTIONS, { disabled: new Set(["post", "slack"]) });
    expect((await ask(given, "GET", "/slack")).status).toBe(200);
    for (const name of ["slack", "httppost"]) {
      const { json } = await ask(given, "POST", `/${name}`, { url: at("hook") });
      expect(json).toEqual({ success: false, message: "handler disabled" });
    }
    expect(received).toEqual([]);
    expect((await ask(given, "POST", "/talk", {})).json.success).toBe(true);
  });

  test.each<[string, object, string]>([
    ["consul", {}, "testing consul is not available yet"],
    ["influxdb", {}, 'cluster "" is not enabled or does not exist'],
    ["influxdb", { cluster: "off" }, 'cluster "off" is not enabled or does not exist'],
    ["influxdb", { cluster: "on" }, "testing influxdb is not available yet"],
    ["slack", { level: "LOUD" }, "unknown alert level 'LOUD'"],
    ["discord", { "time-val": "noon" }, 'invalid time "noon"'],
  ])("of %s with %j fails: %s", async (name, body, message) => {
    const influxdb = [
      { name: "on", enabled: true },
      { name: "off", enabled: false },
    ];
    const { json } = await ask(parts({ ...SECTIONS, influxdb }), "POST", `/${name}`, body);
    expect(json).toEqual({ success: false, message });
  });

  test("of influxdb asks the one that is named", async () => {
    const asked: string[] = [];
    const pingInflux = async (cluster: string) => {
      asked.push(cluster);
      return "connection refused";
    };
    const sections = { influxdb: [{ name: "on", enabled: true }] };
    const { json } = await ask(parts(sections, { pingInflux }), "POST", "/influxdb", {
      cluster: "on",
    });
    expect([json.message, asked]).toEqual(["connection refused", ["on"]]);
  });

  test("of influxdb ends after its time", async () => {
    const clock = new VirtualClock();
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    const sections = { influxdb: [{ name: "on", enabled: true }] };
    const base = parts(sections);
    const [ping] = serviceTestsOf({
      ...base,
      services: { ...base.services, clock },
      pingInflux: (_cluster, signal) => {
        signal.addEventListener("abort", () => resolve());
        return new Promise(() => {});
      },
    }).filter(({ name }) => name === "influxdb");
    const result = ping?.run({ cluster: "on" });
    clock.advance(30_000);
    expect(await result).toBe("no answer within 30s");
    await aborted;
  });

  test.each<[unknown, string]>([
    [[], "failed to decode JSON body:json: cannot unmarshal array"],
    ["x", "failed to decode JSON body:json: cannot unmarshal string"],
    [
      { message: 5 },
      "failed to decode JSON body:json: cannot unmarshal number into Go struct field .message",
    ],
  ])("with the body %j is refused", async (body, error) => {
    const { status, json } = await ask(parts(SECTIONS), "POST", "/slack", body);
    expect([status, json.error]).toEqual([400, error]);
    expect(received).toEqual([]);
  });
});
