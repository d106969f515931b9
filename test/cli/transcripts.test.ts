/**
 * Command lines and exactly what they print, against a server in this process.
 *
 *     === what it shows
 *     $ kapacitor list tasks
 *     > a line of standard output, its end marked$
 *     ! a line of standard error$
 *     ? 0
 *
 * Commands of one file run in order against one server; those of `scripts-*.txt` against one that speaks the
 * whole language, the others against one with a small stand-in. `UPDATE_TRANSCRIPTS=1` writes what came; the diff
 * is what reviewers read.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { offlineEnvironment } from "#daemon/offline.ts";
import { createApp } from "#http/app.ts";
import { listen } from "#http/server.ts";
import type { HttpServices } from "#http/services.ts";
import { TaskService } from "#tasks/task-service.ts";
import { TemplateService } from "#tasks/template-service.ts";
import { tickLanguage } from "#tasks/tick-language.ts";
import { fakeServices } from "#test/http/fake-services.ts";
import { type Ran, runCli } from "./support.ts";

const updating = process.env["UPDATE_TRANSCRIPTS"] === "1";
const folder = join(import.meta.dir, "transcripts");

async function run(line: string, url: string): Promise<Ran> {
  const words = line.match(/(?:"(?:\\.|[^"])*"|\S)+/g) ?? [];
  return runCli(words, { url, folder: join(import.meta.dir, "files") });
}

function shown({ out, err, code }: Ran): string {
  return [...marked(out, ">"), ...marked(err, "!"), `? ${code}`].join("\n");
}

/** The stand-in world, or the same with the real language. */
function servicesFor(name: string): HttpServices {
  const fakes = fakeServices();
  if (!name.startsWith("scripts-")) return fakes;
  const services = { ...fakes, language: tickLanguage(offlineEnvironment()) };
  const tasks = new TaskService(services);
  return { ...services, tasks, templates: new TemplateService(services, tasks) };
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
    const server = listen(createApp(servicesFor(name)), { host: "127.0.0.1", port: 0 });
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
