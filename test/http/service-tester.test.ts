/** Self-tests of services: what they may be told, and one real alert per kind against a local receiver. */

import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { HandlerKinds } from "#alert/handler-kinds.ts";
import { HANDLER_KINDS } from "#handlers/registry.ts";
import { serviceTests } from "#http/resources/service-tests.ts";
import { SERVICES } from "#http/service-test-table.ts";
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
    kinds: new HandlerKinds(HANDLER_KINDS),
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
    expect(SERVICES.map(({ name }) => name)).toEqual(NAMES);
  });

  test.each<[string, string]>([
    [
      "alerta",
      '{"resource":"testResource","event":"testEvent","environment":"","severity":"critical","group":"testGroup","value":"testValue","message":"test alerta message","origin":"","service":["testServiceA","testServiceB"],"correlate":["testServiceX","testServiceY"],"timeout":"24h0m0s"}',
    ],
    ["consul", '{"id":""}'],
    [
      "opsgenie2",
      '{"teams":null,"recipients":null,"recovery_action":"notes","message-type":"CRITICAL","message":"test opsgenie message","entity-id":"testEntityID"}',
    ],
    ["scraper", '{"name":""}'],
    ["influxdb", '{"cluster":""}'],
    ["smtp", '{"to":["x@y"],"subject":"test subject","body":"test body"}'],
    [
      "slack",
      '{"workspace":"w","channel":"#a","message":"test slack message","level":"CRITICAL","username":"kapacitor","icon-emoji":""}',
    ],
  ])("%s has the options of the reference, in their order", async (name, options) => {
    const slack = [{ default: true, workspace: "w", channel: "#a", username: "kapacitor" }];
    const { text } = await ask(parts({ smtp: { to: ["x@y"] }, slack }), "GET", `/${name}`);
    const href = `/kapacitor/v1/service-tests/${name}`;
    expect(text).toBe(
      `{"link":{"rel":"self","href":"${href}"},"name":"${name}","options":${options}}\n`,
    );
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
    SERVICES.filter(({ name, alert }) => alert !== undefined && name !== "httppost").map(
      ({ name }) => name,
    ),
  )("of %s that is not enabled or not built says so", async (name) => {
    const { status, json } = await ask(parts({}), "POST", `/${name}`, {});
    expect([status, json.success]).toEqual([200, false]);
    expect(json.message).toMatch(/^service is not enabled$|is not available yet$/);
    expect(received).toEqual([]);
  });

  test.each<[string, object, string]>([
    ["consul", {}, "testing consul is not available yet"],
    ["influxdb", {}, 'cluster "" is not enabled or does not exist'],
    ["influxdb", { cluster: "off" }, 'cluster "off" is not enabled or does not exist'],
    ["influxdb", { cluster: "on" }, "testing influxdb is not available yet"],
    ["slack", { level: "LOUD" }, "unknown alert level 'LOUD'"],
    ["discord", { "time-val": "noon" }, "time-val must be an RFC 3339 time"],
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
