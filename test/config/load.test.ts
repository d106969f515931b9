/** Defaults, precedence, list rules, environment, and that printing can be read back. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { parse } from "smol-toml";
import { clusterSettings } from "#config/cluster-settings.ts";
import type { DaemonConfig } from "#config/daemon-config.ts";
import type { Environment } from "#config/environment.ts";
import { declaredSections, findUnavailable, loadConfig } from "#config/load.ts";
import { printConfig } from "#config/print.ts";
import { defaultInfluxdb } from "#config/sections/influxdb.ts";

const ORIGINAL = readFileSync(join(import.meta.dir, "default-config-1.5.toml"), "utf8");

function load(text: string, environment: Environment = {}): DaemonConfig {
  const file = { path: "k.conf", text: `data_dir = "/d"\n${text}` };
  return loadConfig({ file, environment }).config;
}

describe("the original's default file", () => {
  test("is accepted unchanged and means our compiled defaults", () => {
    const file = { path: "default.toml", text: ORIGINAL };
    const loaded = loadConfig({ file });
    expect(loaded.notes).toEqual([]);
    expect(loaded.config).toEqual(loadConfig({ root: "/home/user/.kapacitor" }).config);
  });

  test("has no line that printing would change or lose", () => {
    const printed = printConfig(loadConfig({ root: "/home/user/.kapacitor" }).config).split("\n");
    let at = 0;
    for (const line of ORIGINAL.trimEnd().split("\n")) {
      const found = printed.indexOf(line, at);
      expect([line, found >= at]).toEqual([line, true]);
      at = found + 1;
    }
  });
});

describe("printing", () => {
  const roundTrip = (config: DaemonConfig): DaemonConfig =>
    loadConfig({ file: { path: "printed", text: printConfig(config) } }).config;

  test.each([
    ["defaults", ""],
    ["two of a list", `[[slack]]\nworkspace = "a"\ndefault = true\n[[slack]]\nworkspace = "b"`],
    [
      "two of every list with rules",
      `[[influxdb]]\nname = "a"\nurls = ["http://a"]\n[[influxdb]]\nname = "b"\nurls = ["http://b"]\n[[kafka]]\nid = "a"\n[[kafka]]\nid = "b"\n[[mqtt]]\nname="a"\n[[mqtt]]\nname="b"\n[[httppost]]\nendpoint="a"\nurl="http://a"\n[[httppost]]\nendpoint="b"\nurl="http://b"`,
    ],
    [
      "empty where the default is not",
      `[[influxdb]]\n[influxdb.excluded-subscriptions]\n[cluster]\nroles = []`,
    ],
    [
      "lists without default element",
      `[[udp]]\n[[udp]]\nbuffer = 3\n[[graphite]]\n[[kubernetes]]\n[[ec2]]\nid = "e"\n[[static-discovery]]\ntargets = ["a:1"]\n[static-discovery.labels]\n"a b" = "c"`,
    ],
    [
      "functions",
      `[udf.functions.avg]\nprog = "/x"\nargs = ["-u"]\ntimeout = "1.5s"\n[udf.functions.avg.env]\nPYTHONPATH = "/p"\n[udf.functions."odd name"]\nsocket = "/s"\ntimeout = 2000000`,
    ],
    [
      "maps",
      `[[httppost]]\nendpoint = "a"\n[httppost.headers]\nAuthorization = "x"\n[[kafka]]\n[kafka.sasl_extensions]\n"x.y" = "z"`,
    ],
    [
      "odd text",
      `[deadman]\nid = "tab\\t quote\\" back\\\\ del\\u007f nul\\u0000 é 😀"\nthreshold = 1e300`,
    ],
    ["a duration beyond 2^53", `[task]\nsnapshot-interval = 9223372036854775807`],
    ["licence", `[enterprise]\nlicense-key = "k"`],
  ])("reads back as the same configuration: %s", (_name, text) => {
    const config = load(text);
    expect(roundTrip(config)).toEqual(config);
  });

  test("any text and number survives", () => {
    fc.assert(
      fc.property(
        fc.record({
          id: fc.string({ unit: "binary" }),
          threshold: fc.double({ noNaN: true, noDefaultInfinity: true }),
          interval: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
        }),
        ({ id, threshold, interval }) => {
          const text = `[deadman]\nid = ${JSON.stringify(id).replaceAll("\u007f", "\\u007f")}\nthreshold = ${tomlFloat(threshold)}\ninterval = ${interval}`;
          const config = load(text);
          expect(roundTrip(config)).toEqual(config);
        },
      ),
      { numRuns: 100 },
    );
  });

  const tomlFloat = (x: number): string =>
    Number.isInteger(x) && Math.abs(x) < 1e15 ? x.toFixed(1) : String(x);

  test("prints every section that has a default", () => {
    const printed = parse(printConfig(load("")));
    const missing = declaredSections().filter(
      ({ name, list, ignored }) =>
        !(name in printed) && list?.lone !== false && ignored === undefined,
    );
    expect(missing).toEqual([]);
  });
});

describe("lists", () => {
  test("no block: one default element", () => {
    expect(load("").slack).toMatchObject([{ default: true, username: "kapacitor" }]);
    expect(load("").udp).toEqual([]);
  });

  test("one block is laid over the default element", () => {
    const [only] = load(`[[influxdb]]\nname = "mine"`).influxdb;
    expect(only).toMatchObject({
      name: "mine",
      enabled: true,
      urls: ["http://localhost:8086"],
      "excluded-subscriptions": { _kapacitor: ["autogen"] },
    });
  });

  test("a single table is a list of one", () => {
    expect(load(`[slack]\nchannel = "#a"`).slack).toMatchObject([
      { channel: "#a", username: "kapacitor", default: true },
    ]);
  });

  test("two blocks start from nothing, and only influxdb fills some keys in", () => {
    const config = load(
      `[[influxdb]]\nname = "a"\nurls = ["http://a"]\n[[influxdb]]\nname = "b"\nurls = ["http://b"]\n` +
        `[[slack]]\nworkspace = "a"\ndefault = true\n[[slack]]\nworkspace = "b"`,
    );
    expect(config.influxdb[1]).toMatchObject({
      enabled: false,
      "excluded-subscriptions": {},
      "udp-buffer": 1000,
      "startup-timeout": 300_000_000_000,
      "subscription-protocol": "http",
      "subscription-mode": "cluster",
      "subscriptions-sync-interval": 60_000_000_000,
      compression: "gzip",
    });
    expect(config.slack[1]).toMatchObject({ default: false, username: "" });
  });

  test("an empty table of exclusions excludes nothing", () => {
    const [only] = load("[[influxdb]]\n[influxdb.excluded-subscriptions]").influxdb;
    expect(only?.["excluded-subscriptions"]).toEqual({});
  });

  test("a zero sync interval becomes one minute", () => {
    const [only] = load(`[[influxdb]]\nsubscriptions-sync-interval = 0`).influxdb;
    expect(only?.["subscriptions-sync-interval"]).toBe(60_000_000_000);
  });

  test.each([
    [
      "the marked one",
      `[[influxdb]]\nname="a"\nenabled=true\nurls=["http://a"]\n[[influxdb]]\nname="b"\nenabled=true\ndefault=true\nurls=["http://b"]`,
      "b",
    ],
    [
      "the only enabled one",
      `[[influxdb]]\nname="a"\nurls=["http://a"]\n[[influxdb]]\nname="b"\nenabled=true\nurls=["http://b"]`,
      "b",
    ],
    ["none", `[[influxdb]]\nenabled = false`, undefined],
  ])("the default cluster is %s", (_name, text, name) => {
    expect(defaultInfluxdb(load(text).influxdb)?.name).toBe(name);
  });
});

describe("durations", () => {
  test.each([
    [`"1m30s"`, 90_000_000_000],
    ["0", 0],
    ["1500", 1500],
    ["9223372036854775807", 9223372036854775807n],
  ])("%s", (text, value) => {
    expect(load(`[http]\nshutdown-timeout = ${text}`).http["shutdown-timeout"]).toBe(value);
  });
});

describe("environment", () => {
  const KUBERNETES = `[kubernetes]\napi-servers = ["http://k"]`;

  test.each<[string, string, Environment, (config: DaemonConfig) => unknown, unknown]>([
    ["top level", "", { KAPACITOR_HOSTNAME: "h" }, (c) => c.hostname, "h"],
    ["top level with underscore", "", { KAPACITOR_DATA_DIR: "/e" }, (c) => c.data_dir, "/e"],
    [
      "dash as underscore",
      "",
      { KAPACITOR_DEFAULT_RETENTION_POLICY: "rp" },
      (c) => c["default-retention-policy"],
      "rp",
    ],
    [
      "over the file",
      `[http]\nlog-enabled = false`,
      { KAPACITOR_HTTP_LOG_ENABLED: "t" },
      (c) => c.http["log-enabled"],
      true,
    ],
    [
      "section with dash",
      "",
      { KAPACITOR_CONFIG_OVERRIDE_ENABLED: "False" },
      (c) => c["config-override"].enabled,
      false,
    ],
    [
      "empty is ignored",
      "",
      { KAPACITOR_HTTP_LOG_ENABLED: "" },
      (c) => c.http["log-enabled"],
      true,
    ],
    [
      "element of a list",
      "",
      { KAPACITOR_INFLUXDB_0_URLS_0: "http://e:1" },
      (c) => c.influxdb[0]?.urls,
      ["http://e:1"],
    ],
    [
      "element that does not exist",
      "",
      { KAPACITOR_INFLUXDB_1_NAME: "x" },
      (c) => c.influxdb.length,
      1,
    ],
    ["item that does not exist", "", { KAPACITOR_SMTP_TO_0: "a@b" }, (c) => c.smtp.to, []],
    [
      "item that exists",
      `[smtp]\nto = ["a@b", "c@d"]`,
      { KAPACITOR_SMTP_TO_1: "x@y" },
      (c) => c.smtp.to,
      ["a@b", "x@y"],
    ],
    [
      "second element",
      `[[slack]]\nworkspace="a"\ndefault=true\n[[slack]]\nworkspace="b"`,
      { KAPACITOR_SLACK_1_CHANNEL: "#c" },
      (c) => c.slack[1]?.channel,
      "#c",
    ],
    ["list without index", "", { KAPACITOR_SLACK_CHANNEL: "#c" }, (c) => c.slack[0]?.channel, ""],
    [
      "kubernetes without index",
      KUBERNETES,
      { KAPACITOR_KUBERNETES_TOKEN: "t" },
      (c) => c.kubernetes[0]?.token,
      "t",
    ],
    [
      "kubernetes that is not there",
      "",
      { KAPACITOR_KUBERNETES_TOKEN: "t" },
      (c) => c.kubernetes,
      [],
    ],
    [
      "enumerated text",
      "",
      { KAPACITOR_INFLUXDB_0_SUBSCRIPTION_MODE: "server" },
      (c) => c.influxdb[0]?.["subscription-mode"],
      "server",
    ],
    ["hexadecimal integer", "", { KAPACITOR_SMTP_PORT: "0x1F" }, (c) => c.smtp.port, 31],
    ["octal integer", "", { KAPACITOR_SMTP_PORT: "031" }, (c) => c.smtp.port, 25],
    ["float", "", { KAPACITOR_DEADMAN_THRESHOLD: "1.5e1" }, (c) => c.deadman.threshold, 15],
    [
      "duration",
      "",
      { KAPACITOR_ALERT_DELAY_PER_MEMBER: "5m0s" },
      (c) => c.alert["delay-per-member"],
      300_000_000_000,
    ],
    [
      "new map key, case kept",
      "",
      { KAPACITOR_HTTPPOST_0_HEADERS_xY: "v" },
      (c) => c.httppost[0]?.headers,
      { xY: "v" },
    ],
    [
      "sub-table",
      "",
      { KAPACITOR_HTTPPOST_0_BASIC_AUTH_USERNAME: "u" },
      (c) => c.httppost[0]?.["basic-auth"],
      { username: "u", password: "" },
    ],
    [
      "map of lists is not settable",
      "",
      { KAPACITOR_INFLUXDB_0_SUBSCRIPTIONS_db: "rp" },
      (c) => c.influxdb[0]?.subscriptions,
      {},
    ],
    [
      "function that exists",
      `[udf.functions.Avg]\nprog="/x"\ntimeout="1s"`,
      { KAPACITOR_UDF_FUNCTIONS_Avg_TIMEOUT: "2s" },
      (c) => c.udf.functions["Avg"]?.timeout,
      2_000_000_000,
    ],
    ["licence", "", { KAPACITOR_LICENSE_KEY: "k" }, (c) => c.enterprise["license-key"], "k"],
    [
      "licence by the general rule",
      "",
      { KAPACITOR_ENTERPRISE_LICENSE_PATH: "/l" },
      (c) => c.enterprise["license-path"],
      "/l",
    ],
    ["unknown", "", { KAPACITOR_NO_SUCH: "1", KAPACITOR_URL: "x" }, (c) => c.hostname, "localhost"],
  ])("%s", (_name, text, environment, pick, expected) => {
    expect(pick(load(text, environment))).toEqual(expected);
  });

  test.each([
    [
      { KAPACITOR_HTTP_LOG_ENABLED: "zz" },
      "apply env config: failed to apply KAPACITOR_HTTP_LOG_ENABLED to LogEnabled using type bool and value 'zz'",
    ],
    [
      { KAPACITOR_SMTP_PORT: "1.5" },
      "apply env config: failed to apply KAPACITOR_SMTP_PORT to Port using type int and value '1.5'",
    ],
    [
      { KAPACITOR_INFLUXDB_0_HTTP_PORT: "x" },
      "apply env config: failed to apply KAPACITOR_INFLUXDB_0_HTTP_PORT to HTTPPort using type int and value 'x'",
    ],
    [
      { KAPACITOR_DEADMAN_THRESHOLD: "Inf" },
      "apply env config: failed to apply KAPACITOR_DEADMAN_THRESHOLD to Threshold using type float64 and value 'Inf'",
    ],
    [
      { KAPACITOR_HTTP_SHUTDOWN_TIMEOUT: "zz" },
      'apply env config: failed to unmarshal env var: time: invalid duration "zz"',
    ],
    [
      { KAPACITOR_HTTP_SHUTDOWN_TIMEOUT: "1d" },
      'apply env config: failed to unmarshal env var: time: invalid duration "1d"',
    ],
    [
      { KAPACITOR_SMTP_PORT: "70000" },
      "apply env config: KAPACITOR_SMTP_PORT: expected an integer from 0 to 65535, found the number 70000",
    ],
    [
      { KAPACITOR_INFLUXDB_0_SUBSCRIPTION_MODE: "x" },
      'apply env config: KAPACITOR_INFLUXDB_0_SUBSCRIPTION_MODE: expected one of "cluster", "server", found the string "x"',
    ],
  ])("refuses %o", (environment, message) => {
    expect(() => load("", environment)).toThrow(new Error(message));
  });

  test("flags win over environment, environment over file", () => {
    const file = {
      path: "k",
      text: `data_dir = "/d"\nhostname = "file"\n[logging]\nlevel = "INFO"`,
    };
    const environment = { KAPACITOR_HOSTNAME: "env", KAPACITOR_LOGGING_LEVEL: "ERROR" };
    const { config } = loadConfig({ file, environment, flags: { hostname: "flag" } });
    expect(config).toMatchObject({ hostname: "flag", logging: { level: "ERROR" } });
  });
});

describe("what is not built", () => {
  test.each([
    ["[collectd]", "section [collectd]: the collectd listener is not available yet"],
    ["[[graphite]]", "section [graphite]: the Graphite listener is not available yet"],
    ["[opentsdb]", "section [opentsdb]: the OpenTSDB listener is not available yet"],
    [
      `[[scraper]]\nname="s"\ntype="prometheus"\ndb="d"\nrp="r"`,
      "section [scraper]: scraping is not available yet",
    ],
    ["[[ec2]]", "section [ec2]: ec2 discovery is not available yet"],
    [
      `[swarm]\nservers=["http://s"]`,
      "section [swarm]: the Docker Swarm client is not available yet",
    ],
    [
      "[kubernetes]\nin-cluster = true",
      "section [kubernetes]: the Kubernetes client is not available yet",
    ],
    ["[fluxtask]", "section [fluxtask]: running Flux tasks is not available yet"],
  ])("%s is accepted, and named when enabled", (text, message) => {
    expect(findUnavailable(load(text))).toBeUndefined();
    expect(findUnavailable(load(`${text}\nenabled = true`))).toBe(message);
  });

  test.each([
    [
      `[udf.functions.a]\nprog="/x"\ntimeout="1s"`,
      "section [udf]: running user-defined functions is not available yet",
    ],
    [
      `[auth]\nmeta-addr = "m:8091"`,
      "section [auth]: authenticating against a meta node (meta-addr) is not available yet",
    ],
  ])("%s", (text, message) => {
    expect(findUnavailable(load(text))).toBe(message);
  });

  test("the licence section is noted as ignored", () => {
    const file = { path: "k", text: `data_dir = "/d"\n[enterprise]\nlicense-key = "k"` };
    expect(loadConfig({ file }).notes).toEqual([
      "section [enterprise] is ignored: clustering needs no licence",
    ]);
  });
});

test("the configuration is frozen through and through", () => {
  const config = load("");
  expect(Object.isFrozen(config)).toBe(true);
  expect(Object.isFrozen(config.http)).toBe(true);
  expect(Object.isFrozen(config.influxdb[0]?.urls)).toBe(true);
});

describe("cluster settings", () => {
  test("defaults leave the protocol's own values alone and take hosts from hostname", () => {
    expect(clusterSettings(load(`hostname = "k1"`))).toMatchObject({
      gossipBind: { host: "k1", port: 9090 },
      rpcBind: { host: "k1", port: 9091 },
      gossipAdvertise: "k1:9090",
      rpcAdvertise: "k1:9091",
      apiAdvertise: "k1:9092",
      protocol: {},
      delayPerMemberMs: 10_000,
      fullSyncIntervalMs: 300_000,
    });
  });

  test("what is set is taken", () => {
    const key = Buffer.alloc(32, 7).toString("base64");
    const settings = clusterSettings(
      load(
        `[cluster]\nbind-address = "[::1]:1"\nadvertise-address = "a:2"\nprobe-interval = "1s"\n` +
          `gossip-members = 5\nencryption-keys = ["${key}"]\n[alert]\ndelay-per-member = "1ms"`,
      ),
    );
    expect(settings).toMatchObject({
      gossipBind: { host: "::1", port: 1 },
      gossipAdvertise: "a:2",
      protocol: { probeIntervalMs: 1000, gossipMembers: 5 },
      delayPerMemberMs: 1,
    });
    expect(settings.encryptionKeys).toEqual([new Uint8Array(32).fill(7)]);
  });
});
