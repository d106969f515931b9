/**
 * Every kind that sends HTTP: its section and options, and the whole request for CRITICAL and for OK.
 * `$URL` stands for the receiver. Requests are those of reference alerts.md §10 in the 1.8 form.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { Received } from "./support.ts";

export interface HttpKindCase {
  readonly kind: string;
  /** Section name; default the kind. */
  readonly section?: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly options: Readonly<Record<string, unknown>>;
  /** Statuses that mean yes; the first is used where one will do. */
  readonly accepts: readonly number[];
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly critical: string;
  /** The recovery: body, and path where it differs. */
  readonly ok: string;
  readonly okPath?: string;
  /** Texts that must never show in an error. */
  readonly secrets: readonly string[];
}

/** The event of every case, CRITICAL. */
export const CRITICAL_EVENT: Partial<AlertEvent> = {
  id: "id1",
  message: "cpu <bad>",
  details: "it is bad",
  series: [{ name: "cpu", tags: { host: "h1" }, columns: ["time", "v"], values: [["T", 1]] }],
  fields: { v: 1 },
};

export const OK_EVENT: Partial<AlertEvent> = { ...CRITICAL_EVENT, level: 0, message: "cpu ok" };

const JSON_TYPE = { "content-type": "application/json" };
const ROW = '{"name":"cpu","tags":{"host":"h1"},"columns":["time","v"],"values":[["T",1]]}';
const ROW_TEXT = ROW.replaceAll('"', '\\"');

export const HTTP_KINDS: readonly HttpKindCase[] = [
  {
    kind: "alerta",
    config: { enabled: true, url: "$URL/", token: "s3cret", environment: "prod", origin: "me" },
    options: {
      service: ["{{ .Name }}-svc"],
      value: "{{ .Level }}",
      attributes: { run: "{{ .ID }}", n: 5 },
    },
    accepts: [201],
    path: "/alert",
    headers: { ...JSON_TYPE, authorization: "Bearer s3cret" },
    critical: `{"attributes":{"run":"id1","n":5},"correlate":["cpu"],"environment":"prod","event":"id1","group":"host=h1","origin":"me","rawData":{"series":[${ROW}]},"resource":"cpu","service":["cpu-svc"],"severity":"critical","tags":["host=h1"],"text":"cpu \\u003cbad\\u003e","timeout":86400,"value":"CRITICAL"}\n`,
    ok: `{"attributes":{"run":"id1","n":5},"correlate":["cpu"],"environment":"prod","event":"id1","group":"host=h1","origin":"me","rawData":{"series":[${ROW}]},"resource":"cpu","service":["cpu-svc"],"severity":"ok","tags":["host=h1"],"text":"cpu ok","timeout":86400,"value":"OK"}\n`,
    secrets: ["s3cret"],
  },
  {
    kind: "bigpanda",
    config: {
      ...{ enabled: true, url: "$URL/v2", "app-key": "app", token: "s3cret" },
      "auto-attributes": "tags,fields",
    },
    options: { attributes: { team: "{{ .TaskName }}" }, "primary-property": "host" },
    accepts: [201],
    path: "/v2",
    headers: { ...JSON_TYPE, authorization: "Bearer s3cret" },
    critical:
      '{"app_key":"app","check":"id1","description":"cpu \\u003cbad\\u003e","details":"it is bad","host":"h1","primary_property":"host","status":"critical","task":"cpu_alert:cpu","team":"cpu_alert","timestamp":1000,"v":"1"}\n',
    ok: '{"app_key":"app","check":"id1","description":"cpu ok","details":"it is bad","host":"h1","primary_property":"host","status":"ok","task":"cpu_alert:cpu","team":"cpu_alert","timestamp":1000,"v":"1"}\n',
    secrets: ["s3cret"],
  },
  {
    kind: "discord",
    config: { enabled: true, url: "$URL/hook/s3cret", username: "kap", timestamp: true },
    options: { "avatar-url": "http://pic", "embed-title": "{{ .ID }}!" },
    accepts: [204],
    path: "/hook/s3cret",
    headers: JSON_TYPE,
    critical:
      '{"avatar_url":"http://pic","embeds":[{"color":16342867,"title":"id1!","description":"cpu \\u003cbad\\u003e","timestamp":"1970-01-01T00:16:40Z"}],"username":"kap"}\n',
    ok: '{"avatar_url":"http://pic","embeds":[{"color":8021490,"title":"id1!","description":"cpu ok","timestamp":"1970-01-01T00:16:40Z"}],"username":"kap"}\n',
    secrets: ["s3cret"],
  },
  {
    kind: "hipchat",
    config: { enabled: true, url: "$URL/room", token: "s3cret", room: "ops room" },
    options: {},
    accepts: [200, 204],
    path: "/room/ops%20room/notification?auth_token=s3cret",
    headers: JSON_TYPE,
    critical:
      '{"color":"red","from":"kapacitor","message":"cpu \\u003cbad\\u003e","notify":true}\n',
    ok: '{"color":"green","from":"kapacitor","message":"cpu ok","notify":true}\n',
    secrets: ["s3cret"],
  },
  {
    kind: "opsgenie",
    config: {
      ...{ enabled: true, url: "$URL/v1/alert", recovery_url: "$URL/v1/alert/note" },
      ...{ "api-key": "s3cret", teams: ["ops"], recipients: [] },
    },
    options: { "recipients-list": ["bob"] },
    accepts: [200],
    path: "/v1/alert/",
    headers: JSON_TYPE,
    critical: `{"alias":"id1","apiKey":"s3cret","description":"{\\"series\\":[${ROW_TEXT}]}","details":{"Level":"CRITICAL","Monitoring Tool":"Kapacitor"},"entity":"id1","message":"cpu \\u003cbad\\u003e","monitoring_tool":"kapacitor","note":"","recipients":["bob"],"teams":["ops"]}\n`,
    ok: `{"alias":"id1","apiKey":"s3cret","description":"{\\"series\\":[${ROW_TEXT}]}","details":{"Level":"RECOVERY","Monitoring Tool":"Kapacitor"},"entity":"id1","message":"cpu ok","monitoring_tool":"kapacitor","note":"cpu ok","recipients":["bob"],"teams":["ops"]}\n`,
    okPath: "/v1/alert/note/",
    secrets: ["s3cret"],
  },
  {
    kind: "opsgenie2",
    config: {
      ...{ enabled: true, url: "$URL/v2/alerts", "api-key": "s3cret" },
      ...{ teams: ["ops"], recipients: ["bob"], recovery_action: "notes", details: false },
    },
    options: { recovery_action: "close" },
    accepts: [202],
    path: "/v2/alerts",
    headers: { ...JSON_TYPE, authorization: "GenieKey s3cret" },
    critical: `{"alias":"aWQx","description":"{\\"series\\":[${ROW_TEXT}]}","details":{"Kapacitor Task Name":"cpu","Level":"CRITICAL","Monitoring Tool":"Kapacitor","host":"h1"},"entity":"id1","message":"cpu \\u003cbad\\u003e","note":"","priority":"P1","responders":[{"name":"ops","type":"team"},{"username":"bob","type":"user"}]}\n`,
    ok: '{"note":"cpu ok"}\n',
    okPath: "/v2/alerts/aWQx/close?identifierType=alias",
    secrets: ["s3cret"],
  },
  {
    kind: "pagerduty",
    config: { enabled: true, url: "$URL/v1", "service-key": "s3cret" },
    options: {},
    accepts: [200],
    path: "/v1",
    headers: JSON_TYPE,
    critical:
      '{"client":"kapacitor","client_url":"http://box:9092/kapacitor/v1","description":"cpu \\u003cbad\\u003e","details":"it is bad","event_type":"trigger","incident_key":"id1","service_key":"s3cret"}\n',
    ok: '{"client":"kapacitor","client_url":"http://box:9092/kapacitor/v1","description":"cpu ok","details":"it is bad","event_type":"resolve","incident_key":"id1","service_key":"s3cret"}\n',
    secrets: ["s3cret"],
  },
  {
    kind: "pagerduty2",
    config: { enabled: true, url: "$URL/v2/enqueue", "routing-key": "unused" },
    options: {
      "routing-key": "s3cret",
      links: [{ href: "http://x/{{ .ID }}", text: "see {{ .Name }}" }, { href: "http://y" }],
    },
    accepts: [200, 202],
    path: "/v2/enqueue",
    headers: { ...JSON_TYPE, accept: "application/vnd.pagerduty+json;version=2" },
    critical: `{"routing_key":"s3cret","event_action":"trigger","dedup_key":"id1","payload":{"summary":"cpu \\u003cbad\\u003e","source":"h1","severity":"critical","timestamp":"1970-01-01T00:16:40.000000000Z","class":"cpu_alert","component":"","group":"","custom_details":{"result":{"series":[${ROW}]}}},"images":null,"links":[{"href":"http://x/id1","text":"see cpu"},{"href":"http://y","text":"http://y"}],"client":"kapacitor","client_url":"http://box:9092/kapacitor/v1"}\n`,
    ok: `{"routing_key":"s3cret","event_action":"resolve","dedup_key":"id1","payload":{"summary":"cpu ok","source":"h1","severity":"info","timestamp":"1970-01-01T00:16:40.000000000Z","class":"cpu_alert","component":"","group":"","custom_details":{"result":{"series":[${ROW}]}}},"images":null,"links":[{"href":"http://x/id1","text":"see cpu"},{"href":"http://y","text":"http://y"}],"client":"kapacitor","client_url":"http://box:9092/kapacitor/v1"}\n`,
    secrets: ["s3cret"],
  },
  {
    kind: "post",
    section: "httppost",
    config: {
      ...{ endpoint: "e", url: "$URL/{{ .ID }}", headers: { "X-One": "1", "X-Two": "2" } },
      "basic-auth": { username: "bob", password: "s3cret" },
    },
    options: { endpoint: "e", headers: { "X-Two": "two" }, "capture-response": true },
    accepts: [200, 201, 202, 204, 299],
    path: "/id1",
    headers: {
      ...JSON_TYPE,
      "x-one": "1",
      "x-two": "two",
      authorization: "Basic Ym9iOnMzY3JldA==",
    },
    critical: `{"id":"id1","message":"cpu \\u003cbad\\u003e","details":"it is bad","time":"1970-01-01T00:16:40Z","duration":0,"level":"CRITICAL","data":{"series":[${ROW}]},"previousLevel":"OK","recoverable":true}\n`,
    ok: `{"id":"id1","message":"cpu ok","details":"it is bad","time":"1970-01-01T00:16:40Z","duration":0,"level":"OK","data":{"series":[${ROW}]},"previousLevel":"OK","recoverable":true}\n`,
    secrets: ["s3cret", "Ym9iOnMzY3JldA=="],
  },
  {
    kind: "pushover",
    config: { enabled: true, url: "$URL/1/messages.json", token: "s3cret", "user-key": "us3r" },
    options: {
      device: "phone",
      title: "T & t",
      url: "http://x",
      "url-title": "link",
      sound: "bike",
    },
    accepts: [200],
    path: "/1/messages.json",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    critical:
      "device=phone&message=cpu+%3Cbad%3E&priority=1&sound=bike&title=T+%26+t&token=s3cret&url=http%3A%2F%2Fx&url_title=link&user=us3r",
    ok: "device=phone&message=cpu+ok&priority=-2&sound=bike&title=T+%26+t&token=s3cret&url=http%3A%2F%2Fx&url_title=link&user=us3r",
    secrets: ["s3cret", "us3r"],
  },
  {
    kind: "servicenow",
    config: { enabled: true, url: "$URL/em", source: "Kap", username: "bob", password: "s3cret" },
    options: {
      ...{ node: "{{ .Tags.host }}", type: "CPU", resource: "r", metricname: "{{ .Name }}" },
      additional_info: { b: "{{ .ID }}", a: 5 },
    },
    accepts: [200],
    path: "/em",
    headers: { ...JSON_TYPE, authorization: "Basic Ym9iOnMzY3JldA==" },
    critical:
      '{"records":[{"source":"Kap","node":"h1","type":"CPU","resource":"r","metric_name":"cpu","message_key":"id1","severity":"1","description":"cpu \\u003cbad\\u003e","additional_info":"{\\"a\\":5,\\"b\\":\\"id1\\"}"}]}',
    ok: '{"records":[{"source":"Kap","node":"h1","type":"CPU","resource":"r","metric_name":"cpu","message_key":"id1","severity":"5","description":"cpu ok","additional_info":"{\\"a\\":5,\\"b\\":\\"id1\\"}"}]}',
    secrets: ["s3cret", "Ym9iOnMzY3JldA=="],
  },
  {
    kind: "slack",
    config: {
      ...{ enabled: true, default: true, workspace: "w", url: "$URL/services/s3cret" },
      ...{ token: "t0ken", channel: "#ops", username: "kapacitor", "icon-emoji": ":x:" },
    },
    options: { channel: "#alerts" },
    accepts: [200],
    path: "/services/s3cret",
    headers: { ...JSON_TYPE, authorization: "Bearer t0ken" },
    critical:
      '{"attachments":[{"fallback":"cpu \\u003cbad\\u003e","color":"danger","text":"cpu \\u003cbad\\u003e","mrkdwn_in":["text"]}],"channel":"#alerts","icon_emoji":":x:","text":"","username":"kapacitor"}\n',
    ok: '{"attachments":[{"fallback":"cpu ok","color":"good","text":"cpu ok","mrkdwn_in":["text"]}],"channel":"#alerts","icon_emoji":":x:","text":"","username":"kapacitor"}\n',
    secrets: ["s3cret", "t0ken"],
  },
  {
    kind: "talk",
    config: { enabled: true, url: "$URL/talk/s3cret", author_name: "Kap" },
    options: { whatever: "is ignored" },
    accepts: [200],
    path: "/talk/s3cret",
    headers: JSON_TYPE,
    critical: '{"authorName":"Kap","text":"cpu \\u003cbad\\u003e","title":"id1"}\n',
    ok: '{"authorName":"Kap","text":"cpu ok","title":"id1"}\n',
    secrets: ["s3cret"],
  },
  {
    kind: "teams",
    config: { enabled: true, "channel-url": "$URL/webhook/s3cret" },
    options: {},
    accepts: [200, 204],
    path: "/webhook/s3cret",
    headers: JSON_TYPE,
    critical:
      '{"@type":"MessageCard","@context":"http://schema.org/extensions","title":"CRITICAL: [id1]","text":"cpu \\u003cbad\\u003e","summary":"CRITICAL: [id1] - cpu \\u003cbad\\u003e...","themeColor":"CC4A31"}',
    ok: '{"@type":"MessageCard","@context":"http://schema.org/extensions","title":"OK: [id1]","text":"cpu ok","summary":"OK: [id1] - cpu ok...","themeColor":"34CC25"}',
    secrets: ["s3cret"],
  },
  {
    kind: "telegram",
    config: { enabled: true, url: "$URL/bot", token: "s3cret", "chat-id": "42" },
    options: { "parse-mode": "html", "disable-notification": true },
    accepts: [200],
    path: "/bots3cret/sendMessage",
    headers: JSON_TYPE,
    critical:
      '{"chat_id":"42","disable_notification":true,"parse_mode":"HTML","text":"cpu \\u003cbad\\u003e"}\n',
    ok: '{"chat_id":"42","disable_notification":true,"parse_mode":"HTML","text":"cpu ok"}\n',
    secrets: ["s3cret"],
  },
  {
    kind: "victorops",
    config: { enabled: true, url: "$URL/alert", "api-key": "s3cret", "routing-key": "team" },
    options: {},
    accepts: [200],
    path: "/alert/s3cret/team",
    headers: JSON_TYPE,
    critical: `{"data":"{\\"series\\":[${ROW_TEXT}]}","entity_id":"id1","message_type":"CRITICAL","monitoring_tool":"kapacitor","state_message":"cpu \\u003cbad\\u003e","timestamp":1000}\n`,
    ok: `{"data":"{\\"series\\":[${ROW_TEXT}]}","entity_id":"id1","message_type":"RECOVERY","monitoring_tool":"kapacitor","state_message":"cpu ok","timestamp":1000}\n`,
    secrets: ["s3cret"],
  },
  {
    kind: "zenoss",
    config: {
      ...{ enabled: true, url: "$URL/router", username: "bob", password: "s3cret" },
      ...{ action: "EventsRouter", method: "add_event", type: "rpc", tid: 1, collector: "Kap" },
      "severity-map": { OK: "Clear", Info: "Info", Warning: "Warning", Critical: "Critical" },
    },
    options: { device: "{{ .Tags.host }}", customField: { list: "[1]", text: "{{ .Name }}" } },
    accepts: [200],
    path: "/router",
    headers: { ...JSON_TYPE, authorization: "Basic Ym9iOnMzY3JldA==" },
    critical:
      '{"action":"EventsRouter","method":"add_event","data":[{"collector":"Kap","component":"","device":"h1","evclass":"","evclasskey":"","list":[1],"severity":"Critical","summary":"cpu \\u003cbad\\u003e","text":"cpu"}],"type":"rpc","tid":1}\n',
    ok: '{"action":"EventsRouter","method":"add_event","data":[{"collector":"Kap","component":"","device":"h1","evclass":"","evclasskey":"","list":[1],"severity":"Clear","summary":"cpu ok","text":"cpu"}],"type":"rpc","tid":1}\n',
    secrets: ["s3cret", "Ym9iOnMzY3JldA=="],
  },
];

/** The section with the receiver's address filled in. */
export function configFor(one: HttpKindCase, url: string): Readonly<Record<string, unknown>> {
  const filled: unknown = JSON.parse(JSON.stringify(one.config).replaceAll("$URL", url));
  const list = ["httppost", "slack", "discord"].includes(one.section ?? one.kind);
  return { [one.section ?? one.kind]: list ? [filled] : filled };
}

/** The headers of a request that a case names. */
export function namedHeaders(
  one: HttpKindCase,
  received: Received,
): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.keys(one.headers).map((name) => [name, received.headers[name]]));
}
