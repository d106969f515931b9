/**
 * The compiled daemon behind TLS: what clients get, what the command line makes of its certificate, and settings
 * that cannot be met. And the forms of addresses it listens on.
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { connect, type SecureVersion } from "node:tls";
import { SELF_SIGNED_CERT, SELF_SIGNED_KEY } from "#test/handlers/self-signed.ts";
import { BINARY, cli, freePort, mustRun, until } from "../../scripts/lab.ts";
import { cleanUp, openDirectory, undo } from "./influx-lab.ts";
import { type LoneDaemon, refusedLone, startLone } from "./lone-daemon.ts";

afterEach(cleanUp);

/** A directory with certificate and key, and the lines of `[http]` that name them. */
function certified(): { readonly directory: string; readonly http: string } {
  const directory = openDirectory();
  const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  writeFileSync(cert, SELF_SIGNED_CERT);
  writeFileSync(key, SELF_SIGNED_KEY, { mode: 0o600 });
  return {
    directory,
    http: `  https-enabled = true\n  https-certificate = "${cert}"\n  https-private-key = "${key}"`,
  };
}

async function open(tls: string): Promise<LoneDaemon> {
  const sections = tls === "" ? "" : `[tls]\n${tls}\n`;
  const daemon = await startLone({ ...certified(), scheme: "https", sections });
  undo.push(() => daemon.close());
  return daemon;
}

/** Version and cipher of a client that speaks exactly this version, or `refused`. */
function handshake(port: number, version: SecureVersion): Promise<string> {
  const versions = { minVersion: version, maxVersion: version } as const;
  return new Promise((done) => {
    const options = { port, host: "127.0.0.1", rejectUnauthorized: false, ...versions };
    const socket = connect(options, () => {
      done(`${socket.getProtocol()} ${socket.getCipher().name}`);
      socket.destroy();
    });
    socket.on("error", () => done("refused"));
  });
}

describe("HTTPS", () => {
  test("the command line checks the certificate unless told not to", async () => {
    const daemon = await open("");
    const list = (...options: string[]) =>
      cli("kapacitor", ...options, "-url", daemon.url, "list", "tasks");
    const distrusting = list();
    expect([distrusting.code, distrusting.stdout]).toEqual([3, ""]);
    expect(distrusting.stderr).toMatch(/^Error: cannot reach https:\/\/\S+: .*certificate/);
    expect(list("-skipVerify").code).toBe(0);
    const env = { ...process.env, KAPACITOR_UNSAFE_SSL: "true", KAPACITOR_URL: daemon.url };
    const byEnvironment = Bun.spawnSync([BINARY, "kapacitor", "list", "tasks"], { env });
    expect(byEnvironment.exitCode).toBe(0);
    const members = mustRun("kapacitorctl", "member", "list", "-skipVerify", "-url", daemon.url);
    expect(members).toContain("State: uninitialized");
    const plain = cli("kapacitor", "-url", daemon.url.replace("https", "http"), "list", "tasks");
    expect(plain.code).toBe(3);
    expect(plain.stderr).toStartWith("Error: cannot reach http://");
    expect(daemon.log()).toMatch(/msg="listening on".* protocol=https/);
  }, 30_000);

  test("writes, packed answers and backups go through it", async () => {
    const { url } = await open("");
    const tls = { rejectUnauthorized: false };
    const body = "cpu v=1 1";
    const written = await fetch(`${url}/write?db=d`, { method: "POST", body, tls });
    expect(written.status).toBe(204);
    const listed = await fetch(`${url}/kapacitor/v1/tasks`, { tls });
    expect(await listed.json()).toEqual({ tasks: [] });
    const file = join(openDirectory(), "backup.db");
    mustRun("kapacitor", "-skipVerify", "-url", url, "backup", file);
    expect(Bun.file(file).size).toBeGreaterThan(0);
  }, 30_000);

  test.each<[string, readonly (readonly [SecureVersion, string])[]]>([
    [
      "",
      [
        ["TLSv1.1", "refused"],
        ["TLSv1.2", "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"],
        ["TLSv1.3", "TLSv1.3 TLS_AES_128_GCM_SHA256"],
      ],
    ],
    [
      'min-version = "1.3"',
      [
        ["TLSv1.2", "refused"],
        ["TLSv1.3", "TLSv1.3 TLS_AES_128_GCM_SHA256"],
      ],
    ],
    [
      'max-version = "tls1.2"\nciphers = ["tls_ecdhe_ecdsa_with_aes_256_gcm_sha384"]',
      [
        ["TLSv1.2", "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"],
        ["TLSv1.3", "refused"],
      ],
    ],
  ])("with %j clients get what it says", async (tls, wanted) => {
    const { port } = await open(tls);
    for (const [version, got] of wanted) expect(await handshake(port, version)).toBe(got);
  });

  test.each([
    ['ciphers = ["TLS_RSA_WITH_RC4_128_SHA"]', "section [tls], key ciphers: "],
    ['min-version = "1.4"', 'tls: unknown tls version: "1.4"'],
    ['min-version = "1.3"\nmax-version = "1.2"', "section [tls]: min-version 1.3 is above"],
  ])("%s is refused at the start with its place", async (tls, place) => {
    const { code, stderr } = await refusedLone({ ...certified(), sections: `[tls]\n${tls}\n` });
    expect(stderr).toContain(place);
    expect(code).toBe(1);
  });

  test("so is a certificate that is not there", async () => {
    const http = '  https-enabled = true\n  https-certificate = "/nowhere/x.pem"';
    const { code, stderr } = await refusedLone({ directory: openDirectory(), http });
    expect(stderr).toContain(
      "section [http], key https-certificate: cannot read /nowhere/x.pem: no such file",
    );
    expect(code).toBe(1);
  });
});

const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === "::1");

describe("addresses to listen on", () => {
  test.each([
    ["", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.1"],
    ["127.0.0.1", "127.0.0.1"],
    ["localhost", "localhost"],
    ...(hasIpv6
      ? [
          ["", "[::1]"],
          ["[::]", "[::1]"],
        ]
      : []),
  ])("[http] with the host %j is reached at %s", async (host, at) => {
    const daemon = await startLone({ directory: openDirectory(), host });
    undo.push(() => daemon.close());
    const answer = await fetch(`http://${at}:${daemon.port}/kapacitor/v1/ping`);
    expect(answer.status).toBe(204);
  });

  describe("[[udp]]", () => {
    const forms: readonly (readonly [string, string, "udp4" | "udp6"])[] = [
      ["", "127.0.0.1", "udp4"],
      ["127.0.0.1", "127.0.0.1", "udp4"],
      ["0.0.0.0", "127.0.0.1", "udp4"],
      ...(hasIpv6 ? ([["[::1]", "::1", "udp6"]] as const) : []),
    ];
    let daemon: LoneDaemon;
    const ports: number[] = [];

    beforeAll(async () => {
      const sections: string[] = [];
      for (const [i, [host]] of forms.entries()) {
        const port = await freePort("127.0.0.1");
        ports.push(port);
        sections.push(
          `[[udp]]\n  enabled = true\n  bind-address = "${host}:${port}"\n  database = "db${i}"\n  retention-policy = "rp"\n`,
        );
      }
      daemon = await startLone({ directory: openDirectory(), sections: sections.join("") });
    });

    afterAll(() => daemon.close());

    test.each(forms.map((form, i) => [form[0], form[1], form[2], i] as const))(
      "bound to %j takes datagrams for %s",
      async (_, at, kind, i) => {
        const script = `dbrp "db${i}"."rp"\nstream|from()|httpOut('out')`;
        const body = JSON.stringify({ id: `t${i}`, script, status: "enabled" });
        await fetch(`${daemon.url}/kapacitor/v1/tasks`, { method: "POST", body });
        const socket = createSocket(kind);
        try {
          await until("the point", 10_000, async () => {
            socket.send("cpu v=42 1", ports[i] ?? 0, at);
            const answer = await fetch(`${daemon.url}/kapacitor/v1/tasks/t${i}/out`);
            return (await answer.text()).includes(",42]");
          });
        } finally {
          socket.close();
        }
      },
    );
  });

  test.each([
    [
      '[[udp]]\n  enabled = true\n  bind-address = "nowhere.invalid:9100"\n  database = "d"',
      "nowhere.invalid",
    ],
    ['[[udp]]\n  enabled = true\n  bind-address = "127.0.0.1:99999"\n  database = "d"', "99999"],
    ['[[udp]]\n  enabled = true\n  bind-address = "9100"\n  database = "d"', "9100"],
  ])("%j is refused at the start", async (sections, named) => {
    const { code, stderr } = await refusedLone({ directory: openDirectory(), sections });
    expect(stderr).toContain(named);
    expect(stderr).toContain("udp");
    expect(code).toBe(1);
  });
});
