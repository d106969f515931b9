/** The `mqtt` kind: against a real broker where there is one, and its choices and refusals without. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandlerKinds } from "#alert/handler-kinds.ts";
import { OK } from "#alert/level.ts";
import { mqtt } from "#handlers/mqtt.ts";
import { handlerTests } from "#handlers/self-test.ts";
import { VirtualClock } from "#lib/clock.ts";
import { type Mosquitto, mosquittoMissing, startMosquitto } from "../support/mosquitto.ts";
import { SELF_SIGNED_CERT, SELF_SIGNED_KEY } from "./self-signed.ts";
import { freePort, open, send, services, TcpReceiver } from "./support.ts";

const undo: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const element = (url: string, more: Readonly<Record<string, unknown>> = {}) => ({
  ...{ enabled: true, name: "default", default: false, url },
  ...{ "client-id": "", username: "", password: "", "insecure-skip-verify": false },
  ...{ "ssl-ca": "", "ssl-cert": "", "ssl-key": "" },
  ...more,
});

function publisher(
  brokers: readonly object[],
  options: Readonly<Record<string, unknown>> = {},
  clock?: VirtualClock,
) {
  const handler = open("mqtt", { topic: "alerts", ...options }, services({ mqtt: brokers }, clock));
  undo.push(() => handler.close?.());
  return handler;
}

const missing = mosquittoMissing();
const TITLE = missing === undefined ? "with a broker" : `with a broker (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(TITLE, () => {
  const SECRET = "s3cret-pw";
  let broker: Mosquitto;
  let guarded: Mosquitto;

  beforeAll(async () => {
    const tls = { cert: SELF_SIGNED_CERT, key: SELF_SIGNED_KEY };
    [broker, guarded] = await Promise.all([
      startMosquitto({ tls }),
      startMosquitto({ accounts: { kap: SECRET } }),
    ]);
  });
  afterAll(async () => {
    await broker.close();
    await guarded.close();
  });

  async function subscribed(at: Mosquitto, filter: string) {
    const subscriber = await at.subscribe(filter);
    undo.push(() => subscriber.close());
    return subscriber;
  }

  test("the message text alone is published, for CRITICAL and for OK", async () => {
    const subscriber = await subscribed(broker, "plain/#");
    const handler = publisher([element(broker.url)], {
      topic: "plain/{{ .TaskName }}/{{ .Level }}/{{ index .Tags `host` }}",
      qos: 1,
    });
    expect(await send(handler)).toEqual({ kind: "sent" });
    expect(await send(handler, { level: OK, message: "ok — ü" })).toEqual({ kind: "sent" });
    await subscriber.received(2);
    const rest = { qos: 1, retained: false };
    expect(subscriber.messages).toEqual([
      { topic: "plain/cpu_alert/CRITICAL/h1", payload: "cpu:host=h1 is CRITICAL", ...rest },
      { topic: "plain/cpu_alert/OK/h1", payload: "ok — ü", ...rest },
    ]);
  });

  test.each([
    [undefined, 0],
    [0, 0],
    [1, 1],
    [2, 2],
    ["at-most-once", 0],
    ["at-least-once", 1],
    ["exactly-one", 2],
    ["exactly-once", 2],
  ] as const)("qos %p is %p", async (given, want) => {
    const topic = `qos/${String(given)}`;
    const subscriber = await subscribed(broker, topic);
    const options = given === undefined ? { topic } : { topic, qos: given };
    expect(await send(publisher([element(broker.url)], options))).toEqual({ kind: "sent" });
    await subscriber.received(1);
    expect(subscriber.messages.map(({ qos }) => qos)).toEqual([want]);
  });

  test("a retained message is kept for later subscribers, another is not", async () => {
    for (const retained of [true, false]) {
      const topic = `kept/${retained}`;
      const handler = publisher([element(broker.url)], { topic, retained, qos: 1 });
      expect(await send(handler)).toEqual({ kind: "sent" });
    }
    const subscriber = await subscribed(broker, "kept/#");
    await subscriber.received(1);
    expect(subscriber.messages).toEqual([
      { topic: "kept/true", payload: "cpu:host=h1 is CRITICAL", qos: 1, retained: true },
    ]);
  });

  test("goes over WebSockets", async () => {
    const subscriber = await subscribed(broker, "web");
    const handler = publisher([element(broker.webSocketUrl)], { topic: "web", qos: 2 });
    expect(await send(handler)).toEqual({ kind: "sent" });
    await subscriber.received(1);
    expect(subscriber.messages[0]?.payload).toBe("cpu:host=h1 is CRITICAL");
  });

  test("goes over TLS, with the authority's file or without verification", async () => {
    const folder = mkdtempSync(join(tmpdir(), "mqtt-"));
    undo.push(() => rmSync(folder, { recursive: true }));
    const ca = join(folder, "ca.pem");
    writeFileSync(ca, SELF_SIGNED_CERT);
    for (const trust of [{ "ssl-ca": ca }, { "insecure-skip-verify": true }]) {
      const handler = publisher([element(broker.secureUrl, trust)], { qos: 1 });
      expect(await send(handler)).toEqual({ kind: "sent" });
    }
    const stranger = await send(publisher([element(broker.secureUrl)], { qos: 1 }));
    expect(stranger).toEqual({ kind: "retry", error: "mqtt: TLS: self-signed certificate" });
  });

  test("one connection serves all handlers, under the broker's name or client-id", async () => {
    const brokers = [element(broker.url, { name: "shared-name" })];
    const using = services({ mqtt: brokers });
    const handlers = [1, 2].map(() => open("mqtt", { topic: "shared", qos: 1 }, using));
    for (const handler of handlers) undo.push(() => handler.close?.());
    const sends = Array.from({ length: 20 }, (_, i) => handlers[i % 2]).flatMap((handler) =>
      handler === undefined ? [] : [send(handler)],
    );
    for (const outcome of await Promise.all(sends)) expect(outcome).toEqual({ kind: "sent" });
    expect(broker.logLines(/New client connected .* as shared-name /).length).toBe(1);
    const named = publisher([element(broker.url, { "client-id": "own-id" })], { qos: 1 });
    await send(named);
    expect(broker.logLines(/New client connected .* as own-id .*c1/).length).toBe(1);
  });

  test("an idle connection ends, the next message opens another", async () => {
    const clock = new VirtualClock();
    const handler = publisher([element(broker.url, { name: "idler" })], { qos: 1 }, clock);
    await send(handler);
    clock.advance(60_000);
    await broker.logged(/Client idler disconnected\./);
    expect(await send(handler)).toEqual({ kind: "sent" });
    expect(broker.logLines(/New client connected .* as idler /).length).toBe(2);
  });

  test("the self-test publishes its message", async () => {
    const subscriber = await subscribed(broker, "self-test");
    const [run] = handlerTests([mqtt], services({ mqtt: [element(broker.url)] }));
    expect(run?.options).toEqual({
      ...{ "broker-name": "default", topic: "", message: "test MQTT message" },
      ...{ qos: "at-most-once", retained: false },
    });
    expect(await run?.run({ ...run.options, topic: "self-test", qos: "exactly-one" })).toBe(
      undefined,
    );
    await subscriber.received(1);
    expect(subscriber.messages[0]).toMatchObject({ payload: "test MQTT message", qos: 2 });
  });

  test("closing takes leave of the broker", async () => {
    const handler = publisher([element(broker.url, { name: "leaver" })], { qos: 1 });
    await send(handler);
    await handler.close?.();
    await broker.logged(/Client leaver disconnected\./);
  });

  test("a user and a password are given, also from the url", async () => {
    const given = element(guarded.url, { username: "kap", password: SECRET });
    expect(await send(publisher([given], { qos: 1 }))).toEqual({ kind: "sent" });
    const inUrl = element(guarded.url.replace("//", `//kap:${SECRET}@`));
    expect(await send(publisher([inUrl], { qos: 1 }))).toEqual({ kind: "sent" });
  });

  test.each([{}, { username: "kap", password: "wrong-s3cret" }])(
    "%p is refused for good",
    async (account) => {
      const handler = publisher([element(guarded.url, account)], { qos: 1 });
      const outcome = await send(handler);
      expect(outcome).toMatchObject({ kind: "rejected" });
      expect(outcome.kind === "sent" ? "" : outcome.error).toMatch(/not authorized/i);
      expect(JSON.stringify(outcome)).not.toContain("wrong-s3cret");
    },
  );

  test("a broker that went away and came back is met again", async () => {
    const own = await startMosquitto();
    undo.push(() => own.close());
    const handler = publisher([element(own.url)], { qos: 1 });
    expect(await send(handler)).toEqual({ kind: "sent" });
    await own.kill();
    expect(await send(handler)).toMatchObject({ kind: "retry" });
    await own.restart();
    let outcome = await send(handler);
    if (outcome.kind === "retry") outcome = await send(handler);
    expect(outcome).toEqual({ kind: "sent" });
  });

  test("a broker that does not answer is left when the signal fires", async () => {
    const own = await startMosquitto();
    undo.push(() => own.close());
    const handler = publisher([element(own.url)], { qos: 1 });
    expect(await send(handler)).toEqual({ kind: "sent" });
    own.freeze();
    const abort = new AbortController();
    const sending = send(handler, {}, abort.signal);
    await new Promise((resolve) => setImmediate(resolve));
    abort.abort(new Error("no answer within 30s"));
    expect(await sending).toEqual({ kind: "retry", error: "no answer within 30s" });
    own.thaw();
    expect(await send(handler)).toEqual({ kind: "sent" });
  });
});

describe("without a broker", () => {
  test("a refused connection is worth repeating", async () => {
    for (const scheme of ["tcp", "ws"]) {
      const url = `${scheme}://127.0.0.1:${freePort()}`;
      const outcome = await send(publisher([element(url)]));
      expect(outcome).toEqual({ kind: "retry", error: "mqtt: connection refused" });
    }
  });

  test("a server that is no broker is worth repeating", async () => {
    const server = new TcpReceiver(() => "HTTP/1.1 400 Bad Request\r\n\r\n");
    undo.push(() => server.close());
    const outcome = await send(publisher([element(`tcp://${server.address}`)]));
    expect(outcome).toMatchObject({ kind: "retry" });
  });

  test("a silent server is left when the signal fires", async () => {
    const { promise: connected, resolve } = Promise.withResolvers<void>();
    const server = new TcpReceiver(() => {
      resolve();
      return undefined;
    });
    undo.push(() => server.close());
    const abort = new AbortController();
    const handler = open(
      "mqtt",
      { topic: "t" },
      services({ mqtt: [element(`tcp://${server.address}`)] }),
    );
    const sending = send(handler, {}, abort.signal);
    await connected;
    abort.abort(new Error("no answer within 30s"));
    expect(await sending).toEqual({ kind: "retry", error: "no answer within 30s" });
  });

  test.each(["", "host:1883", "http://host", "gopher://u:s3cret@host", "tcp://"])(
    "the url %p is final",
    async (url) => {
      const outcome = await send(publisher([element(url)]));
      expect(outcome).toMatchObject({ kind: "rejected" });
      expect(JSON.stringify(outcome)).not.toContain("s3cret");
    },
  );

  test("a TLS file that is not there is final", async () => {
    const outcome = await send(
      publisher([element("ssl://127.0.0.1:1", { "ssl-ca": "/no/such/ca.pem" })]),
    );
    expect(outcome).toMatchObject({ kind: "rejected" });
    expect(outcome.kind === "sent" ? "" : outcome.error).toContain("/no/such/ca.pem");
  });

  const refused = `tcp://127.0.0.1:${freePort()}`;
  const [a, b] = [element(refused, { name: "a" }), element(refused, { name: "b", default: true })];
  const off = element(refused, { name: "off", enabled: false, default: true });
  const NOT_ENABLED = "service is not enabled";

  test.each([
    ["the only one", [a], {}, "mqtt: connection refused"],
    ["the default one", [a, b], {}, "mqtt: connection refused"],
    ["the named one", [a, b], { "broker-name": "a" }, "mqtt: connection refused"],
    ["the only one that is on", [a, off], {}, "mqtt: connection refused"],
    [
      "none when none is default",
      [a, { ...b, default: false }],
      {},
      "mqtt: no broker is set as default",
    ],
    ["none of that name", [a], { "broker-name": "x" }, 'unknown MQTT broker "x"'],
    ["none that is off", [a, off], { "broker-name": "off" }, NOT_ENABLED],
    ["none when all are off", [off], {}, NOT_ENABLED],
    ["none without a section", [], {}, NOT_ENABLED],
  ])("the broker is %s", async (_name, brokers, options, error) => {
    const outcome = await send(publisher(brokers, options));
    expect(outcome).toEqual({ kind: error.includes("refused") ? "retry" : "rejected", error });
  });

  test.each([
    [{ topic: "{{" }, "unclosed action"],
    [{ qos: 3 }, "invalid MQTT qos 3"],
    [{ qos: -1 }, "invalid MQTT qos -1"],
    [{ qos: "twice" }, 'invalid MQTT qos "twice"'],
    [{ qos: true }, "invalid MQTT qos true"],
  ])("%p is refused when the handler is made", (options, want) => {
    expect(() => publisher([], options)).toThrow(want);
  });

  test.each(["", "a/+/b", "a/#", " {{ .Fields.none }}#", "{{ .Details }}", "x\0"])(
    "the topic %p is final",
    async (topic) => {
      const outcome = await send(publisher([a], { topic }), { details: "" });
      expect(outcome).toMatchObject({ kind: "rejected" });
      expect(outcome.kind === "sent" ? "" : outcome.error).toContain("invalid topic");
    },
  );

  test("a script's calls become options", () => {
    const text = (value: string) => ({ kind: "string", value }) as const;
    const position = { line: 1, char: 1 };
    const { options } = new HandlerKinds([mqtt]).inline({
      ...{ name: "mqtt", args: [text("t")], position },
      calls: [
        { name: "brokerName", args: [text("b")], calls: [], position },
        { name: "qos", args: [{ kind: "int", value: 2 }], calls: [], position },
        { name: "retained", args: [{ kind: "bool", value: true }], calls: [], position },
      ],
    });
    expect(options).toEqual({ "broker-name": "b", topic: "t", qos: 2, retained: true });
  });
});
