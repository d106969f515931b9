/** The `kafka` kind against a broker that speaks the protocol: messages, partitions, TLS, SASL, errors. */

import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeAlertData } from "#alert/data.ts";
import { HandlerKinds } from "#alert/handler-kinds.ts";
import { OK } from "#alert/level.ts";
import { type PartitionAlgorithm, PartitionSpread, partitionOf } from "#clients/kafka-partition.ts";
import { OauthToken } from "#clients/oauth-token.ts";
import { kafka } from "#handlers/kafka.ts";
import { handlerTests } from "#handlers/self-test.ts";
import { VirtualClock } from "#lib/clock.ts";
import { delivery } from "../alert/support.ts";
import { KafkaSink, type KafkaSinkOptions } from "../support/kafka-sink.ts";
import { SELF_SIGNED_CERT, SELF_SIGNED_KEY } from "./self-signed.ts";
import { freePort, HttpReceiver, open, send, services, TcpReceiver } from "./support.ts";

const undo: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function sink(options: KafkaSinkOptions = {}): Promise<KafkaSink> {
  const opened = await KafkaSink.open(options);
  undo.push(() => opened.close());
  return opened;
}

const element = (brokers: readonly string[], more: Readonly<Record<string, unknown>> = {}) => ({
  ...{ enabled: true, id: "default", brokers, timeout: 0, "use-ssl": false },
  ...{ "batch-size": 0, "batch-timeout": 0, "insecure-skip-verify": false },
  ...more,
});

function producer(
  clusters: readonly object[],
  options: Readonly<Record<string, unknown>> = {},
  clock?: VirtualClock,
) {
  const using = services({ kafka: clusters }, clock);
  const handler = open("kafka", { topic: "alerts", ...options }, using);
  undo.push(() => handler.close?.());
  return handler;
}

describe("the message", () => {
  test.each([
    ["CRITICAL", {}],
    ["OK", { level: OK, message: "ok — ü" }],
  ] as const)("is the event's JSON under its ID for %s", async (_name, event) => {
    const broker = await sink();
    expect(await send(producer([element([broker.address])]), event)).toEqual({ kind: "sent" });
    expect(broker.records).toEqual([
      {
        ...{ topic: "alerts", partition: 0, key: "cpu:host=h1" },
        value: `${encodeAlertData(delivery(event))}\n`,
      },
    ]);
    expect(broker.acks).toEqual([-1]);
  });

  test("is what the template makes of the event's data", async () => {
    const broker = await sink();
    const template = "{{ .ID }}|{{ .Level }}|{{ range .Data.Series }}{{ json .Columns }}{{ end }}";
    const handler = producer([element([broker.address])], { template });
    expect(await send(handler)).toEqual({ kind: "sent" });
    expect(broker.records[0]?.value).toBe('cpu:host=h1|CRITICAL|["time","i","s","value"]\n');
  });

  test("that JSON cannot hold is final, and so is a template that does not fit", async () => {
    const broker = await sink();
    const nan = { series: [{ values: [[Number.NaN]] }] };
    expect(await send(producer([element([broker.address])]), nan)).toEqual({
      kind: "rejected",
      error: "json: unsupported value: NaN",
    });
    const unfit = producer([element([broker.address])], { template: "{{ .Nope }}" });
    expect(await send(unfit)).toMatchObject({ kind: "rejected" });
    expect(broker.connections).toBe(0);
  });
});

describe("partitions", () => {
  // Reference values: crc32 of librdkafka (IEEE), the Java client's murmur2, Sarama's FNV-1a.
  test.each([
    ["crc32", "foo", 1_000_003, 0x8c736521 % 1_000_003],
    ["crc32", "123456789", 97, 0xcbf43926 % 97],
    ["murmur2", "21", 1_000_003, (-973932308 & 0x7fffffff) % 1_000_003],
    ["murmur2", "foobar", 1_000_003, (-790332482 & 0x7fffffff) % 1_000_003],
    ["murmur2", "a-little-bit-long-string", 97, (-985981536 & 0x7fffffff) % 97],
    ["murmur3", "hello", 1_000_003, (0x248bfa47 & 0x7fffffff) % 1_000_003],
    ["fnv-1a", "foobar", 1_000_003, Math.abs((0xbf9cf968 | 0) % 1_000_003)],
    ["fnv-1a", "a", 97, Math.abs((0xe40c292c | 0) % 97)],
  ] as const)("%s of %p among %d is %d", (algorithm, key, count, want) => {
    expect(partitionOf(algorithm, new TextEncoder().encode(key), count)).toBe(want);
  });

  test.each([
    [undefined, "crc32"],
    ["crc32", "crc32"],
    ["murmur2", "murmur2"],
    ["murmur3", "murmur3"],
    ["fnv-1a", "fnv-1a"],
  ] as const)("algorithm %p places by %s", async (given, algorithm: PartitionAlgorithm) => {
    const broker = await sink({ partitions: 7 });
    const options = given === undefined ? {} : { partitionAlgorithm: given };
    const handler = producer([element([broker.address])], options);
    const ids = ["a", "b", "cpu:host=h1", "ü", "e", "f"];
    for (const id of ids) expect(await send(handler, { id })).toEqual({ kind: "sent" });
    expect(broker.records.map(({ key, partition }) => [key, partition])).toEqual(
      ids.map((id) => [id, partitionOf(algorithm, new TextEncoder().encode(id), 7)]),
    );
  });

  test("are filled evenly without an ID, and when placing by ID is off", async () => {
    for (const [options, id] of [
      [{}, ""],
      [{ disablePartitionById: true }, "same"],
    ] as const) {
      const broker = await sink({ partitions: 3 });
      const handler = producer([element([broker.address])], options);
      for (let i = 0; i < 6; i++) expect((await send(handler, { id })).kind).toBe("sent");
      expect(broker.records.map(({ partition }) => partition)).toEqual([0, 1, 2, 0, 1, 2]);
      expect(broker.records[0]?.key).toBe(id === "" ? null : id);
    }
  });

  test("with the fewest bytes are next", () => {
    const spread = new PartitionSpread();
    const sizes = [100, 10, 10, 50, 10];
    expect(sizes.map((size) => spread.next("t", 3, size))).toEqual([0, 1, 2, 1, 2]);
    expect(spread.next("other", 3, 1)).toBe(0);
  });
});

describe("the connection", () => {
  test("serves all handlers of a cluster and ends when idle", async () => {
    const broker = await sink();
    const clock = new VirtualClock();
    const using = services({ kafka: [element([broker.address])] }, clock);
    const handlers = [1, 2].map((n) => open("kafka", { topic: `t${n}` }, using));
    for (const handler of handlers) undo.push(() => handler.close?.());
    const sends = Array.from({ length: 20 }, (_, i) => handlers[i % 2]).flatMap((handler) =>
      handler === undefined ? [] : [send(handler)],
    );
    for (const outcome of await Promise.all(sends)) expect(outcome).toEqual({ kind: "sent" });
    expect(broker.records.length).toBe(20);
    expect(broker.connections).toBe(1);
    clock.advance(60_000);
    await broker.until(() => broker.openConnections === 0);
    const [handler] = handlers;
    expect(handler && (await send(handler))).toEqual({ kind: "sent" });
    expect(broker.connections).toBe(2);
  });

  test("ends with the handler", async () => {
    const broker = await sink();
    const handler = producer([element([broker.address])]);
    await send(handler);
    await handler.close?.();
    await broker.until(() => broker.openConnections === 0);
    expect(await send(handler)).toEqual({ kind: "retry", error: "kafka: the handler was closed" });
  });

  test("is met again after the broker went away and came back", async () => {
    const first = await sink();
    const { port } = first;
    const handler = producer([element([first.address])]);
    expect(await send(handler)).toEqual({ kind: "sent" });
    await first.close();
    expect(await send(handler)).toEqual({ kind: "retry", error: "kafka: connection refused" });
    const second = await KafkaSink.open({}, port);
    undo.push(() => second.close());
    let outcome = await send(handler);
    if (outcome.kind === "retry") outcome = await send(handler);
    expect(outcome).toEqual({ kind: "sent" });
    expect(second.records.length).toBe(1);
  });

  test("is made to another broker of the list when one is down", async () => {
    const broker = await sink();
    const down = [1, 2].map(() => `127.0.0.1:${freePort()}`);
    expect(await send(producer([element([...down, broker.address])]))).toEqual({ kind: "sent" });
  });
});

describe("TLS and SASL", () => {
  const TLS = { cert: SELF_SIGNED_CERT, key: SELF_SIGNED_KEY };

  test("TLS is spoken with the authority's file or without verification", async () => {
    const broker = await sink({ tls: TLS });
    const folder = mkdtempSync(join(tmpdir(), "kafka-"));
    undo.push(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "ca.pem"), SELF_SIGNED_CERT);
    const trusts = [{ "ssl-ca": join(folder, "ca.pem") }, { "insecure-skip-verify": true }];
    for (const trust of trusts) {
      const handler = producer([element([broker.address], { "use-ssl": true, ...trust })]);
      expect(await send(handler)).toEqual({ kind: "sent" });
    }
    const stranger = producer([element([broker.address], { "use-ssl": true })]);
    const outcome = await send(stranger);
    expect(outcome).toEqual({ kind: "retry", error: "kafka: TLS: self-signed certificate" });
  });

  const account = { username: "kap", password: "s3cret-pw" };
  const given = { "sasl-username": "kap", "sasl-password": "s3cret-pw" };

  test.each(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const)(
    "%s lets the right password in and no other",
    async (mechanism) => {
      const broker = await sink({ sasl: { mechanism, ...account } });
      const config = { ...given, "sasl-mechanism": mechanism };
      expect(await send(producer([element([broker.address], config)]))).toEqual({ kind: "sent" });
      const wrong = { ...config, "sasl-password": "wrong-s3cret" };
      const outcome = await send(producer([element([broker.address], wrong)]));
      expect(outcome).toMatchObject({ kind: "rejected" });
      expect(outcome.kind === "sent" ? "" : outcome.error).toContain("who are you?");
      expect(JSON.stringify(outcome)).not.toContain("wrong-s3cret");
      expect(broker.records.length).toBe(1);
    },
  );

  test("a user without a mechanism means PLAIN", async () => {
    const broker = await sink({ sasl: { mechanism: "PLAIN", ...account } });
    expect(await send(producer([element([broker.address], given)]))).toEqual({ kind: "sent" });
  });

  test("a mechanism the broker does not offer is final", async () => {
    const broker = await sink({ sasl: { mechanism: "PLAIN", ...account } });
    const config = { ...given, "sasl-mechanism": "SCRAM-SHA-256" };
    const outcome = await send(producer([element([broker.address], config)]));
    expect(outcome).toMatchObject({ kind: "rejected" });
  });

  test("OAUTHBEARER sends the token and the extensions", async () => {
    const broker = await sink({ sasl: { mechanism: "OAUTHBEARER", token: "tok-1" } });
    const config = {
      ...{ "sasl-mechanism": "OAUTHBEARER", "sasl-access-token": "tok-1" },
      sasl_extensions: { logicalCluster: "lkc-1" },
    };
    expect(await send(producer([element([broker.address], config)]))).toEqual({ kind: "sent" });
    expect(broker.bearer).toBe("n,,|auth=Bearer tok-1|logicalCluster=lkc-1||");
  });

  test("OAUTHBEARER gets a token with the client's credentials", async () => {
    const tokens = new HttpReceiver();
    undo.push(() => tokens.close());
    tokens.answer = () => Response.json({ access_token: "tok-2", expires_in: 3600 });
    const broker = await sink({ sasl: { mechanism: "OAUTHBEARER", token: "tok-2" } });
    const config = {
      ...{ "sasl-mechanism": "OAUTHBEARER", "sasl-oauth-service": "auth0" },
      ...{ "sasl-oauth-token-url": `${tokens.url}/token`, "sasl-oauth-client-id": "me" },
      ...{ "sasl-oauth-client-secret": "s3cret", "sasl-oauth-scopes": ["a", "b"] },
      "sasl-oauth-parameters": { audience: "dev" },
    };
    expect(await send(producer([element([broker.address], config)]))).toEqual({ kind: "sent" });
    expect(tokens.received.map(({ method, path, body }) => [method, path, body])).toEqual([
      [
        ...["POST", "/token"],
        "audience=dev&grant_type=client_credentials&scope=a+b&client_id=me&client_secret=s3cret",
      ],
    ]);
  });

  test.each([
    [401, "rejected", "the token server answered with status 401"],
    [503, "retry", "the token server answered with status 503"],
    [200, "rejected", "the token server's answer holds no access_token"],
  ] as const)("a token server that answers %d: %s", async (status, kind, error) => {
    const tokens = new HttpReceiver();
    undo.push(() => tokens.close());
    tokens.answer = () => Response.json({ error: "s3cret" }, { status });
    const broker = await sink({ sasl: { mechanism: "OAUTHBEARER", token: "x" } });
    const config = {
      ...{ "sasl-mechanism": "OAUTHBEARER", "sasl-oauth-token-url": tokens.url },
      ...{ "sasl-oauth-client-id": "me", "sasl-oauth-client-secret": "s3cret" },
    };
    const outcome = await send(producer([element([broker.address], config)]));
    expect(outcome).toEqual({ kind, error: `kafka: ${error}` });
  });

  test("a token is kept until shortly before it expires", async () => {
    const tokens = new HttpReceiver();
    undo.push(() => tokens.close());
    tokens.answer = () =>
      Response.json({ access_token: `t${tokens.received.length}`, expires_in: 100 });
    const clock = new VirtualClock();
    const settings = {
      ...{ tokenUrl: tokens.url, clientId: "me", clientSecret: "s", scopes: [], parameters: {} },
      expiryMarginMs: 10_000,
    };
    const token = new OauthToken(settings, clock);
    expect(await token.get()).toBe("t1");
    clock.advance(89_999);
    expect(await token.get()).toBe("t1");
    clock.advance(1);
    expect(await token.get()).toBe("t2");
  });

  test.each([
    [{ "sasl-mechanism": "GSSAPI" }, "sasl-mechanism GSSAPI (Kerberos) is not supported"],
    [{ "sasl-mechanism": "nonsense" }, 'unknown sasl-mechanism "NONSENSE"'],
    [
      { "sasl-mechanism": "PLAIN", "sasl-username": "u" },
      "sasl-mechanism PLAIN needs sasl-username and sasl-password",
    ],
    [
      { "sasl-mechanism": "OAUTHBEARER" },
      "sasl-mechanism OAUTHBEARER needs sasl-access-token or a sasl-oauth-token-url",
    ],
    [
      { "sasl-mechanism": "OAUTHBEARER", "sasl-oauth-service": "x" },
      'unknown sasl-oauth-service "x"',
    ],
    [{ "use-ssl": true, "ssl-ca": "/no/ca.pem" }, "cannot read TLS file /no/ca.pem"],
  ])("%p is final", async (config, want) => {
    const outcome = await send(producer([element(["localhost:1"], config)]));
    expect(outcome).toMatchObject({ kind: "rejected" });
    expect(outcome.kind === "sent" ? "" : outcome.error).toStartWith(`kafka: ${want}`);
  });
});

describe("outcomes", () => {
  test.each([
    [2, "retry", "CORRUPT_MESSAGE"],
    [3, "retry", "UNKNOWN_TOPIC_OR_PARTITION"],
    [5, "retry", "LEADER_NOT_AVAILABLE"],
    [6, "retry", "NOT_LEADER_FOR_PARTITION"],
    [7, "retry", "REQUEST_TIMED_OUT"],
    [8, "retry", "BROKER_NOT_AVAILABLE"],
    [10, "rejected", "MESSAGE_TOO_LARGE"],
    [17, "rejected", "INVALID_TOPIC_EXCEPTION"],
    [19, "retry", "NOT_ENOUGH_REPLICAS"],
    [29, "rejected", "TOPIC_AUTHORIZATION_FAILED"],
    [87, "rejected", "INVALID_RECORD"],
    [-1, "retry", "UNKNOWN"],
  ] as const)("a producer told error %d: %s", async (code, kind, type) => {
    const broker = await sink();
    broker.produceError = () => code;
    const outcome = await send(producer([element([broker.address])]));
    expect(outcome.kind).toBe(kind);
    expect(outcome.kind === "sent" ? "" : outcome.error).toStartWith(`kafka: ${type}: `);
    broker.produceError = () => 0;
  });

  test("a leader that moved is followed at once", async () => {
    const broker = await sink();
    let answers = 0;
    broker.produceError = () => (answers++ === 0 ? 6 : 0);
    expect(await send(producer([element([broker.address])]))).toEqual({ kind: "sent" });
    expect(broker.requests.filter((name) => name === "metadata").length).toBe(2);
  });

  test.each([
    [3, "retry", "UNKNOWN_TOPIC_OR_PARTITION"],
    [5, "retry", "LEADER_NOT_AVAILABLE"],
    [17, "rejected", "INVALID_TOPIC_EXCEPTION"],
    [29, "rejected", "TOPIC_AUTHORIZATION_FAILED"],
  ] as const)("metadata with error %d: %s", async (code, kind, type) => {
    const broker = await sink();
    broker.metadataError = () => code;
    const outcome = await send(producer([element([broker.address])]));
    expect(outcome.kind).toBe(kind);
    expect(outcome.kind === "sent" ? "" : outcome.error).toContain(type);
  });

  test("a refused connection is worth repeating", async () => {
    const outcome = await send(producer([element([`127.0.0.1:${freePort()}`])]));
    expect(outcome).toEqual({ kind: "retry", error: "kafka: connection refused" });
  });

  test("a leader that cannot be reached is worth repeating", async () => {
    const broker = await sink();
    broker.advertisedPort = freePort();
    const outcome = await send(producer([element([broker.address])]));
    expect(outcome).toEqual({ kind: "retry", error: "kafka: connection refused" });
  });

  test("a connection that breaks while producing is worth repeating", async () => {
    const broker = await sink();
    broker.produceError = () => "close";
    expect(await send(producer([element([broker.address])]))).toMatchObject({ kind: "retry" });
  });

  test("a broker that does not answer runs into the section's timeout", async () => {
    const broker = await sink();
    broker.produceError = () => "hang";
    const outcome = await send(producer([element([broker.address], { timeout: 20e6 })]));
    expect(outcome).toMatchObject({ kind: "retry" });
    expect(outcome.kind === "sent" ? "" : outcome.error).toContain("timed out");
  });

  test("a broker that does not answer is left when the signal fires", async () => {
    const broker = await sink();
    broker.produceError = () => "hang";
    const abort = new AbortController();
    const handler = producer([element([broker.address], { timeout: 300e6 })]);
    const sending = send(handler, {}, abort.signal);
    await broker.until(() => broker.requests.at(-1) === "produce");
    abort.abort(new Error("no answer within 30s"));
    expect(await sending).toEqual({ kind: "retry", error: "no answer within 30s" });
  });

  test("a server that is no broker is worth repeating", async () => {
    const server = new TcpReceiver(() => "HTTP/1.1 400 Bad Request\r\n\r\n");
    undo.push(() => server.close());
    const outcome = await send(producer([element([server.address], { timeout: 200e6 })]));
    expect(outcome).toMatchObject({ kind: "retry" });
  });

  test("an aborted send does not connect", async () => {
    const broker = await sink();
    const aborted = AbortSignal.abort(new Error("no time"));
    const outcome = await send(producer([element([broker.address])]), {}, aborted);
    expect(outcome).toEqual({ kind: "retry", error: "no time" });
    expect(broker.connections).toBe(0);
  });
});

describe("the cluster", () => {
  const NOT_ENABLED = "service is not enabled";
  const refused = [`127.0.0.1:${freePort()}`];
  const [a, b] = [element(refused, { id: "a" }), element(refused)];
  const off = element(refused, { id: "off", enabled: false });
  const REACHED = "kafka: connection refused";

  test.each([
    ["the only one", [a], {}, REACHED],
    ["the one named default", [a, b], {}, REACHED],
    ["the named one", [a, b], { cluster: "a" }, REACHED],
    ["none of that name", [a, b], { cluster: "x" }, 'unknown cluster "x"'],
    ["none without a name among others", [a, off], {}, 'unknown cluster "default"'],
    ["none that is off", [a, off], { cluster: "off" }, NOT_ENABLED],
    ["none without a section", [], {}, NOT_ENABLED],
  ])("is %s", async (_name, clusters, options, error) => {
    const outcome = await send(producer(clusters, options));
    expect(outcome).toEqual({ kind: error === REACHED ? "retry" : "rejected", error });
  });

  test.each([
    ["a cluster of the configuration", { cluster: "a" }, undefined],
    ["one that is off", { cluster: "off" }, undefined],
    ["none of that name", { cluster: "x" }, 'unknown cluster "x"'],
  ])("when a handler is defined: %s", (_name, options, problem) => {
    const using = services({ kafka: [a, off] });
    expect(kafka.checkHere?.({ topic: "t", ...options }, using)).toBe(problem);
    expect(kafka.checkHere?.({ topic: "t", ...options }, services())).toBe(undefined);
  });

  test.each([
    [{ topic: "" }, "kafka handler needs a topic"],
    [{ template: "{{" }, "unclosed action"],
    [{ partitionAlgorithm: "md5" }, 'invalid partition algorithm "md5"'],
  ])("%p is refused when the handler is made", (options, want) => {
    expect(() => producer([], options)).toThrow(want);
  });

  test("a script's calls become options", () => {
    const text = (value: string) => ({ kind: "string", value }) as const;
    const position = { line: 1, char: 1 };
    const kinds = new HandlerKinds([kafka]);
    const inline = (
      ...calls: { name: string; args: Parameters<typeof kinds.inline>[0]["args"] }[]
    ) =>
      kinds.inline({
        ...{ name: "kafka", args: [], position },
        calls: calls.map((call) => ({ ...call, calls: [], position })),
      }).options;
    const all = inline(
      { name: "cluster", args: [text("c")] },
      { name: "kafkaTopic", args: [text("t")] },
      { name: "template", args: [text("{{ .ID }}")] },
      { name: "disablePartitionById", args: [] },
      { name: "partitionHashAlgorithm", args: [text("murmur2")] },
    );
    expect(all).toEqual({
      ...{ cluster: "c", topic: "t", template: "{{ .ID }}" },
      ...{ disablePartitionById: true, partitionAlgorithm: "murmur2" },
    });
    const other = inline(
      { name: "kafkaTopic", args: [text("t")] },
      { name: "disablePartitionById", args: [{ kind: "bool", value: false }] },
      { name: "partitionAlgorithm", args: [text("crc32")] },
    );
    expect(other).toEqual({
      ...{ topic: "t", disablePartitionById: false, partitionAlgorithm: "crc32" },
    });
  });
});

test("messages and failures are counted per cluster and topic", async () => {
  const broker = await sink();
  const counted: string[] = [];
  const using = {
    ...services({ kafka: [element([broker.address]), element(["127.0.0.1:1"], { id: "down" })] }),
    count: (name: string, { cluster, topic }: Readonly<Record<string, string>>, what: string) =>
      counted.push(`${name} ${cluster} ${topic} ${what}`),
  };
  for (const cluster of ["default", "down"]) {
    const handler = open("kafka", { topic: "alerts", cluster }, using);
    undo.push(() => handler.close?.());
    await send(handler);
  }
  expect(counted).toEqual([
    "kafka default alerts write_messages",
    "kafka down alerts write_errors",
  ]);
});

test("the self-test produces its message under its key", async () => {
  const broker = await sink();
  const [run] = handlerTests([kafka], services({ kafka: [element([broker.address])] }));
  expect(run?.options).toEqual({
    ...{ cluster: "example", topic: "test", key: "key", message: "test kafka message" },
  });
  expect(await run?.run(run.options)).toBe('unknown cluster "example"');
  expect(await run?.run({ ...run.options, cluster: "default" })).toBeUndefined();
  expect(broker.records).toEqual([
    { topic: "test", partition: 0, key: "key", value: "test kafka message" },
  ]);
});
