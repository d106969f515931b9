/** Commands that write files: fmt -w, backup, install-links; and the progress of long ones. */

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Progress } from "#cli/progress.ts";
import { runCli } from "./support.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kapacitor-cli-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const UGLY = "stream|from() .measurement('cpu')\n// last\n";
const NEAT = "stream\n    |from()\n        .measurement('cpu')\n\n// last\n\n";

describe("fmt", () => {
  test("-w rewrites what differs and keeps mode and links", async () => {
    writeFileSync(join(folder, "real.tick"), UGLY);
    chmodSync(join(folder, "real.tick"), 0o640);
    symlinkSync("real.tick", join(folder, "link.tick"));
    const ran = await runCli(["kapacitor", "fmt", "-w", "link.tick"], { folder });
    expect(ran).toEqual({ out: "", err: "", code: 0 });
    expect(readFileSync(join(folder, "real.tick"), "utf8")).toBe(NEAT);
    expect(statSync(join(folder, "real.tick")).mode & 0o777).toBe(0o640);
    expect(lstatSync(join(folder, "link.tick")).isSymbolicLink()).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(["link.tick", "real.tick"]);
  });

  test("-w -l names what it rewrites; a second time there is nothing", async () => {
    writeFileSync(join(folder, "a.tick"), UGLY);
    const words = ["kapacitor", "fmt", "-w", "-l", "a.tick"];
    expect(await runCli(words, { folder })).toEqual({ out: "a.tick\n", err: "", code: 0 });
    expect(await runCli(words, { folder })).toEqual({ out: "", err: "", code: 0 });
  });

  test("-w leaves a script that does not parse", async () => {
    writeFileSync(join(folder, "a.tick"), "stream|\n");
    expect((await runCli(["kapacitor", "fmt", "-w", "a.tick"], { folder })).code).toBe(1);
    expect(readFileSync(join(folder, "a.tick"), "utf8")).toBe("stream|\n");
  });

  test("-w fails on what cannot be written, and the text stays", async () => {
    writeFileSync(join(folder, "a.tick"), UGLY);
    const ran = await runCli(["kapacitor", "fmt", "-w", "a.tick"], {
      folder,
      replaceFile: () => {
        throw new Error("open a.tick: no space left on device");
      },
    });
    expect(ran).toEqual({ out: "", err: "Error: open a.tick: no space left on device\n", code: 3 });
    expect(readFileSync(join(folder, "a.tick"), "utf8")).toBe(UGLY);
  });

  test("standard input goes to standard output", async () => {
    const ran = await runCli(["kapacitor", "fmt", "-"], { stdin: UGLY });
    expect(ran).toEqual({ out: NEAT, err: "", code: 0 });
    const bad = await runCli(["kapacitor", "fmt", "-"], { stdin: "stream|" });
    expect([bad.out, bad.code]).toEqual(["", 1]);
    expect(bad.err).toMatch(/^<stdin>:1:8: parser: unexpected EOF line 1 char 8/);
  });

  test("a byte order mark is not part of a script", async () => {
    writeFileSync(join(folder, "a.tick"), `\uFEFFvar x = 5\n`);
    const ran = await runCli(["kapacitor", "fmt", "a.tick"], { folder });
    expect(ran).toEqual({ out: "var x = 5\n", err: "", code: 0 });
  });

  test("what it prints it prints again, and any text is answered", async () => {
    const word = fc.constantFrom(
      ..."stream |from() . ( ) [ ] , 'a' \"b\" lambda: var x = 5 10s /r/ * // c\n ''' é \0".split(
        " ",
      ),
    );
    const script = fc.array(word, { maxLength: 12 }).map((words) => words.join(" "));
    await fc.assert(
      fc.asyncProperty(script, async (stdin) => {
        const first = await runCli(["kapacitor", "fmt", "-"], { stdin });
        expect([0, 1]).toContain(first.code);
        if (first.code === 1) return;
        const again = await runCli(["kapacitor", "fmt", "-"], { stdin: first.out });
        expect(again).toEqual(first);
      }),
      { numRuns: 300 },
    );
  });
});

describe("backup", () => {
  const bytes = new Uint8Array(300_000).map((_, i) => i % 251);

  async function backup(answer: () => Response, ...words: string[]) {
    const [path = "copy.db", ...options] = words;
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
    const url = `http://127.0.0.1:${server.port}`;
    try {
      return await runCli(["kapacitor", "backup", path, ...options], { url, folder });
    } finally {
      await server.stop(true);
    }
  }

  test("the copy is what the server sent", async () => {
    expect(await backup(() => new Response(bytes))).toEqual({ out: "", err: "", code: 0 });
    expect(new Uint8Array(readFileSync(join(folder, "copy.db")))).toEqual(bytes);
  });

  test("as JSON it says where the copy is and how large", async () => {
    const { out, code } = await backup(() => new Response(bytes), "copy.db", "-output", "json");
    expect([JSON.parse(out), code]).toEqual([{ path: "copy.db", bytes: bytes.length }, 0]);
  });

  test("an empty store is an empty file", async () => {
    expect((await backup(() => new Response(""))).code).toBe(0);
    expect(readFileSync(join(folder, "copy.db")).length).toBe(0);
  });

  test("a refusal leaves an older copy", async () => {
    writeFileSync(join(folder, "copy.db"), "old");
    const ran = await backup(() => Response.json({ error: "no" }, { status: 500 }));
    expect(ran).toEqual({ out: "", err: "Error: no\n", code: 3 });
    expect(readFileSync(join(folder, "copy.db"), "utf8")).toBe("old");
  });

  test("a path that cannot be written is told", async () => {
    const ran = await backup(() => new Response(bytes), "no/such/copy.db");
    expect(ran.err).toMatch(/^Error: open .*no\/such\/copy\.db: no such file or directory\n$/);
    expect(ran.code).toBe(3);
  });

  test("a copy that breaks off is told with its length", async () => {
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(socket) {
          socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
          socket.flush();
          socket.end();
        },
      },
    });
    const url = `http://127.0.0.1:${server.port}`;
    const ran = await runCli(["kapacitor", "backup", "copy.db"], { url, folder });
    server.stop(true);
    // A close may overtake the bytes before it.
    expect(ran.err).toMatch(
      /^Error: failed to download entire backup, only wrote [09] bytes out of a total 100 bytes\.\n$/,
    );
    expect(ran.code).toBe(3);
  });
});

describe("progress", () => {
  function progress(errIsTerminal: boolean) {
    let [text, now] = ["", 0];
    const err = (more: string): void => {
      text += more;
    };
    return {
      line: new Progress({ errIsTerminal, err }, "Backup to x", { now: () => now }),
      at(ms: number) {
        now = ms;
      },
      written(): string[] {
        const parts = text.split("\r\x1b[K").slice(1);
        text = "";
        return parts;
      },
    };
  }

  test("short work shows nothing, not even at its end", () => {
    const { line, at, written } = progress(true);
    line.bytes(1, 2);
    at(299);
    line.bytes(2, 2);
    line.close();
    expect(written()).toEqual([]);
  });

  test("long work rewrites one line, ten times a second, and takes it away", () => {
    const { line, at, written } = progress(true);
    at(300);
    line.bytes(1_500_000, 3_000_000);
    at(399);
    line.bytes(1_600_000, 3_000_000);
    at(400);
    line.bytes(12_000_000, undefined);
    at(500);
    line.part(0.999);
    at(600);
    line.part(7);
    line.close();
    line.close();
    expect(written()).toEqual([
      "Backup to x  1.5 MB of 3.0 MB (50%)",
      "Backup to x  12 MB",
      "Backup to x  99%",
      "Backup to x  100%",
      "",
    ]);
  });

  test("where nobody looks nothing is shown", () => {
    const { line, at, written } = progress(false);
    at(1000);
    line.part(0.5);
    line.close();
    expect(written()).toEqual([]);
  });
});

describe("install-links", () => {
  const executable = "/opt/kapacitor/bin/kapacitor";

  test("links are made, turned and kept", async () => {
    symlinkSync("/somewhere/else", join(folder, "kapacitord"));
    const wanted = {
      out: `${folder}/kapacitord -> ${executable}\n${folder}/kapacitorctl -> ${executable}\n`,
      err: "",
      code: 0,
    };
    for (let i = 0; i < 2; i++) {
      const ran = await runCli(["kapacitor", "install-links", folder], { executable });
      expect(ran).toEqual(wanted);
      expect(readdirSync(folder).sort()).toEqual(["kapacitorctl", "kapacitord"]);
      expect(readlinkSync(join(folder, "kapacitord"))).toBe(executable);
      expect(readlinkSync(join(folder, "kapacitorctl"))).toBe(executable);
    }
  });

  test("a file of such a name is left alone, and nothing is made", async () => {
    writeFileSync(join(folder, "kapacitorctl"), "mine");
    const ran = await runCli(["kapacitor", "install-links", folder], { executable });
    const path = join(folder, "kapacitorctl");
    expect(ran.err).toBe(`Error: open ${path}: file exists and is not a link\n`);
    expect(ran.code).toBe(3);
    expect(readFileSync(path, "utf8")).toBe("mine");
    expect(existsSync(join(folder, "kapacitord"))).toBe(false);
  });

  test.each([
    [["nowhere"], executable, "Error: open nowhere: no such file or directory\n", 3],
    [[import.meta.path], executable, `Error: open ${import.meta.path}: not a directory\n`, 3],
    [
      ["."],
      undefined,
      "Error: install-links works in the compiled program only; build it first\n",
      3,
    ],
  ])("%j", async (args, program, err, code) => {
    const ran = await runCli(["kapacitor", "install-links", ...args], { executable: program });
    expect(ran).toEqual({ out: "", err, code });
  });

  test.each([[[]], [["a", "b"]]])("%j is refused", async (args) => {
    expect((await runCli(["kapacitor", "install-links", ...args], { executable })).code).toBe(2);
  });
});
