/** The daemon's command line, up to the point where the daemon itself is loaded. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runKapacitord } from "#cli/kapacitord.ts";
import { SERVICE_ENVIRONMENT } from "#cli/service-unit.ts";
import { loadConfig } from "#config/load.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "kapacitord-"));
});
afterEach(() => rmSync(home, { recursive: true }));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function kapacitord(
  args: string[],
  environment: Record<string, string> = {},
  executable?: string,
): Promise<Ran> {
  let [out, err] = ["", ""];
  const code = await runKapacitord(args, {
    environment: { HOME: home, ...environment },
    executable,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

function file(name: string, text: string): string {
  const path = join(home, name);
  writeFileSync(path, text);
  return path;
}

test("version prints platform, version and commit", async () => {
  expect(await kapacitord(["version"])).toEqual({
    code: 0,
    out: "Kapacitor OSS version dev (git: main unknown)\n",
    err: "",
  });
});

describe("unit", () => {
  const PROGRAM = "/usr/local/bin/kapacitor";

  test("prints a unit that runs this program", async () => {
    const { code, out, err } = await kapacitord(["unit"], {}, PROGRAM);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("\nUser=kapacitor\n");
    expect(out).toContain(
      `\nExecStart=${PROGRAM} kapacitord -config /etc/kapacitor/kapacitor.conf\n`,
    );
    const environment = Object.entries(SERVICE_ENVIRONMENT).map(
      ([name, value]) => `${name}=${value}`,
    );
    expect(out).toContain(`\nEnvironment=${environment.join(" ")}\n`);
    for (const line of out.split("\n")) expect(line).toMatch(/^(|\[\w+\]|\w+=\S.*)$/);
  });

  test.each([
    ["/opt/my tools/k", '"/opt/my tools/k"'],
    ["/opt/100%/k", "/opt/100%%/k"],
    ["/opt/$HOME/k", "/opt/$$HOME/k"],
    ['/opt/a"b\\c/k', '"/opt/a\\"b\\\\c/k"'],
  ])("%s is one word of it", async (program, word) => {
    const args = ["unit", "-config", program, "-user", "alerts"];
    const { out } = await kapacitord(args, {}, program);
    expect(out).toContain(`\nExecStart=${word} kapacitord -config ${word}\n`);
    expect(out).toContain("\nUser=alerts\n");
  });

  test.each([
    [["unit", "x"], PROGRAM, 'unit: unexpected argument "x"\n'],
    [
      ["unit", "-config", "k.conf"],
      PROGRAM,
      'unit: -config: expected an absolute path, found "k.conf"\n',
    ],
    [["unit", "-user", "a\nExecStart=b"], PROGRAM, 'unit: a unit cannot name "a\\nExecStart=b"\n'],
    [["unit"], undefined, "unit: this works in the compiled program only; build it first\n"],
  ])("%j is refused", async (args, program, wanted) => {
    const { code, out, err } = await kapacitord(args, {}, program);
    expect([code, out, err]).toEqual([1, "", wanted]);
  });
});

describe("help", () => {
  test.each([[["help"]], [["-h"]], [["--help"]]])(
    "%j prints the commands, exit 0",
    async (args) => {
      const ran = await kapacitord(args);
      expect(ran.code).toBe(0);
      expect(ran.err).toContain("config      print the configuration");
    },
  );

  test.each([[["run", "-h"]], [["help", "run"]]])(
    "%j ends in the help request, exit 1",
    async (args) => {
      const ran = await kapacitord(args);
      expect(ran.code).toBe(1);
      expect(ran.err).toEndWith("run: flag: help requested\n");
      expect(ran.err).not.toContain("cpuprofile");
    },
  );

  test("an unknown command says where to look", async () => {
    expect(await kapacitord(["bogus"])).toEqual({
      code: 1,
      out: "",
      err: `unknown command "bogus"\nRun 'kapacitord help' for usage\n`,
    });
  });
});

describe("config", () => {
  test("prints defaults rooted in the user's directory, which can be read back", async () => {
    const ran = await kapacitord(["config"]);
    expect(ran).toMatchObject({ code: 0, err: "" });
    const { config } = loadConfig({ file: { path: "printed", text: ran.out } });
    expect(config).toEqual(loadConfig({ root: join(home, ".kapacitor") }).config);
    expect(config.storage.boltdb).toBe(join(home, ".kapacitor", "kapacitor.db"));
  });

  test("merges file, environment and flag", async () => {
    const path = file("k.conf", `hostname = "file"\n[http]\nlog-enabled = false`);
    const ran = await kapacitord(["config", "-config", path, "-hostname", "flag"], {
      KAPACITOR_HTTP_PPROF_ENABLED: "true",
    });
    expect(ran.err).toBe(`Merging with configuration at: ${path}\n`);
    const { config } = loadConfig({ file: { path, text: ran.out } });
    expect(config).toMatchObject({
      hostname: "flag",
      data_dir: join(home, ".kapacitor"),
      http: { "log-enabled": false, "pprof-enabled": true },
    });
  });

  test("finds the user's file, unless it is empty or another is named", async () => {
    mkdirSync(join(home, ".kapacitor"));
    const own = file(".kapacitor/kapacitor.conf", "");
    expect((await kapacitord(["config"])).err).toBe("");
    file(".kapacitor/kapacitor.conf", `hostname = "own"`);
    expect((await kapacitord(["config"])).err).toBe(`Merging with configuration at: ${own}\n`);
    const other = file("other.conf", `hostname = "other"`);
    const ran = await kapacitord(["config"], { KAPACITOR_CONFIG_PATH: other });
    expect(ran.err).toBe(`Merging with configuration at: ${other}\n`);
    expect((await kapacitord(["config", "-config", "/dev/null"])).err).toBe("");
  });

  test("a malformed file is one line and exit 1", async () => {
    const path = file("k.conf", "[http]\nport = 1");
    const ran = await kapacitord(["config", "-config", path]);
    expect(ran).toMatchObject({ code: 1, out: "" });
    expect(ran.err.split("\n")[1]).toStartWith(
      `config: parse config: ${path}:2: section [http], key port: unknown key, expected one of bind-address,`,
    );
  });
});

describe("run refuses", () => {
  const lastLine = (ran: Ran): string => ran.err.trimEnd().split("\n").at(-1) ?? "";

  test.each([
    [
      "a missing file",
      ["-config", "/no/such.conf"],
      "run: parse config: open /no/such.conf: no such file or directory",
    ],
    ["a directory", ["run", "-config", "/"], "run: parse config: open /: is a directory"],
    ["an unknown flag", ["-bogus"], "run: flag provided but not defined: -bogus"],
    ["a flag without value", ["run", "-config"], "run: flag needs an argument: -config"],
    ["a stray word", ["run", "now"], 'run: unexpected argument "now"'],
    [
      "bad ranges",
      ["-blacklist-cidrs", "private,1.2.3.4/33"],
      "run: flag error: improper CIDRs: invalid CIDR address: 1.2.3.4/33",
    ],
    [
      "profiling",
      ["-cpuprofile", "x"],
      "run: -cpuprofile is not available; set BUN_OPTIONS=--cpu-prof",
    ],
  ])("%s", async (_name, args, message) => {
    const ran = await kapacitord(args);
    expect(ran.code).toBe(1);
    expect(lastLine(ran)).toBe(message);
  });

  test("text that is not UTF-8, with its line", async () => {
    const path = join(home, "latin1.conf");
    writeFileSync(path, Buffer.from([0x23, 0x0a, 0x23, 0xe9, 0x0a]));
    expect(lastLine(await kapacitord(["-config", path]))).toBe(
      `run: parse config: ${path}:2: expected UTF-8 text`,
    );
  });

  test("bad environment", async () => {
    const ran = await kapacitord(["-config", "/dev/null"], { KAPACITOR_HTTP_LOG_ENABLED: "zz" });
    expect(lastLine(ran)).toBe(
      "run: apply env config: failed to apply KAPACITOR_HTTP_LOG_ENABLED to LogEnabled using type bool and value 'zz'",
    );
  });

  test("contradictions, with the way to a valid file", async () => {
    const path = file("k.conf", `data_dir = "/d"\n[smtp]\nenabled = true`);
    expect(lastLine(await kapacitord(["-config", path]))).toBe(
      "run: create server: invalid configuration: smtp: must provide a 'from' address. To generate a " +
        "valid configuration file run `kapacitord config > kapacitor.generated.conf`.",
    );
  });

  test("what is not built yet", async () => {
    const path = file("k.conf", `data_dir = "/d"\n[collectd]\nenabled = true`);
    expect(lastLine(await kapacitord(["-config", path]))).toBe(
      "run: open server: section [collectd]: the collectd listener is not available yet",
    );
  });

  test("and leaves the process file behind, with banner and file named first", async () => {
    const path = file("k.conf", "x = 1");
    const pid = join(home, "run", "deep", "k.pid");
    const ran = await kapacitord(["-config", path, "-pidfile", pid]);
    expect(readFileSync(pid, "utf8")).toBe(String(process.pid));
    expect(ran.out).toContain("|_|");
    expect(ran.err).toMatch(
      /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d Using configuration at: .*k\.conf\nrun: parse config: /,
    );
    expect(existsSync(pid)).toBe(true);
  });
});
