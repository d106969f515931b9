/** HTTPS to InfluxDB: authorities, client certificates and the switch that trusts everybody. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InfluxClient, InfluxError } from "#clients/influx/client.ts";
import { loadConfig } from "#config/load.ts";
import { type InfluxdbSection, influxClientOptions } from "#ingest/subscription-config.ts";
import { VirtualClock } from "#lib/clock.ts";

const missing = Bun.which("openssl") === null ? "no openssl on the PATH" : undefined;
if (missing !== undefined && process.env["KAPACITOR_TEST_REQUIRE"] === "1")
  throw new Error(missing);

let directory = "";
const at = (name: string): string => join(directory, name);

function openssl(...words: string[]): void {
  const run = Bun.spawnSync(["openssl", ...words], { cwd: directory, stdin: "ignore" });
  if (!run.success) throw new Error(`openssl ${words.join(" ")}: ${run.stderr.toString()}`);
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** An authority of its own: `<name>.pem` and `<name>.key`. */
function makeAuthority(name: string): void {
  const out = ["-keyout", `${name}.key`, "-out", `${name}.pem`];
  openssl("req", "-x509", ...KEY, ...out, "-subj", `/CN=${name}`, "-days", "2");
}

/** A certificate signed by an authority, for these names. */
function makeCertificate(name: string, authority: string, names: string): void {
  openssl("req", ...KEY, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
  writeFileSync(at(`${name}.ext`), `subjectAltName=${names}\n`);
  const signer = ["-CA", `${authority}.pem`, "-CAkey", `${authority}.key`, "-CAcreateserial"];
  const out = ["-out", `${name}.pem`, "-days", "2", "-extfile", `${name}.ext`];
  openssl("x509", "-req", "-in", `${name}.csr`, ...signer, ...out);
}

function serve(name: string, clientAuthority?: string) {
  const file = (path: string): string => readFileSync(at(path), "utf8");
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: {
      cert: file(`${name}.pem`),
      key: file(`${name}.key`),
      ...(clientAuthority === undefined
        ? {}
        : { ca: file(`${clientAuthority}.pem`), requestCert: true, rejectUnauthorized: true }),
    },
    fetch: () => new Response(null, { status: 204, headers: { "X-Influxdb-Version": "1.6.7" } }),
  });
}

/** A section as the configuration gives it, with these keys. */
function section(port: number | undefined, more: Partial<InfluxdbSection>): InfluxdbSection {
  const { config } = loadConfig({
    file: {
      path: "k",
      text: `data_dir = "/d"\n[[influxdb]]\nurls = ["https://127.0.0.1:${port}"]`,
    },
    environment: {},
    flags: { hostname: "localhost" },
  });
  const [one] = config.influxdb;
  if (one === undefined) throw new Error("no [[influxdb]]");
  return { ...one, ...more };
}

async function ping(port: number | undefined, more: Partial<InfluxdbSection>): Promise<string> {
  const client = new InfluxClient(influxClientOptions(section(port, more)), new VirtualClock());
  return await client.ping().catch((error: unknown) => {
    expect(error).toBeInstanceOf(InfluxError);
    expect(error instanceof InfluxError && error.status === undefined && error.retryable).toBe(
      true,
    );
    return "refused";
  });
}

describe.skipIf(missing !== undefined)(
  `https${missing === undefined ? "" : `: ${missing}`}`,
  () => {
    let plain: ReturnType<typeof serve>;
    let elsewhere: ReturnType<typeof serve>;
    let strict: ReturnType<typeof serve>;
    beforeAll(() => {
      directory = mkdtempSync(join(tmpdir(), "influx-tls-"));
      makeAuthority("authority");
      makeAuthority("stranger");
      makeCertificate("server", "authority", "IP:127.0.0.1");
      makeCertificate("elsewhere", "authority", "DNS:elsewhere.example");
      makeCertificate("client", "authority", "DNS:client");
      makeCertificate("impostor", "stranger", "DNS:client");
      plain = serve("server");
      elsewhere = serve("elsewhere");
      strict = serve("server", "authority");
    });
    afterAll(async () => {
      for (const server of [plain, elsewhere, strict]) await server?.stop(true);
      rmSync(directory, { recursive: true, force: true });
    });

    test("an unknown authority is refused, a known one is taken", async () => {
      expect(await ping(plain.port, {})).toBe("refused");
      expect(await ping(plain.port, { "ssl-ca": at("stranger.pem") })).toBe("refused");
      expect(await ping(plain.port, { "ssl-ca": at("authority.pem") })).toBe("1.6.7");
    });

    test("a certificate for another name is refused", async () => {
      expect(await ping(elsewhere.port, { "ssl-ca": at("authority.pem") })).toBe("refused");
    });

    test("insecure-skip-verify takes every certificate, and nobody else does afterwards", async () => {
      for (const { port } of [plain, elsewhere]) {
        expect(await ping(port, { "insecure-skip-verify": true })).toBe("1.6.7");
        expect(await ping(port, {})).toBe("refused");
      }
    });

    test("a server that wants a certificate gets ours", async () => {
      const files = (name: string): Partial<InfluxdbSection> => ({
        "ssl-ca": at("authority.pem"),
        "ssl-cert": at(`${name}.pem`),
        "ssl-key": at(`${name}.key`),
      });
      expect(await ping(strict.port, files("client"))).toBe("1.6.7");
      expect(await ping(strict.port, { "ssl-ca": at("authority.pem") })).toBe("refused");
      expect(await ping(strict.port, files("impostor"))).toBe("refused");
    });

    test.each(["ssl-ca", "ssl-cert", "ssl-key"] as const)("an unreadable %s is named", (key) => {
      expect(() => influxClientOptions(section(1, { [key]: at("absent.pem") }))).toThrow(
        "absent.pem",
      );
    });
  },
);
