import { describe, expect, test } from "bun:test";
import { ApiClient } from "#cli/api.ts";
import { UrlError, UsageError } from "#cli/command.ts";
import { parseDbrp } from "#cli/dbrp-flag.ts";
import { readFlags } from "#cli/flags.ts";
import { columnWidth, formatLocalTime, formatServerTime, left, right } from "#cli/output.ts";
import { takeOutputForm } from "#cli/output-form.ts";
import { formatSize } from "#cli/size.ts";
import { formatVar } from "#cli/var-value.ts";
import { readDefinition, readVars } from "#lib/definition-file.ts";
import { runCli } from "./support.ts";

describe("flags", () => {
  const spec = { url: "text", yes: "boolean", dbrp: "list" } as const;

  test.each([
    [["-url", "x", "cmd", "-y"], "x", false, ["cmd", "-y"]],
    [["--url=x", "-yes"], "x", true, []],
    [["-yes=false", "-yes=T"], undefined, true, []],
    [["-yes", "false"], undefined, true, ["false"]],
    [["-url=a", "-url", "b=c"], "b=c", false, []],
    [["--", "-url", "x"], undefined, false, ["-url", "x"]],
    [["-", "-url"], undefined, false, ["-", "-url"]],
    [["-url="], "", false, []],
    [[], undefined, false, []],
  ])("%j", (args, url, yes, rest) => {
    const flags = readFlags(args, spec);
    expect([flags.text("url"), flags.isSet("yes"), flags.rest]).toEqual([url, yes, rest]);
  });

  test("a list keeps every value in order", () => {
    expect(readFlags(["-dbrp", "a.b", "-dbrp=c.d"], spec).list("dbrp")).toEqual(["a.b", "c.d"]);
  });

  test.each([
    [["-nope"], "flag provided but not defined: -nope"],
    [["-toString"], "flag provided but not defined: -toString"],
    [["-url"], "flag needs an argument: -url"],
    [["-yes=maybe"], 'invalid boolean value "maybe" for -yes: parse error'],
    [["---url"], "bad flag syntax: ---url"],
    [["-=x"], "bad flag syntax: -=x"],
  ])("%j is refused", (args, message) => {
    expect(() => readFlags(args, spec)).toThrow(new UsageError(message));
  });
});

describe("the form of the output", () => {
  test.each([
    [["list", "tasks"], "table", ["list", "tasks"]],
    [["-output", "json", "list"], "json", ["list"]],
    [["list", "--output=json", "tasks"], "json", ["list", "tasks"]],
    [["-output=json", "list", "-output", "table"], "table", ["list"]],
    [["a", "--", "-output", "json"], "table", ["a", "--", "-output", "json"]],
    [["-outputs", "x", "output", "-"], "table", ["-outputs", "x", "output", "-"]],
  ] as const)("%j", (args, output, rest) => {
    expect(takeOutputForm(args)).toEqual({ output, rest: [...rest] });
  });

  test.each([
    [["-output"], "flag needs an argument: -output"],
    [["list", "-output", "yaml"], 'invalid value "yaml" for flag -output: must be table or json'],
    [["-output="], 'invalid value "" for flag -output: must be table or json'],
  ])("%j is refused", async (args, message) => {
    expect(() => takeOutputForm(args)).toThrow(new UsageError(message));
    const ran = await runCli(["kapacitor", ...args]);
    expect([ran.code, ran.err.split("\n")[0]]).toEqual([2, message]);
  });
});

describe("dbrp", () => {
  test.each([
    ["telegraf.autogen", "telegraf", "autogen"],
    ['"telegraf"."autogen"', "telegraf", "autogen"],
    ['"a.b".c', "a.b", "c"],
    ["a.b.c", "a", "b.c"],
    ['"a\\"b"."c d"', 'a"b', "c d"],
    ["a.", "a", ""],
  ])("%s", (value, db, rp) => {
    expect(parseDbrp(value)).toEqual({ db, rp });
  });

  test.each(["bad", "", ".rp", '"open', '"a"x.b', '"a"."b"c'])("%p is refused", (value) => {
    expect(() => parseDbrp(value)).toThrow("for flag -dbrp:");
  });
});

test.each([
  [0, "0 B"],
  [9, "9 B"],
  [358, "358 B"],
  [999, "999 B"],
  [1234, "1.2 kB"],
  [12345, "12 kB"],
  [2_000_000, "2.0 MB"],
  [-1, "18 EB"],
])("%d bytes are %s", (bytes, shown) => {
  expect(formatSize(bytes)).toBe(shown);
});

test.each([
  ["2026-11-22T06:27:41.677538083Z", "22 Nov 26 06:27 UTC"],
  ["2026-11-22T06:27:41+02:00", "22 Nov 26 06:27 +0200"],
  ["0001-01-01T00:00:00Z", "01 Jan 01 00:00 UTC"],
  ["never", "never"],
])("%s in the server's zone is %s", (time, shown) => {
  expect(formatServerTime(time)).toBe(shown);
});

test.each([
  ["2026-11-22T23:30:00Z", "UTC", "22 Nov 26 23:30 UTC"],
  ["2026-11-22T23:30:00Z", "Europe/Berlin", /^23 Nov 26 00:30 (CET|GMT\+1)$/],
])("%s in %s", (time, zone, shown) => {
  expect(formatLocalTime(time, zone)).toMatch(shown);
});

test("columns count characters, not bytes", () => {
  expect(columnWidth(["ä😀", "abc"], 2)).toBe(4);
  expect(`${left("ä😀", 4)}|${right("é", 3)}|${left("long", 2)}`).toBe("ä😀  |  é|long");
});

test.each([
  [{ type: "duration", value: 60_000_000_000 }, "1m0s"],
  [{ type: "star", value: null }, "<nil>"],
  [{ type: "list", value: [{ type: "string", value: "a" }, { type: "star" }] }, "[a, *]"],
  [{ type: "int", value: 9223372036854775807n }, "9223372036854775807"],
  [{ type: "bool", value: false }, "false"],
])("%p is shown", (entry, shown) => {
  expect(formatVar(entry)).toBe(shown);
});

describe("definition files", () => {
  test("YAML numbers keep all their digits, small ones are numbers", () => {
    const content = "a: 9223372036854775807\nb: [1, 2.5]\n";
    expect(readDefinition("x.yml", content)).toEqual({ a: 9223372036854775807n, b: [1, 2.5] });
  });

  test("a file that blows up by aliases is refused", () => {
    const lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 9; i++) {
      const before = String.fromCharCode(96 + i);
      const name = String.fromCharCode(97 + i);
      lines.push(`${name}: &${name} [${Array(10).fill(`*${before}`).join(", ")}]`);
    }
    expect(() => readDefinition("bomb.yaml", lines.join("\n"))).toThrow();
  });

  test.each([
    ["a map of vars", '{"m": {"type": "int", "value": 1}}', "vars"],
    ["a var called vars", '{"vars": {"type": "int", "value": 1}}', "vars"],
    ["a definition", '{"template-id": "t", "vars": {"m": {"type": "int"}}}', "definition"],
  ])("%s", (_, content, kind) => {
    expect(String(readVars("v.json", content).kind)).toBe(kind);
  });

  test.each(["[]", "5", "null", "{"])("%p is not a definition", (content) => {
    expect(() => readDefinition("x.json", content)).toThrow("x.json: ");
  });
});

describe("the client", () => {
  test.each([
    ["http://bob:p%40ss@HOST", "Basic Ym9iOnBAc3M=", ""],
    ["http://HOST?u=bob&p=x", null, "u=bob&p=x"],
    ["http://HOST/some/path", null, ""],
  ])("%s", async (template, authorization, query) => {
    const seen: { headers: Headers; url: URL }[] = [];
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch(request) {
        seen.push({ headers: new Headers(request.headers), url: new URL(request.url) });
        return new Response("{}");
      },
    });
    const url = template.replace("HOST", `127.0.0.1:${server.port}`);
    await new ApiClient({ url, skipVerify: false }).get("/tasks", { limit: "1" });
    await server.stop(true);
    const [request] = seen;
    expect(request?.headers.get("authorization") ?? null).toBe(authorization);
    expect(request?.headers.get("user-agent")).toBe("KapacitorClient");
    expect(request?.url.pathname).toBe("/kapacitor/v1/tasks");
    expect(request?.url.search).toBe(query === "" ? "?limit=1" : `?limit=1&${query}`);
  });

  test.each(["ftp://x", "x:9092", "", "unix:///x", "http://"])("%p is not an address", (url) => {
    expect(() => new ApiClient({ url, skipVerify: false })).toThrow(UrlError);
  });

  test("a server that is not there is named", async () => {
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const url = `http://127.0.0.1:${server.port}`;
    await server.stop(true);
    const client = new ApiClient({ url, skipVerify: false });
    expect(client.get("/tasks")).rejects.toThrow(`cannot reach ${url}: `);
  });

  test("an answer that is not the API's is shown with its status", async () => {
    const answer = () => new Response("<html>", { status: 502 });
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
    const client = new ApiClient({ url: `http://127.0.0.1:${server.port}`, skipVerify: false });
    try {
      await expect(client.get("/tasks")).rejects.toThrow(
        "invalid response: code 502: body: <html>",
      );
    } finally {
      await server.stop(true);
    }
  });
});
