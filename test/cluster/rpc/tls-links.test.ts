/** Mutual TLS between members: whose certificate is good, and what happens to everybody else. */

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { clusterSettings } from "#config/cluster-settings.ts";
import { loadConfig } from "#config/load.ts";
import { readRpcTls } from "#daemon/rpc-tls.ts";
import { Authority } from "./certificates.ts";
import { closeAll, Member, raw, until } from "./cluster-on-loopback.ts";

const authority = new Authority();
const stranger = new Authority("other");
const HERE = ["DNS:localhost", "IP:127.0.0.1"];
const good = authority.issue("good", HERE);
const elsewhere = authority.issue("elsewhere", ["DNS:elsewhere.example"]);
const foreign = { ...stranger.issue("foreign", HERE), ca: good.ca };

afterEach(closeAll);
afterAll(() => {
  authority.remove();
  stranger.remove();
});

test("members with certificates of one authority call each other, in large and small", async () => {
  const [a, b] = await Member.pair({ tls: good });
  for (const member of [a, b]) member.links.handle("echo", (_from, payload) => payload);
  expect(await a.links.call(b.id, "echo", 1, 2000)).toBe(1);
  expect(await b.links.call(a.id, "echo", 2, 2000)).toBe(2);
  const text = "x".repeat(20 * 1024 * 1024);
  expect(await a.links.call(b.id, "echo", text, 20_000)).toBe(text);
}, 30_000);

test("TLS and keys work together, and a joining call passes", async () => {
  const [a, b] = await Member.pair({ tls: good, keys: [new Uint8Array(32).fill(1)] });
  b.links.handle("echo", (_from, payload) => payload);
  b.links.handle("join", (_from, payload) => payload);
  expect(await a.links.call(b.id, "echo", 1, 2000)).toBe(1);
  expect(await a.links.callAddress(b.address, "join", 3, 2000)).toBe(3);
});

test("a process that is gone is told as refused under TLS too", async () => {
  const [a, b] = await Member.pair({ tls: good });
  await a.up(b.id);
  await b.close();
  await until(() => a.states.includes(`${b.id} refused`));
  expect(a.states).toEqual([`${b.id} up`, `${b.id} lost`, `${b.id} refused`]);
});

describe("turned away", () => {
  test("a dialler whose certificate another authority signed: counted, no link", async () => {
    const [a, b] = await Member.pair({ tls: good, firstTls: foreign });
    await until(() => b.count("rpc_tls_refused") > 0);
    expect([...a.states, ...b.states]).toEqual([]);
  });

  test("a dialler that shows no certificate: counted, and nothing it says is read", async () => {
    const [a, b] = await Member.pair({ tls: good });
    await a.up(b.id);
    const before = b.count("rpc_tls_refused");
    const [hostname = "", port = ""] = b.address.split(":");
    const closed = Promise.withResolvers<void>();
    await Bun.connect({
      hostname,
      port: Number(port),
      tls: { ca: good.ca },
      socket: {
        handshake: (socket) => void socket.write(new Uint8Array(100)),
        data() {},
        close: () => closed.resolve(),
        error: () => closed.resolve(),
      },
    });
    await closed.promise;
    await until(() => b.count("rpc_tls_refused") === before + 1);
    expect(b.count("rpc_bad_frames")).toBe(0);
  });

  test("a dialler that does not talk TLS: counted, and others go on", async () => {
    const [a, b] = await Member.pair({ tls: good });
    await a.up(b.id);
    await raw(b.address, [new Uint8Array([0, 0, 0, 60, ...new Uint8Array(60)])]);
    await until(() => b.count("rpc_tls_refused") > 0);
    b.links.handle("echo", (_from, payload) => payload);
    expect(await a.links.call(b.id, "echo", 1, 2000)).toBe(1);
  });

  test.each([
    ["a member whose certificate is for another name", elsewhere, good, "does not match"],
    ["a member whose certificate another authority signed", foreign, good, "TLS: "],
    ["a member that does not talk TLS", undefined, good, "TLS: "],
  ])("%s: the adder says why", async (_title, theirs, own, text) => {
    const a = await Member.alone(1, "one", { tls: own });
    const b = await Member.alone(2, "two", theirs === undefined ? {} : { tls: theirs });
    b.links.handle("join", () => 1);
    const message = await a.links
      .callAddress(b.address, "join", 5, 3000)
      .catch((error: Error) => error.message);
    expect(message).toContain(text);
  });
});

describe("files", () => {
  const config = (lines: string) =>
    loadConfig({ file: { path: "k.conf", text: `data_dir = "/d"\n[rpc]\n${lines}` } }).config;
  const file = (name: string, text: string): string => {
    writeFileSync(authority.path(name), text);
    return authority.path(name);
  };
  const paths = {
    ca: authority.path("ca.pem"),
    certificate: authority.path("good.pem"),
    privateKey: authority.path("good.key"),
  };

  test("all three are read", () => {
    const lines = `tls-ca = "${paths.ca}"\ntls-certificate = "${paths.certificate}"\ntls-private-key = "${paths.privateKey}"`;
    const { rpcTls } = clusterSettings(config(lines));
    expect(rpcTls).toEqual(paths);
    expect(readRpcTls(paths)).toEqual(good);
    expect(clusterSettings(config("")).rpcTls).toBeUndefined();
  });

  test("one without the others is refused", () => {
    expect(() => config('tls-ca = "/a"')).toThrow(
      "rpc: set tls-ca, tls-certificate, tls-private-key together; missing: tls-certificate, tls-private-key",
    );
  });

  test.each([
    ["tls-ca", { ca: "/nowhere/ca.pem" }, "open /nowhere/ca.pem: no such file or directory"],
    ["tls-certificate", { certificate: file("t", "text") }, "holds no certificate in PEM form"],
    ["tls-ca", { ca: file("t", "text") }, "holds no certificate in PEM form"],
    ["tls-private-key", { privateKey: file("t", "text") }, "holds no unencrypted private key"],
    [
      "tls-private-key",
      { privateKey: authority.path("elsewhere.key") },
      "does not belong to the certificate",
    ],
  ])("a wrong file of %s is one line that names section and key", (key, changed, text) => {
    const read = (): unknown => readRpcTls({ ...paths, ...changed });
    expect(read).toThrow(`section [rpc], key ${key}: `);
    expect(read).toThrow(text);
  });
});
