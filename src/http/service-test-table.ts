/**
 * What every service's self-test may be told, and the alert it sends.
 *
 * One entry per service: the options with their defaults, in the order in which clients see them, and how options
 * become a test event for the handler kind. Services without a handler kind have no event. Source: http-api §9.
 */

import type { AlertEvent } from "#alert/event.ts";
import { CRITICAL, type Level, OK, parseLevel, WARNING } from "#alert/level.ts";
import type { SectionReader } from "#handlers/section-reader.ts";
import { parseTime } from "#lib/time.ts";

export type TestOptions = Readonly<Record<string, unknown>>;

/** A test alert: what is not said about the event is empty. */
export interface TestAlert {
  readonly kind: string;
  /** Empty texts and lists are left out, so that the section's own values count. */
  readonly options: TestOptions;
  readonly event: Partial<AlertEvent>;
}

export interface ServiceSpec {
  readonly name: string;
  /** `section` is the service's default element, or an empty one. */
  options(section: SectionReader): TestOptions;
  /** Throws `Error` for options that make no event. */
  alert?(given: TestOptions): TestAlert;
}

export const SERVICES: readonly ServiceSpec[] = [
  {
    name: "alerta",
    options: () => ({
      resource: "testResource",
      event: "testEvent",
      environment: "",
      severity: "critical",
      group: "testGroup",
      value: "testValue",
      message: "test alerta message",
      origin: "",
      service: ["testServiceA", "testServiceB"],
      correlate: ["testServiceX", "testServiceY"],
      timeout: "24h0m0s",
    }),
    alert: (given) => ({
      kind: "alerta",
      options: only(
        given,
        "resource event environment group value origin service correlate timeout",
      ),
      event: { message: text(given, "message"), level: severity(text(given, "severity")) },
    }),
  },
  discovery("azure"),
  {
    name: "bigpanda",
    options: () => ({
      app_key: "my-app-key-123456",
      message: "test bigpanda message",
      level: "CRITICAL",
      event_data: eventData("testBigPanda"),
      timestamp: "1970-01-01T00:00:01Z",
    }),
    alert: (given) => ({
      kind: "bigpanda",
      options: { "app-key": text(given, "app_key") },
      event: { ...said(given), ...dated(given, "timestamp"), ...data(given) },
    }),
  },
  discovery("consul"),
  {
    name: "discord",
    options: () => ({
      workspace: "",
      message: "test discord message",
      level: "INFO",
      username: "Kapacitor",
      "avatar-url":
        "https://influxdata.github.io/branding/img/downloads/influxdata-logo--symbol--pool-alpha.png",
      "embed-title": "Kapacitor Alert",
      "time-val": "1970-01-01T00:00:01Z",
    }),
    alert: (given) => ({
      kind: "discord",
      options: only(given, "workspace username avatar-url embed-title"),
      event: { ...said(given), ...dated(given, "time-val") },
    }),
  },
  discovery("dns"),
  discovery("ec2"),
  discovery("file-discovery"),
  discovery("gce"),
  {
    name: "hipchat",
    options: (section) => ({
      room: section.text("room"),
      message: "test hipchat message",
      level: "CRITICAL",
    }),
    alert: (given) => ({ kind: "hipchat", options: only(given, "room"), event: said(given) }),
  },
  {
    name: "httppost",
    options: () => ({
      endpoint: "example",
      url: "http://localhost:3000/",
      headers: { Auth: "secret" },
      timeout: 0,
    }),
    alert: (given) => ({
      kind: "post",
      // A named endpoint brings its own address.
      options: only(given, text(given, "endpoint") === "" ? "url headers timeout" : HTTPPOST),
      event: { id: "testID", message: "test message", level: CRITICAL },
    }),
  },
  { name: "influxdb", options: () => ({ cluster: "" }) },
  {
    name: "kafka",
    options: () => ({
      cluster: "example",
      topic: "test",
      key: "key",
      message: "test kafka message",
    }),
    alert: (given) => ({
      kind: "kafka",
      options: only(given, "cluster topic"),
      event: { id: text(given, "key"), message: text(given, "message") },
    }),
  },
  discovery("kubernetes"),
  discovery("marathon"),
  {
    name: "mqtt",
    options: () => ({
      "broker-name": "default",
      topic: "",
      message: "test MQTT message",
      qos: "at-most-once",
      retained: false,
    }),
    alert: (given) => ({
      kind: "mqtt",
      options: only(given, "broker-name topic qos retained"),
      event: { message: text(given, "message") },
    }),
  },
  discovery("nerve"),
  opsgenie("opsgenie", {}),
  opsgenie("opsgenie2", { recovery_action: "notes" }),
  {
    name: "pagerduty",
    options: () => ({
      "incident-key": "testIncidentKey",
      description: "test pagerduty message",
      details: "",
      level: "CRITICAL",
    }),
    alert: (given) => ({
      kind: "pagerduty",
      options: {},
      event: {
        id: text(given, "incident-key"),
        message: text(given, "description"),
        details: text(given, "details"),
        level: level(given, "level"),
      },
    }),
  },
  {
    name: "pagerduty2",
    options: () => ({
      alert_id: "testAlertID",
      description: "test pagerduty2 message",
      level: "CRITICAL",
      event_data: eventData("testPagerDuty2"),
      timestamp: "2014-11-12T11:45:26.371Z",
      links: [
        { href: "https://example.com/a", text: "a" },
        { href: "https://example.com/b", text: "b" },
      ],
    }),
    alert: (given) => ({
      kind: "pagerduty2",
      options: only(given, "links"),
      event: {
        id: text(given, "alert_id"),
        message: text(given, "description"),
        level: level(given, "level"),
        ...dated(given, "timestamp"),
        ...data(given),
      },
    }),
  },
  {
    name: "pushover",
    options: () => ({
      "user-key": "",
      message: "test pushover message",
      device: "",
      title: "",
      url: "",
      "url-title": "",
      sound: "",
      level: "CRITICAL",
    }),
    alert: (given) => ({
      kind: "pushover",
      options: only(given, "user-key device title url url-title sound"),
      event: said(given),
    }),
  },
  { name: "scraper", options: () => ({ name: "" }) },
  {
    name: "sensu",
    options: () => ({
      name: "testName",
      source: "Kapacitor",
      output: "testOutput",
      handlers: [],
      metadata: {},
      level: "CRITICAL",
    }),
    alert: (given) => ({
      kind: "sensu",
      options: only(given, "source handlers metadata"),
      event: {
        id: text(given, "name"),
        message: text(given, "output"),
        level: level(given, "level"),
      },
    }),
  },
  discovery("serverset"),
  {
    name: "servicenow",
    options: () => ({
      alert_id: "id",
      source: "Kapacitor",
      level: "CRITICAL",
      message: "test servicenow alert",
    }),
    alert: (given) => ({
      kind: "servicenow",
      options: only(given, "source"),
      event: { ...said(given), id: text(given, "alert_id") },
    }),
  },
  {
    name: "slack",
    options: (section) => ({
      workspace: section.text("workspace"),
      channel: section.text("channel"),
      message: "test slack message",
      level: "CRITICAL",
      username: section.text("username"),
      "icon-emoji": section.text("icon-emoji"),
    }),
    alert: (given) => ({
      kind: "slack",
      options: only(given, "workspace channel username icon-emoji"),
      event: said(given),
    }),
  },
  {
    name: "smtp",
    options: (section) => ({
      to: section.texts("to"),
      subject: "test subject",
      body: "test body",
    }),
    alert: (given) => ({
      kind: "smtp",
      options: only(given, "to"),
      event: { message: text(given, "subject"), details: text(given, "body") },
    }),
  },
  {
    name: "snmptrap",
    options: () => ({
      "trap-oid": "1.1.1.1",
      "data-list": [{ oid: "1.1.1.1.2", type: "s", value: "test snmptrap message" }],
    }),
    alert: (given) => ({
      kind: "snmptrap",
      options: only(given, "trap-oid data-list"),
      event: {},
    }),
  },
  discovery("static-discovery"),
  discovery("swarm"),
  {
    name: "talk",
    options: () => ({ title: "testTitle", text: "test talk text" }),
    alert: (given) => ({
      kind: "talk",
      options: {},
      event: { id: text(given, "title"), message: text(given, "text") },
    }),
  },
  {
    name: "teams",
    options: () => ({
      channel_url: "",
      alert_topic: "test kapacitor alert topic",
      alert_id: "foo/bar/bat",
      message: "test teams message",
      level: "CRITICAL",
    }),
    alert: (given) => ({
      kind: "teams",
      options: filled({ "channel-url": given["channel_url"] }),
      event: { ...said(given), topic: text(given, "alert_topic"), id: text(given, "alert_id") },
    }),
  },
  {
    name: "telegram",
    options: () => ({
      "chat-id": "",
      "parse-mode": "",
      message: "test telegram message",
      "disable-web-page-preview": false,
      "disable-notification": false,
    }),
    alert: (given) => ({
      kind: "telegram",
      options: only(given, "chat-id parse-mode disable-web-page-preview disable-notification"),
      event: { message: text(given, "message") },
    }),
  },
  discovery("triton"),
  {
    name: "victorops",
    options: () => ({
      routingKey: "",
      messageType: "CRITICAL",
      message: "test victorops message",
      entityID: "testEntityID",
    }),
    alert: (given) => ({
      kind: "victorops",
      options: filled({ "routing-key": given["routingKey"] }),
      event: {
        id: text(given, "entityID"),
        message: text(given, "message"),
        level: level(given, "messageType"),
      },
    }),
  },
  {
    name: "zenoss",
    options: () => ({
      alert_id: "testAlertID",
      level: "CRITICAL",
      message: "test zenoss message",
    }),
    alert: (given) => ({
      kind: "zenoss",
      options: {},
      event: { ...said(given), id: text(given, "alert_id") },
    }),
  },
];

const HTTPPOST = "endpoint headers timeout";

/** A source of targets is only named. */
function discovery(name: string): ServiceSpec {
  return { name, options: () => ({ id: "" }) };
}

function opsgenie(name: string, more: TestOptions): ServiceSpec {
  return {
    name,
    options: () => ({
      teams: null,
      recipients: null,
      ...more,
      "message-type": "CRITICAL",
      message: `test ${name} message`.replace("opsgenie2", "opsgenie"),
      "entity-id": "testEntityID",
    }),
    alert: (given) => ({
      kind: name,
      options: filled({
        "teams-list": given["teams"],
        "recipients-list": given["recipients"],
        recovery_action: given["recovery_action"],
      }),
      event: {
        id: text(given, "entity-id"),
        message: text(given, "message"),
        level: level(given, "message-type"),
      },
    }),
  };
}

function eventData(name: string): TestOptions {
  return {
    Name: name,
    TaskName: "",
    Category: "",
    Group: "",
    Tags: null,
    Fields: null,
    Recoverable: false,
    Result: { series: null },
  };
}

function text(given: TestOptions, key: string): string {
  const value = given[key];
  return typeof value === "string" ? value : "";
}

function level(given: TestOptions, key: string): Level {
  const word = text(given, key);
  if (word.toUpperCase() === "RECOVERY") return OK;
  const found = parseLevel(word);
  if (found === undefined) throw new Error(`unknown alert level '${word}'`);
  return found;
}

function severity(word: string): Level {
  if (word === "ok" || word === "normal") return OK;
  if (word === "warning") return WARNING;
  return parseLevel(word === "informational" ? "INFO" : word.toUpperCase()) ?? CRITICAL;
}

function said(given: TestOptions): Partial<AlertEvent> {
  return { message: text(given, "message"), level: level(given, "level") };
}

function dated(given: TestOptions, key: string): Partial<AlertEvent> {
  const time = parseTime(text(given, key));
  if (time === undefined) throw new Error(`${key} must be an RFC 3339 time`);
  return { time };
}

/** Names and tags out of `event_data`. */
function data(given: TestOptions): Partial<AlertEvent> {
  const found = given["event_data"];
  const values = new Map(typeof found === "object" && found !== null ? Object.entries(found) : []);
  const tags: unknown = values.get("Tags");
  const pairs = typeof tags === "object" && tags !== null ? Object.entries(tags) : [];
  return {
    name: String(values.get("Name") ?? ""),
    taskName: String(values.get("TaskName") ?? ""),
    group: String(values.get("Group") ?? ""),
    tags: Object.fromEntries(pairs.map(([key, value]) => [key, String(value)])),
  };
}

/** The named options, separated by blanks, as far as they say something. */
function only(given: TestOptions, keys: string): TestOptions {
  return filled(Object.fromEntries(keys.split(" ").map((key) => [key, given[key]])));
}

function filled(given: TestOptions): TestOptions {
  const entries = Object.entries(given).filter(([, value]) => {
    if (Array.isArray(value)) return value.length > 0;
    return value !== undefined && value !== null && value !== "";
  });
  return Object.fromEntries(entries);
}
