/**
 * Command lines and exactly what they print, against a server in this process.
 *
 *     === what it shows
 *     $ kapacitor list tasks
 *     > a line of standard output, its end marked$
 *     ! a line of standard error$
 *     ? 0
 *
 * Commands of one file run in order against one server. `UPDATE_TRANSCRIPTS=1` writes what came; the diff
 * is what reviewers read.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type CliEnvironment, FileError } from "#cli/environment.ts";
import { runKapacitor } from "#cli/kapacitor.ts";
import { runKapacitorctl } from "#cli/kapacitorctl.ts";
import { createApp } from "#http/app.ts";
import { listen } from "#http/server.ts";
import { type FakeServices, fakeServices } from "#test/http/fake-services.ts";

const updating = process.env["UPDATE_TRANSCRIPTS"] === "1";
const folder = join(import.meta.dir, "transcripts");

interface Run {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

function environment(
  url: string,
): CliEnvironment & { readonly text: { out: string; err: string } } {
  const text = { out: "", err: "" };
  return {
    text,
    variables: { KAPACITOR_URL: url },
    out: (more) => {
      text.out += more;
    },
    err: (more) => {
      text.err += more;
    },
    readFile(path) {
      try {
        return readFileSync(join(import.meta.dir, "files", path), "utf8");
      } catch {
        throw new FileError(`open ${path}: no such file or directory`);
      }
    },
    writeFile: () => {},
    interrupted: () => AbortSignal.abort(),
    timeZone: "UTC",
  };
}

async function run(line: string, url: string): Promise<Run> {
  const [program, ...args] = line.match(/(?:"(?:\\.|[^"])*"|\S)+/g) ?? [];
  const cli = environment(url);
  const main = program === "kapacitorctl" ? runKapacitorctl : runKapacitor;
  const code = await main(args, cli);
  return { stdout: cli.text.out, stderr: cli.text.err, code };
}

function shown({ stdout, stderr, code }: Run): string {
  const lines = [...marked(stdout, ">"), ...marked(stderr, "!"), `? ${code}`];
  return lines.join("\n");
}

function marked(text: string, mark: string): string[] {
  if (text === "") return [];
  const complete = text.endsWith("\n");
  const lines = (complete ? text.slice(0, -1) : text).split("\n");
  return lines.map((line, i) => `${mark} ${line}${complete || i < lines.length - 1 ? "$" : ""}`);
}

for (const name of readdirSync(folder).sort()) {
  describe(basename(name), () => {
    const file = join(folder, name);
    const [head = "", ...cases] = readFileSync(file, "utf8").split(/^=== /m);
    const services: FakeServices = fakeServices();
    const server = listen(createApp(services), { host: "127.0.0.1", port: 0 });
    const written: string[] = [];

    afterAll(async () => {
      await server.close(0, () => Promise.resolve());
      if (updating) writeFileSync(file, `${head}${written.join("\n")}`);
    });

    for (const item of cases) {
      const [title = "", line = "", ...wanted] = item.trimEnd().split("\n");
      test(title, async () => {
        const answer = shown(await run(line.slice(2), `http://127.0.0.1:${server.port}`));
        if (updating) written.push(`=== ${title}\n${line}\n${answer}\n`);
        else expect(answer).toBe(wanted.join("\n"));
      });
    }
  });
}
