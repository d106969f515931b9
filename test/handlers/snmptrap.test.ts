/** The `snmptrap` kind against a UDP receiver that decodes what it gets. */

import { afterEach, describe, expect, test } from "bun:test";
import { HandlerKinds } from "#alert/handler-kinds.ts";
import { OK } from "#alert/level.ts";
import { parseOid } from "#clients/snmp.ts";
import { handlerTests } from "#handlers/self-test.ts";
import { snmptrap } from "#handlers/snmptrap.ts";
import { SnmpSink } from "../support/snmp-sink.ts";
import { open, send, services } from "./support.ts";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

async function sink(host?: string): Promise<SnmpSink> {
  const opened = await SnmpSink.open(host);
  undo.push(() => opened.close());
  return opened;
}

const config = (addr: string, more: Readonly<Record<string, unknown>> = {}) => ({
  snmptrap: { enabled: true, addr, community: "s3cret", retries: 1, ...more },
});

const trapper = (
  port: number,
  options: Readonly<Record<string, unknown>>,
  more?: Readonly<Record<string, unknown>>,
) => open("snmptrap", options, services(config(`127.0.0.1:${port}`, more)));

const HEAD = [
  { oid: "1.3.6.1.2.1.1.3.0", type: "TimeTicks", value: "1000" },
  { oid: "1.3.6.1.6.3.1.1.4.1.0", type: "ObjectIdentifier", value: "1.3.6.1.4.1.1" },
];

const DATA = [
  { oid: "1.3.6.1.4.1.1.6", type: "s", value: "{{ .ID }} is {{ .Level }}: {{ .Message }}" },
  { oid: ".1.3.6.1.4.1.1.7", type: "i", value: '{{ index .Fields "i" }}' },
  { oid: "1.3.6.1.4.1.1.8", type: "c", value: "18446744073709551615" },
  { oid: "1.3.6.1.4.1.1.9", type: "t", value: "4294967295" },
  { oid: "1.3.6.1.4.1.1.10", type: "n", value: "ignored" },
];

describe("the trap", () => {
  test.each([
    ["CRITICAL", {}, "cpu:host=h1 is CRITICAL: cpu:host=h1 is CRITICAL"],
    ["OK", { level: OK, message: "fine — ü" }, "cpu:host=h1 is OK: fine — ü"],
  ] as const)("is complete for %s", async (_name, event, text) => {
    const receiver = await sink();
    const handler = trapper(receiver.port, { "trap-oid": "1.3.6.1.4.1.1", "data-list": DATA });
    expect(await send(handler, event)).toEqual({ kind: "sent" });
    await receiver.received(1);
    expect(receiver.traps).toEqual([
      {
        version: 1,
        community: "s3cret",
        pdu: 0xa7,
        variables: [
          ...HEAD,
          { oid: "1.3.6.1.4.1.1.6", type: "OctetString", value: text },
          { oid: "1.3.6.1.4.1.1.7", type: "Integer32", value: "3" },
          { oid: "1.3.6.1.4.1.1.8", type: "Counter64", value: "18446744073709551615" },
          { oid: "1.3.6.1.4.1.1.9", type: "TimeTicks", value: "4294967295" },
          { oid: "1.3.6.1.4.1.1.10", type: "Null", value: "" },
        ],
      },
    ]);
  });

  test("without data has the two leading variables alone", async () => {
    const receiver = await sink();
    expect(await send(trapper(receiver.port, { "trap-oid": ".1.3.6.1.4.1.1" }))).toEqual({
      kind: "sent",
    });
    await receiver.received(1);
    expect(receiver.traps[0]?.variables).toEqual(HEAD);
  });

  test("reaches a receiver on IPv6", async () => {
    const receiver = await sink("::1");
    const using = services(config(`[::1]:${receiver.port}`));
    expect(await send(open("snmptrap", { "trap-oid": "1.1.1.1" }, using))).toEqual({
      kind: "sent",
    });
    await receiver.received(1);
    expect(receiver.traps.length).toBe(1);
  });

  test("to a name goes to its IPv4 address", async () => {
    const receiver = await sink();
    const using = services(config(`localhost:${receiver.port}`));
    expect(await send(open("snmptrap", { "trap-oid": "1.1.1.1" }, using))).toEqual({
      kind: "sent",
    });
    await receiver.received(1);
    expect(receiver.traps.length).toBe(1);
  });

  test.each([
    ["c", "0", "Counter64", "0"],
    ["c", "128", "Counter64", "128"],
    ["c", "9223372036854775808", "Counter64", "9223372036854775808"],
    ["i", "-2147483648", "Integer32", "-2147483648"],
    ["i", " 2147483647 ", "Integer32", "2147483647"],
    ["i", "+7", "Integer32", "7"],
    ["t", "0", "TimeTicks", "0"],
    ["t", "128", "TimeTicks", "128"],
    ["s", "", "OctetString", ""],
    [
      "s",
      "a text of more than 127 bytes".repeat(10),
      "OctetString",
      "a text of more than 127 bytes".repeat(10),
    ],
  ])("carries %s %p", async (type, value, wantType, wantValue) => {
    const receiver = await sink();
    const options = { "trap-oid": "1.1.1.1", "data-list": [{ oid: "1.2.3", type, value }] };
    expect(await send(trapper(receiver.port, options))).toEqual({ kind: "sent" });
    await receiver.received(1);
    expect(receiver.traps[0]?.variables[2]).toEqual({
      ...{ oid: "1.2.3", type: wantType, value: wantValue },
    });
  });
});

describe("refusals", () => {
  const one = (type: string, value: string, oid = "1.2.3") => ({
    "trap-oid": "1.1.1.1",
    "data-list": [{ oid, type, value }],
  });

  test.each([
    [one("c", "-1"), 'invalid value "-1" of type c for OID 1.2.3'],
    [one("c", "18446744073709551616"), "of type c"],
    [one("i", "2147483648"), "of type i"],
    [one("i", "-2147483649"), "of type i"],
    [one("i", "1.5"), "of type i"],
    [one("i", ""), "of type i"],
    [one("t", "4294967296"), "of type t"],
    [one("x", "1"), 'unknown SNMP data type "x" for OID 1.2.3'],
    [one("s", "v", "1.x"), 'invalid OID "1.x"'],
    [{ "trap-oid": "" }, 'invalid trap OID ""'],
    [{ "trap-oid": "3.1" }, 'invalid trap OID "3.1"'],
    [one("s", "{{ .Nope }}"), "can't evaluate field Nope"],
  ])("%p is final", async (options, want) => {
    const receiver = await sink();
    const outcome = await send(trapper(receiver.port, options));
    expect(outcome).toMatchObject({ kind: "rejected" });
    expect(outcome.kind === "sent" ? "" : outcome.error).toContain(want);
  });

  test("a trap larger than a datagram is final", async () => {
    const receiver = await sink();
    const handler = trapper(receiver.port, one("s", "x".repeat(70_000)));
    expect(await send(handler)).toEqual({
      kind: "rejected",
      error: "snmptrap: the trap does not fit into a datagram",
    });
  });

  test("a broken template is refused when the handler is made", () => {
    expect(() => open("snmptrap", one("s", "{{"), services())).toThrow("unclosed action");
  });

  test("a wrong address is final, a host that is not there is worth repeating", async () => {
    const handler = (addr: string) =>
      open("snmptrap", { "trap-oid": "1.1.1.1" }, services(config(addr)));
    expect(await send(handler("localhost"))).toEqual({
      kind: "rejected",
      error: 'snmptrap: invalid addr "localhost"',
    });
    const outcome = await send(handler("no-such-host.invalid:162"));
    expect(outcome).toMatchObject({ kind: "retry" });
    expect(JSON.stringify(outcome)).not.toContain("s3cret");
  });

  test("an aborted send sends nothing", async () => {
    const receiver = await sink();
    const handler = trapper(receiver.port, { "trap-oid": "1.1.1.1" });
    const aborted = AbortSignal.abort(new Error("no time"));
    expect(await send(handler, {}, aborted)).toEqual({ kind: "retry", error: "no time" });
    await send(handler);
    await receiver.received(1);
    expect(receiver.traps.length).toBe(1);
  });

  test("a section that is off says so", async () => {
    const off = { kind: "rejected", error: "service is not enabled" } as const;
    expect(await send(open("snmptrap", {}, services()))).toEqual(off);
    expect(await send(trapper(1, {}, { enabled: false }))).toEqual(off);
  });
});

describe("a script's property", () => {
  const text = (value: string) => ({ kind: "string", value }) as const;
  const call = (name: string, ...args: string[]) => ({
    ...{ name, args: args.map(text), calls: [], position: { line: 1, char: 1 } },
  });
  const kinds = new HandlerKinds([snmptrap]);

  test("gives the trap's OID and each data() a variable", () => {
    const { options } = kinds.inline({
      ...call("snmpTrap", "1.1.1"),
      calls: [call("data", "1.3.6", "i", "10"), call("data", "1.3.7", "s", "{{ .ID }}")],
    });
    expect(options).toEqual({
      "trap-oid": "1.1.1",
      "data-list": [
        { oid: "1.3.6", type: "i", value: "10" },
        { oid: "1.3.7", type: "s", value: "{{ .ID }}" },
      ],
    });
  });

  test.each(["x", "", "ci"])("type %p is refused at definition", (type) => {
    const given = { ...call("snmpTrap", "1.1.1"), calls: [call("data", "1.3.6", type, "1")] };
    expect(() => kinds.inline(given)).toThrow("invalid SNMP data type");
  });
});

test.each([
  ["1.3.6.1", "1.3.6.1"],
  [".1.3.6.1", "1.3.6.1"],
  ["1.3.6.04294967295", undefined],
  ["1.3.4294967295", "1.3.4294967295"],
  ["1.3.4294967296", undefined],
  ["1.40", undefined],
  ["2.40", "2.40"],
  ["1", undefined],
  ["1..3", undefined],
  [`1.3${".1".repeat(126)}`, `1.3${".1".repeat(126)}`],
  [`1.3${".1".repeat(127)}`, undefined],
])("the OID %p reads as %p", (given, want) => {
  expect(parseOid(given)).toBe(want);
});

test("the self-test sends its trap", async () => {
  const receiver = await sink();
  const [run] = handlerTests([snmptrap], services(config(`127.0.0.1:${receiver.port}`)));
  expect(run?.options).toEqual({
    "trap-oid": "1.1.1.1",
    "data-list": [{ oid: "1.1.1.1.2", type: "s", value: "test snmptrap message" }],
  });
  expect(await run?.run(run.options)).toBeUndefined();
  await receiver.received(1);
  expect(receiver.traps[0]?.variables[2]).toEqual({
    ...{ oid: "1.1.1.1.2", type: "OctetString", value: "test snmptrap message" },
  });
});
