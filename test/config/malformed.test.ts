/** Every malformed file gives one line with file, line, section, key and what was expected. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ConfigError } from "#config/config-error.ts";
import { loadConfig } from "#config/load.ts";

/** The message for a file; "" when it is accepted. */
function mistake(text: string): string {
  try {
    loadConfig({ file: { path: "k.conf", text: `data_dir = "/d"\n${text}` } });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "";
}

const AT = "parse config: k.conf";

describe("mistakes in the file", () => {
  test.each([
    [
      "unknown top-level key",
      `data-dir = "/x"`,
      `${AT}:2: key data-dir: unknown key, did you mean "data_dir"?`,
    ],
    [
      "unknown section",
      `[htttp]\nbind-address = ":1"`,
      `${AT}:2: section [htttp]: unknown section, did you mean "http"?`,
    ],
    [
      "unknown list section",
      `\n[[influx]]\nname = "a"`,
      `${AT}:3: section [influx]: unknown section, did you mean "influxdb"?`,
    ],
    [
      "unknown key",
      `[replay]\ndirr = 1`,
      `${AT}:3: section [replay], key dirr: unknown key, did you mean "dir"?`,
    ],
    [
      "unknown key unlike any other",
      `[load]\nenabled = true\nfrequency = 1`,
      `${AT}:4: section [load], key frequency: unknown key, expected one of enabled, dir`,
    ],
    [
      "underscore for dash",
      `[http]\nbind_address = ":9092"`,
      `${AT}:3: section [http], key bind_address: unknown key, did you mean "bind-address"?`,
    ],
    [
      "text for a flag",
      `[http]\n\n# a comment\nauth-enabled = "yes"`,
      `${AT}:5: section [http], key auth-enabled: expected true or false, found the string "yes"`,
    ],
    ["flag for text", `hostname = true`, `${AT}:2: key hostname: expected a string, found true`],
    [
      "number for text",
      `[storage]\nboltdb = 7`,
      `${AT}:3: section [storage], key boltdb: expected a string, found the number 7`,
    ],
    [
      "text for a number",
      `[smtp]\nport = "25"`,
      `${AT}:3: section [smtp], key port: expected an integer from 0 to 65535, found the string "25"`,
    ],
    [
      "number out of range",
      `[smtp]\nport = 65536`,
      `${AT}:3: section [smtp], key port: expected an integer from 0 to 65535, found the number 65536`,
    ],
    [
      "fraction for an integer",
      `[stats]\ntiming-movavg-size = 1.5`,
      `${AT}:3: section [stats], key timing-movavg-size: expected an integer of at least 1, found the number 1.5`,
    ],
    [
      "integer beyond all limits",
      `[kafka]\nbatch-size = 9223372036854775807`,
      `${AT}:3: section [kafka], key batch-size: expected an integer of at least 0, found the number 9223372036854776000`,
    ],
    [
      "rate above one",
      `[stats]\ntiming-sample-rate = 1.01`,
      `${AT}:3: section [stats], key timing-sample-rate: expected a number from 0 to 1, found the number 1.01`,
    ],
    [
      "duration without unit",
      `[http]\nshutdown-timeout = "10"`,
      `${AT}:3: section [http], key shutdown-timeout: expected a duration such as "10s" or "1m30s", not negative, found the string "10"`,
    ],
    [
      "duration in days",
      `[task]\nsnapshot-interval = "1d"`,
      `${AT}:3: section [task], key snapshot-interval: expected a duration such as "10s" or "1m30s", not negative, found the string "1d"`,
    ],
    [
      "duration beyond int64",
      `[task]\nsnapshot-interval = "2562048h"`,
      `${AT}:3: section [task], key snapshot-interval: expected a duration such as "10s" or "1m30s", not negative, found the string "2562048h"`,
    ],
    [
      "negative duration",
      `[alert]\ndelay-per-member = "-1s"`,
      `${AT}:3: section [alert], key delay-per-member: expected a duration such as "10s" or "1m30s", not negative, found the number -1000000000`,
    ],
    [
      "duration as a fraction",
      `[alert]\ndelay-per-member = 1.5`,
      `${AT}:3: section [alert], key delay-per-member: expected a duration such as "10s" or "1m30s", not negative, found the number 1.5`,
    ],
    [
      "text for a list",
      `[[influxdb]]\nurls = "http://a:8086"`,
      `${AT}:3: section [[influxdb]], key urls: expected an array of strings, found the string "http://a:8086"`,
    ],
    [
      "number in a list",
      `[opsgenie]\nteams = ["a", 1]`,
      `${AT}:3: section [opsgenie], key teams: expected an array of strings, found an array`,
    ],
    [
      "mistake in the second element",
      `[[slack]]\nworkspace = "a"\n[[slack]]\nworkspace = 2`,
      `${AT}:5: section [[slack]] #2, key workspace: expected a string, found the number 2`,
    ],
    [
      "table for text",
      `[http.bind-address]\nx = 1`,
      `${AT}:2: section [http], key bind-address: expected a string, found a table`,
    ],
    [
      "text for a section",
      `http = "on"`,
      `${AT}:2: section [http]: expected a table, found the string "on"`,
    ],
    [
      "list for a single section",
      `[[http]]\nlog-enabled = true`,
      `${AT}:2: section [http]: expected one table [http], found a list of tables`,
    ],
    [
      "mistake in a sub-table",
      `[[httppost]]\nendpoint = "a"\n[httppost.basic-auth]\nuser = "x"`,
      `${AT}:5: section [[httppost]], key basic-auth.user: unknown key, expected one of username, password`,
    ],
    [
      "text in a table of lists",
      `[[influxdb]]\n[influxdb.subscriptions]\ntelegraf = "autogen"`,
      `${AT}:3: section [[influxdb]], key subscriptions: expected a table of arrays of strings, found a table`,
    ],
    [
      "mistake in a named sub-table",
      `[udf.functions.avg]\nprog = "/bin/avg"\ntimeout = "soon"`,
      `${AT}:4: section [udf], key functions.avg.timeout: expected a duration such as "10s" or "1m30s", not negative, found the string "soon"`,
    ],
    [
      "mistake in an inline table",
      `[[mqtt]]\nname = "a"\n[smtp]\nto = ["""\na@b""", 'c@d'] # ]\nx = {y = 1}`,
      `${AT}:7: section [smtp], key x: unknown key, expected one of enabled, host, port, username, password, no-verify, global, state-changes-only, from, to, toTemplates, idle-timeout`,
    ],
    [
      "mistake behind a multi-line string",
      `[deadman]\nid = '''\n[http]\nport = 1\n'''\nglobal = 1`,
      `${AT}:7: section [deadman], key global: expected true or false, found the number 1`,
    ],
    [
      "word not of the list",
      `[[influxdb]]\nsubscription-mode = "both"`,
      `${AT}:3: section [[influxdb]], key subscription-mode: expected one of "cluster", "server", found the string "both"`,
    ],
    [
      "date for text",
      `hostname = 2020-01-01`,
      `${AT}:2: key hostname: expected a string, found a date`,
    ],
    ["syntax: no value", `[http]\nbind-address =`, `${AT}:3: invalid TOML: `],
    ["syntax: open string", `[http]\nbind-address = ":9092`, `${AT}:3: invalid TOML: `],
    [
      "syntax: key twice",
      `[http]\nlog-enabled = true\nlog-enabled = true`,
      `${AT}:4: invalid TOML: `,
    ],
    ["syntax: section twice", `[http]\n[http]`, `${AT}:3: invalid TOML: `],
  ])("%s", (_name, text, message) => {
    const found = mistake(text);
    if (message.endsWith("invalid TOML: ")) expect(found).toStartWith(message);
    else expect(found).toBe(message);
    expect(found).not.toContain("\n");
  });

  test("a long value is shown shortened", () => {
    expect(mistake(`[http]\nauth-enabled = "${"x".repeat(500)}"`).length).toBeLessThan(200);
  });

  test("a secret of the wrong type is not shown", () => {
    expect(mistake(`[cluster]\nencryption-keys = "hunter2"`)).toBe(
      `${AT}:3: section [cluster], key encryption-keys: expected an array of strings, found a string`,
    );
  });

  test("the first mistake of the file is the one reported", () => {
    expect(mistake("[smtp]\nport = 99999\n[http]\nlog-enabled = 1")).toContain("section [smtp]");
    expect(mistake("[http]\nlog-enabled = 1\n[smtp]\nport = 99999")).toContain("section [http]");
  });

  test("any text is either accepted or refused with one line", () => {
    const piece = fc.constantFrom(
      "[",
      "]",
      "[[http]]",
      "[http]",
      "\n",
      "=",
      '"',
      "'",
      "'''",
      '"""',
      "{",
      "}",
      ".",
      ",",
      "#",
      "a",
      "hostname",
      "__proto__",
      "1",
      "true",
      "[udf.functions.__proto__]",
      "\\",
      "\u0000",
      "é",
      "[[slack]]",
      "headers.x",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        expect(mistake(pieces.join(""))).not.toContain("\n");
      }),
      { numRuns: 2000 },
    );
  });
});

describe("values that contradict each other", () => {
  test.each([
    ["hostname", `hostname = ""`, "must configure valid hostname"],
    ["replay dir", `[replay]\ndir = ""`, "replay: must specify dir"],
    ["storage", `[storage]\nboltdb = ""`, "storage: must specify storage 'boltdb' path"],
    [
      "no port",
      `[http]\nbind-address = "localhost"`,
      "http: invalid http bind address localhost: address localhost: missing port in address",
    ],
    [
      "port too high",
      `[http]\nbind-address = ":65536"`,
      "http: invalid http bind address :65536: address :65536: the port must be a number from 0 to 65535",
    ],
    ["load dir", `[load]\nenabled = true\ndir = "./load"`, "dir must be an absolute path"],
    ["cipher", `[tls]\nciphers = ["TLS_FAST"]`, 'tls: unknown cipher suite: "TLS_FAST"'],
    ["tls version", `[tls]\nmin-version = "1.4"`, 'tls: unknown tls version: "1.4"'],
    ["smtp from", `[smtp]\nenabled = true`, "smtp: must provide a 'from' address"],
    [
      "smtp to",
      `[smtp]\nenabled = true\nfrom = "a@b"\nto = ["nobody"]`,
      'smtp: invalid email address: "nobody"',
    ],
    [
      "udf without prog",
      `[udf.functions.a]\ntimeout = "1s"`,
      "UDF a: must set either prog or socket",
    ],
    [
      "udf timeout of 1 ms",
      `[udf.functions.a]\nprog = "/x"\ntimeout = "1ms"`,
      "UDF a: timeout must be more than 1ms",
    ],
    ["scraper type", `[[scraper]]\nname = "s"`, 'scraper "s": Unknown scraper type'],
    [
      "consul address",
      `[[consul]]\nid = "c"`,
      'consul "c": consul discovery requires a server address',
    ],
    ["slack url", `[slack]\nenabled = true`, "slack: must specify url"],
    ["discord url", `[[discord]]\nenabled = true`, "discord: must specify url"],
    [
      "slack default",
      `[[slack]]\nworkspace = "a"\n[[slack]]\nworkspace = "b"`,
      "slack: at least one Slack config must be set as default",
    ],
    [
      "slack workspace",
      `[[slack]]\ndefault = true\n[[slack]]\nworkspace = "b"`,
      "slack: must specify workspace",
    ],
    [
      "influxdb names",
      `[[influxdb]]\nname = "a"\nurls = ["http://a"]\n[[influxdb]]\nname = "a"`,
      'duplicate name "a" for influxdb configs',
    ],
    [
      "influxdb defaults",
      `[[influxdb]]\nenabled = true\nname = "a"\ndefault = true\n[[influxdb]]\nenabled = true\nname = "b"\ndefault = true`,
      "More than one InfluxDB default was specified: a b",
    ],
    [
      "influxdb without default",
      `[[influxdb]]\nenabled = true\nname = "a"\n[[influxdb]]\nenabled = true\nname = "b"`,
      "at least one of the enabled InfluxDB clusters must be marked as default.",
    ],
    ["influxdb url", `[[influxdb]]\nurls = []`, "must specify at least one InfluxDB URL"],
    [
      "influxdb protocol",
      `[[influxdb]]\nsubscription-protocol = "tcp"`,
      "invalid subscription protocol, must be one of 'udp', 'http' or 'https', got tcp",
    ],
    ["udp address", `[[udp]]\nenabled = true`, "udp: bind-address must be given"],
    [
      "udp database",
      `[[udp]]\nenabled = true\nbind-address = ":8089"`,
      "udp: database must be given",
    ],
    [
      "role",
      `[cluster]\nroles = ["boss"]`,
      'cluster: unknown role "boss", the only role is "worker"',
    ],
    [
      "key length",
      `[cluster]\nencryption-keys = ["c2hvcnQ="]`,
      "cluster: encryption-keys: key 1 is not 32 bytes in base64",
    ],
    [
      "packet size",
      `[cluster]\nudp-packet-max = 507`,
      "cluster: udp-packet-max must be 0 or 508 to 9000",
    ],
    [
      "rpc address",
      `[rpc]\nadvertise-address = "a:b:c"`,
      "rpc: invalid advertise-address: address a:b:c: too many colons in address",
    ],
  ])("%s", (_name, text, message) => {
    expect(mistake(text)).toBe(
      `create server: invalid configuration: ${message}. To generate a valid configuration file ` +
        "run `kapacitord config > kapacitor.generated.conf`.",
    );
  });

  test("a file without data_dir is refused", () => {
    expect(() => loadConfig({ file: { path: "k.conf", text: "" } })).toThrow(
      "invalid configuration: must configure valid data dir.",
    );
  });
});
