/** TLS settings: each wrong file is one clear line; versions and ciphers are what a client really gets. */

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type SecureVersion } from "node:tls";
import { ConfigError } from "#config/config-error.ts";
import { loadConfig } from "#config/load.ts";
import { type ServerTls, serverTls } from "#http/tls.ts";
import { SELF_SIGNED_CERT, SELF_SIGNED_KEY } from "#test/handlers/self-signed.ts";

const OTHER_KEY = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
`;

const folder = mkdtempSync(join(tmpdir(), "tls-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const both = file("both.pem", SELF_SIGNED_KEY + SELF_SIGNED_CERT);
const cert = file("cert.pem", SELF_SIGNED_CERT);
const key = file("key.pem", SELF_SIGNED_KEY);
const other = file("other.pem", OTHER_KEY);
const text = file("text.pem", "hello");

function resolve(http: string, tls = ""): ServerTls | undefined {
  const toml = `data_dir = "/d"\n[http]\nhttps-enabled = true\n${http}\n[tls]\n${tls}`;
  return serverTls(loadConfig({ file: { path: "k.conf", text: toml } }).config);
}

test("without HTTPS nothing is read", () => {
  expect(serverTls(loadConfig({ root: "/r" }).config)).toBeUndefined();
});

test("one file may hold certificate and key", () => {
  const found = resolve(`https-certificate = "${both}"`);
  expect(found).toEqual({
    cert: SELF_SIGNED_KEY + SELF_SIGNED_CERT,
    key: SELF_SIGNED_KEY + SELF_SIGNED_CERT,
    minVersion: 0x303,
    maxVersion: 0x304,
  });
});

test("the key may be in a file of its own", () => {
  const found = resolve(`https-certificate = "${cert}"\nhttps-private-key = "${key}"`);
  expect([found?.cert, found?.key]).toEqual([SELF_SIGNED_CERT, SELF_SIGNED_KEY]);
});

describe("refusals", () => {
  const where = "section [http], key";
  test.each<[string, string]>([
    [
      `https-certificate = "/nowhere/x.pem"`,
      `${where} https-certificate: cannot read /nowhere/x.pem: no such file or directory`,
    ],
    [
      `https-certificate = "${folder}"`,
      `${where} https-certificate: cannot read ${folder}: is a directory`,
    ],
    [
      `https-certificate = "${cert}"\nhttps-private-key = "/nowhere/k.pem"`,
      `${where} https-private-key: cannot read /nowhere/k.pem: no such file or directory`,
    ],
    [
      `https-certificate = "${text}"`,
      `${where} https-certificate: ${text} holds no certificate in PEM form`,
    ],
    [
      `https-certificate = "${cert}"`,
      `${where} https-certificate: ${cert} holds no unencrypted private key in PEM form`,
    ],
    [
      `https-certificate = "${cert}"\nhttps-private-key = "${text}"`,
      `${where} https-private-key: ${text} holds no unencrypted private key in PEM form`,
    ],
    [
      `https-certificate = "${cert}"\nhttps-private-key = "${other}"`,
      `${where} https-private-key: the private key in ${other} does not belong to the certificate in ${cert}`,
    ],
  ])("%s", (http, error) => {
    expect(() => resolve(http)).toThrow(ConfigError);
    expect(() => resolve(http)).toThrow(error);
  });

  test.each<[string, string]>([
    [
      `ciphers = ["TLS_RSA_WITH_RC4_128_SHA"]`,
      "section [tls], key ciphers: cipher suite TLS_RSA_WITH_RC4_128_SHA is no longer supported",
    ],
    [
      `min-version = "1.3"\nmax-version = "tls1.2"`,
      "section [tls]: min-version 1.3 is above max-version 1.2",
    ],
    [`max-version = "1.1"`, "section [tls]: min-version 1.2 is above max-version 1.1"],
    [
      `ciphers = ["TLS_AES_128_GCM_SHA256"]\nmax-version = "1.2"`,
      "section [tls]: min-version 1.3 is above max-version 1.2",
    ],
  ])("%s", (tls, error) => {
    expect(() => resolve(`https-certificate = "${both}"`, tls)).toThrow(error);
  });
});

/** Version and cipher that a client of exactly this version gets, or `refused`. */
async function handshake(tls: ServerTls | undefined, version: SecureVersion): Promise<string> {
  if (tls === undefined) throw new Error("no TLS");
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", tls, fetch: () => new Response("") });
  const options = { minVersion: version, maxVersion: version, rejectUnauthorized: false };
  const found = await new Promise<string>((done) => {
    const socket = connect({ port: Number(server.port), host: "127.0.0.1", ...options }, () => {
      done(`${socket.getProtocol()} ${socket.getCipher().name}`);
      socket.destroy();
    });
    socket.on("error", () => done("refused"));
  });
  await server.stop(true);
  return found;
}

describe("what a client gets", () => {
  const ECDSA_256 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
  test.each<[string, SecureVersion, string]>([
    ["", "TLSv1.1", "refused"],
    ["", "TLSv1.2", "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"],
    ["", "TLSv1.3", "TLSv1.3 TLS_AES_128_GCM_SHA256"],
    [`min-version = "1.3"`, "TLSv1.2", "refused"],
    [`min-version = "tls1.3"`, "TLSv1.3", "TLSv1.3 TLS_AES_128_GCM_SHA256"],
    [`max-version = "1.2"`, "TLSv1.3", "refused"],
    [`max-version = "TLS1.2"`, "TLSv1.2", "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"],
    [`min-version = "1.1"`, "TLSv1.1", "TLSv1.1 ECDHE-ECDSA-AES128-SHA"],
    [`min-version = "1.1"`, "TLSv1", "refused"],
    [`ciphers = ["${ECDSA_256}"]`, "TLSv1.2", "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"],
    [
      `ciphers = ["tls_ecdhe_ecdsa_with_chacha20_poly1305", "TLS_AES_128_GCM_SHA256"]`,
      "TLSv1.2",
      "TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305",
    ],
    [`ciphers = ["TLS_RSA_WITH_AES_128_GCM_SHA256"]`, "TLSv1.2", "refused"],
    [`ciphers = ["TLS_AES_128_GCM_SHA256"]`, "TLSv1.2", "refused"],
    [`ciphers = ["TLS_AES_128_GCM_SHA256"]`, "TLSv1.3", "TLSv1.3 TLS_AES_128_GCM_SHA256"],
  ])("with %j as %s: %s", async (tls, version, wanted) => {
    expect(await handshake(resolve(`https-certificate = "${both}"`, tls), version)).toBe(wanted);
  });
});

test("every suite in the table is one the runtime takes", () => {
  const names =
    "ECDHE_ECDSA_WITH_AES_128_CBC_SHA ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 ECDHE_ECDSA_WITH_AES_256_CBC_SHA ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 ECDHE_RSA_WITH_AES_128_CBC_SHA ECDHE_RSA_WITH_AES_128_CBC_SHA256 ECDHE_RSA_WITH_AES_128_GCM_SHA256 ECDHE_RSA_WITH_AES_256_CBC_SHA ECDHE_RSA_WITH_AES_256_GCM_SHA384 ECDHE_RSA_WITH_CHACHA20_POLY1305 RSA_WITH_3DES_EDE_CBC_SHA RSA_WITH_AES_128_CBC_SHA RSA_WITH_AES_128_GCM_SHA256 RSA_WITH_AES_256_CBC_SHA RSA_WITH_AES_256_GCM_SHA384".split(
      " ",
    );
  for (const name of names) {
    const tls = resolve(`https-certificate = "${both}"`, `ciphers = ["TLS_${name}"]`);
    if (tls === undefined) throw new Error("no TLS");
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      tls,
      fetch: () => new Response(""),
    });
    expect([name, server.port === undefined]).toEqual([name, false]);
    server.stop(true);
  }
});
