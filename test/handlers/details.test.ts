/** What single kinds do besides the common ground: choices, defaults, cuts, and the TICKscript form. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandlerKinds } from "#alert/handler-kinds.ts";
import { INFO, OK, WARNING } from "#alert/level.ts";
import { httpOutcome } from "#handlers/http-outcome.ts";
import { HANDLER_KINDS } from "#handlers/registry.ts";
import { withoutSecrets } from "#handlers/secrets.ts";
import { cutBytes } from "#handlers/service-handler.ts";
import type { PropertyCall, TickValue } from "#tick/environment.ts";
import { SELF_SIGNED_CERT, SELF_SIGNED_KEY } from "./self-signed.ts";
import { HttpReceiver, open, send, services } from "./support.ts";

let receiver: HttpReceiver;
beforeAll(() => {
  receiver = new HttpReceiver();
});
afterAll(() => receiver.close());
beforeEach(() => {
  receiver.received.length = 0;
  receiver.answer = () => new Response("");
});

const body = (): unknown => JSON.parse(receiver.received[0]?.body ?? "null");

describe("post", () => {
  const endpoint = (more: object) => ({
    httppost: [{ endpoint: "e", url: receiver.url, ...more }],
  });

  test("a template makes the body, and then no content type is set", async () => {
    const template = "{{ .Level }} {{ range .Data.Series }}{{ .Name }}{{ end }} {{ json .Tags }}";
    const config = endpoint({ "alert-template": template.replace(" {{ json .Tags }}", "") });
    await send(open("post", { endpoint: "e" }, services(config)));
    expect(receiver.received[0]?.body).toBe("CRITICAL cpu");
    expect(receiver.received[0]?.headers["content-type"] ?? "").not.toContain("json");
  });

  test("a template file is read", async () => {
    const folder = mkdtempSync(join(tmpdir(), "post-"));
    const file = join(folder, "body.tmpl");
    writeFileSync(file, "from file {{ .ID }}");
    await send(
      open("post", { endpoint: "e" }, services(endpoint({ "alert-template-file": file }))),
    );
    rmSync(folder, { recursive: true });
    expect(receiver.received[0]?.body).toBe("from file cpu:host=h1");
  });

  test("an unknown endpoint falls back to the url", async () => {
    const handler = open("post", { endpoint: "nope", url: receiver.url }, services());
    expect((await send(handler)).kind).toBe("sent");
  });

  test("an unknown endpoint without a url is final", async () => {
    const outcome = await send(open("post", { endpoint: "nope" }, services()));
    expect(outcome).toMatchObject({ kind: "rejected" });
  });

  test("without capture-response the answer's body is not shown", async () => {
    receiver.answer = () => new Response("private words", { status: 400 });
    const outcome = await send(open("post", { url: receiver.url }, services()));
    expect(outcome).toEqual({ kind: "rejected", error: "post answered with status 400" });
  });

  test("its own timeout ends a request", async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    receiver.answer = () => promise;
    const outcome = await send(open("post", { url: receiver.url, timeout: 20e6 }, services()));
    resolve(new Response(""));
    expect(outcome).toEqual({ kind: "retry", error: "post: no answer within 0.02s" });
  });

  test("the header authenticate is refused", () => {
    const options = { url: "http://x", headers: { Authenticate: "x" } };
    expect(() => open("post", options, services())).toThrow("cannot set 'authenticate' header");
  });

  test("a template that does not fit is final", async () => {
    const config = endpoint({ "alert-template": "{{ .Nope }}" });
    const outcome = await send(open("post", { endpoint: "e" }, services(config)));
    expect(outcome.kind).toBe("rejected");
  });
});

describe("TLS", () => {
  let secure: HttpReceiver;
  beforeAll(() => {
    secure = new HttpReceiver({ cert: SELF_SIGNED_CERT, key: SELF_SIGNED_KEY });
  });
  afterAll(() => secure.close());

  test("an untrusted certificate is worth repeating and named", async () => {
    const outcome = await send(open("post", { url: secure.url }, services()));
    expect(outcome).toEqual({ kind: "retry", error: "post: TLS: self-signed certificate" });
  });

  test("it is accepted when verification is off", async () => {
    const options = { url: secure.url, "skip-ssl-verification": true };
    expect(await send(open("post", options, services()))).toEqual({ kind: "sent" });
  });

  test("it is accepted when its authority is given", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tls-"));
    const ca = join(folder, "ca.pem");
    writeFileSync(ca, SELF_SIGNED_CERT);
    const slack = [{ enabled: true, workspace: "", url: secure.url, "ssl-ca": ca }];
    const outcome = await send(open("slack", {}, services({ slack })));
    rmSync(folder, { recursive: true });
    expect(outcome).toEqual({ kind: "sent" });
  });

  test("a plain-text server behind https is worth repeating", async () => {
    const url = receiver.url.replace("http:", "https:");
    expect((await send(open("post", { url }, services()))).kind).toBe("retry");
  });
});

describe("slack workspaces", () => {
  const element = (workspace: string, more: object) => ({
    ...{ enabled: true, workspace, url: `${receiver.url}/${workspace}`, channel: workspace },
    ...more,
  });
  const config = () => ({
    slack: [element("a", { default: false }), element("b", { default: true })],
  });

  test.each([
    [{}, "/b"],
    [{ workspace: "a" }, "/a"],
  ])("%p goes to %s", async (options, path) => {
    await send(open("slack", options, services(config())));
    expect(receiver.received[0]?.path).toBe(path);
  });

  test("an unknown workspace is final", async () => {
    const outcome = await send(open("slack", { workspace: "x" }, services(config())));
    expect(outcome).toEqual({ kind: "rejected", error: 'unknown workspace "x"' });
  });

  test("a warning is coloured as one", async () => {
    await send(open("slack", {}, services(config())), { level: WARNING });
    expect(body()).toMatchObject({ attachments: [{ color: "warning" }] });
  });
});

describe("choices of kinds", () => {
  test("pagerduty does not send INFO", async () => {
    const using = services({ pagerduty: { enabled: true, url: receiver.url } });
    expect((await send(open("pagerduty", {}, using), { level: INFO })).kind).toBe("rejected");
    expect(receiver.received).toEqual([]);
  });

  test("pagerduty2 knows the source only from the tag host, and links may be none", async () => {
    receiver.answer = () => new Response("", { status: 202 });
    const using = services({ pagerduty2: { enabled: true, url: receiver.url } });
    await send(open("pagerduty2", {}, using), { tags: {} });
    expect(body()).toMatchObject({ links: null, payload: { source: "unknown" } });
  });

  test.each([
    ["notes", "", "notes"],
    ["close", "", "close"],
    ["bogus", "close", "close"],
    ["bogus", "bogus", "notes"],
    [undefined, "close", "close"],
  ])("opsgenie2 recovery %p over %p is %p", async (option, configured, want) => {
    const section = { enabled: true, url: receiver.url, recovery_action: configured };
    const options = option === undefined ? {} : { recovery_action: option };
    await send(open("opsgenie2", options, services({ opsgenie2: section })), { level: OK });
    expect(receiver.received[0]?.path).toContain(`/${want}?`);
  });

  test("opsgenie2 describes with the details when asked to", async () => {
    const section = { enabled: true, url: receiver.url };
    const handler = open("opsgenie2", { details: true }, services({ opsgenie2: section }));
    await send(handler, { details: "the details" });
    expect(body()).toMatchObject({ description: "the details" });
  });

  test("victorops sends data as an object when asked to", async () => {
    const section = { enabled: true, url: receiver.url, "api-key": "k", "json-data": true };
    await send(open("victorops", {}, services({ victorops: section })));
    expect(body()).toMatchObject({ data: { series: [{ name: "cpu" }] } });
  });

  test("victorops explains a 404", async () => {
    receiver.answer = () => new Response("", { status: 404 });
    const section = { enabled: true, url: receiver.url, "api-key": "key-1234" };
    const outcome = await send(open("victorops", {}, services({ victorops: section })));
    expect(outcome).toEqual({ kind: "rejected", error: "URL or API key not found: 404" });
  });

  test("telegram refuses another parse mode, in options and in the section", async () => {
    expect(() => open("telegram", { "parse-mode": "bbcode" }, services())).toThrow("is not valid");
    const section = { enabled: true, url: receiver.url, "parse-mode": "bbcode" };
    expect((await send(open("telegram", {}, services({ telegram: section })))).kind).toBe(
      "rejected",
    );
  });

  test("bigpanda leaves out details that are only JSON", async () => {
    const section = { enabled: true, url: receiver.url, "auto-attributes": "tags" };
    const handler = open("bigpanda", {}, services({ bigpanda: section }));
    await send(handler, { details: "{&#34;a&#34;}" });
    expect(Object.keys(body() as object)).not.toContain("details");
    expect(Object.keys(body() as object)).not.toContain("value");
  });

  test("alerta's event template sees no fields", async () => {
    const section = { enabled: true, url: receiver.url };
    const handler = open("alerta", { event: "{{ .Fields }}" }, services({ alerta: section }));
    expect((await send(handler)).kind).toBe("rejected");
  });

  test.each([
    [{ timeout: 90e9 }, 0, 90],
    [{}, 60e9, 60],
    [{}, 0, 86_400],
  ])("alerta expires by %p and section %p after %p s", async (options, section, want) => {
    const using = services({ alerta: { enabled: true, url: receiver.url, timeout: section } });
    await send(open("alerta", options, using));
    expect(body()).toMatchObject({ timeout: want });
  });

  test("teams cuts the summary to 70 bytes", async () => {
    const using = services({ teams: { enabled: true, "channel-url": receiver.url } });
    await send(open("teams", {}, using), { id: "i", message: "é".repeat(100) });
    const { summary } = body() as { summary: string };
    expect(Buffer.byteLength(summary)).toBeLessThanOrEqual(73);
    expect(summary).toEndWith("é...");
  });

  test("servicenow refuses the spelling metric_name", () => {
    expect(() => open("servicenow", { metric_name: "x" }, services())).toThrow("has invalid keys");
    expect(() => open("servicenow", { metricName: "x" }, services())).not.toThrow();
  });
});

describe("TICKscript properties become the options of topic handlers", () => {
  const text = (value: string): TickValue => ({ kind: "string", value });
  const call = (name: string, args: TickValue[], calls: PropertyCall[] = []): PropertyCall => ({
    ...{ name, args, calls },
    position: { line: 1, char: 1 },
  });
  const kinds = new HandlerKinds(HANDLER_KINDS);

  test.each<[string, PropertyCall, Record<string, unknown>]>([
    [
      "post",
      call(
        "post",
        [text("http://x")],
        [
          call("header", [text("a"), text("1")]),
          call("header", [text("b"), text("2")]),
          call("captureResponse", []),
          call("timeout", [{ kind: "duration", value: 5e9 }]),
          call("skipSSLVerification", []),
        ],
      ),
      {
        url: "http://x",
        headers: { a: "1", b: "2" },
        "capture-response": true,
        timeout: 5e9,
        "skip-ssl-verification": true,
      },
    ],
    ["post to an endpoint", call("post", [], [call("endpoint", [text("e")])]), { endpoint: "e" }],
    [
      "log",
      call("log", [text("/x")], [call("mode", [{ kind: "int", value: 420 }])]),
      { path: "/x", mode: 420 },
    ],
    ["tcp", call("tcp", [text("h:1")]), { address: "h:1" }],
    ["exec", call("exec", [text("p"), text("a"), text("b")]), { prog: "p", args: ["a", "b"] }],
    [
      "slack",
      call("slack", [], [call("channel", [text("#a")]), call("iconEmoji", [text(":x:")])]),
      { channel: "#a", "icon-emoji": ":x:" },
    ],
    [
      "pagerDuty2",
      call(
        "pagerDuty2",
        [],
        [
          call("serviceKey", [text("k")]),
          call("link", [text("h")]),
          call("link", [text("h2"), text("t")]),
        ],
      ),
      { "routing-key": "k", links: [{ href: "h" }, { href: "h2", text: "t" }] },
    ],
    [
      "opsGenie2",
      call(
        "opsGenie2",
        [],
        [
          call("teams", [text("a"), text("b")]),
          call("recoveryAction", [text("close")]),
          call("details", []),
        ],
      ),
      { "teams-list": ["a", "b"], recovery_action: "close", details: true },
    ],
    [
      "telegram",
      call("telegram", [], [call("chatId", [text("1")]), call("disableNotification", [])]),
      { "chat-id": "1", "disable-notification": true },
    ],
    [
      "pushover",
      call("pushover", [], [call("uRL", [text("u")]), call("uRLTitle", [text("t")])]),
      { url: "u", "url-title": "t" },
    ],
    [
      "alerta",
      call(
        "alerta",
        [],
        [
          call("services", [text("a")]),
          call("timeout", [{ kind: "duration", value: 1e9 }]),
          call("attribute", [text("k"), { kind: "int", value: 5 }]),
        ],
      ),
      { service: ["a"], timeout: 1e9, attributes: { k: 5 } },
    ],
    [
      "sensu",
      call("sensu", [], [call("handlers", [text("a")]), call("metadata", [text("k"), text("v")])]),
      { handlers: ["a"], metadata: { k: "v" } },
    ],
    [
      "serviceNow",
      call(
        "serviceNow",
        [],
        [call("metricName", [text("m")]), call("additionalInfo", [text("k"), text("v")])],
      ),
      { metricname: "m", additional_info: { k: "v" } },
    ],
    [
      "bigPanda",
      call(
        "bigPanda",
        [],
        [call("appKey", [text("a")]), call("attribute", [text("k"), text("v")])],
      ),
      { "app-key": "a", attributes: { k: "v" } },
    ],
    [
      "zenoss",
      call(
        "zenoss",
        [],
        [
          call("tid", [{ kind: "int", value: 7 }]),
          call("eventClassKey", [text("c")]),
          call("customField", [text("k"), text("v")]),
        ],
      ),
      { tid: 7, eventclasskey: "c", customField: { k: "v" } },
    ],
    ["hipChat", call("hipChat", [], [call("room", [text("r")])]), { room: "r" }],
    ["discord", call("discord", [], [call("avatarURL", [text("a")])]), { "avatar-url": "a" }],
    ["teams", call("teams", [], [call("channelURL", [text("u")])]), { "channel-url": "u" }],
    ["victorOps", call("victorOps", [], [call("routingKey", [text("r")])]), { "routing-key": "r" }],
    ["pagerDuty", call("pagerDuty", [], [call("serviceKey", [text("r")])]), { "service-key": "r" }],
    [
      "opsGenie",
      call("opsGenie", [], [call("recipients", [text("r")])]),
      { "recipients-list": ["r"] },
    ],
    ["talk", call("talk", []), {}],
  ])("%s", (_name, given, want) => {
    expect(kinds.inline(given).options).toEqual(want);
  });

  test("every name is a property once", () => {
    const names = kinds.properties().map((property) => property.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("email");
  });
});

describe("outcomes of statuses", () => {
  const rules = { service: "X", accepts: [] };
  test.each([
    [200, "sent"],
    [299, "sent"],
    [199, "rejected"],
    [300, "rejected"],
    [425, "retry"],
    [499, "rejected"],
    [500, "retry"],
    [599, "retry"],
  ])("%d is %s", (status, want) => {
    expect(httpOutcome({ status, retryAfter: null, body: "" }, rules, 0).kind).toBe(want as never);
  });

  test.each([
    ["Thu, 01 Jan 1970 00:00:10 GMT", 4_000, 6_000],
    ["Thu, 01 Jan 1970 00:00:10 GMT", 20_000, 0],
    ["99999999999999", 0, undefined],
    ["-1", 0, undefined],
  ])("Retry-After %p at %d is %p ms", (retryAfter, nowMs, want) => {
    const outcome = httpOutcome({ status: 503, retryAfter, body: "" }, rules, nowMs);
    expect(outcome.kind === "retry" ? outcome.afterMs : "none").toBe(want);
  });

  test("a text that is no JSON is shown as it is, cut", () => {
    const outcome = httpOutcome(
      { status: 400, retryAfter: null, body: "x".repeat(9999) },
      rules,
      0,
    );
    expect(outcome.kind === "sent" ? "" : outcome.error).toBe(
      `failed to understand X response. code: 400 content: ${"x".repeat(1024)}`,
    );
  });
});

test("secrets are hidden in every form", () => {
  const shown = withoutSecrets('a b/c "a b/c" a%20b%2Fc x', ["a b/c", ""]);
  expect(shown).toBe('*** "***" *** x');
});

test.each([
  ["abc", 3, "abc"],
  ["abcd", 3, "abc"],
  ["éé", 3, "é"],
  ["€", 2, ""],
])("%p cut to %d bytes", (text, bytes, want) => {
  expect(cutBytes(text, bytes)).toBe(want);
});
