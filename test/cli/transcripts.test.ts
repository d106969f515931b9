/**
 * Command lines and exactly what they print, against a server in this process.
 *
 *     === what it shows
 *     $ kapacitor list tasks
 *     > a line of standard output, its end marked$
 *     ! a line of standard error$
 *     ? 0
 *
 * Words in single quotes are one word; `{host}` is the server's host and port. Commands of one file run in order
 * against one server; those of `scripts-*.txt` against one that speaks the whole language, of `recordings.txt`
 * against one that records, of `users.txt` against one with users, the others against one with a small stand-in.
 * `UPDATE_TRANSCRIPTS=1` writes what came; the diff is what reviewers read.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { UserService } from "#auth/user-service.ts";
import { offlineEnvironment } from "#daemon/offline.ts";
import { createApp } from "#http/app.ts";
import { listen } from "#http/server.ts";
import type { HttpServices } from "#http/services.ts";
import { TaskService } from "#tasks/task-service.ts";
import { TemplateService } from "#tasks/template-service.ts";
import { tickLanguage } from "#tasks/tick-language.ts";
import { fakeServices } from "#test/http/fake-services.ts";
import { FakeQueries } from "#test/support/fake-outside.ts";
import { RecordingWorld } from "#test/tasks/recording-world.ts";
import { type Ran, runCli } from "./support.ts";

const updating = process.env["UPDATE_TRANSCRIPTS"] === "1";
const folder = join(import.meta.dir, "transcripts");

async function run(line: string, url: string): Promise<Ran> {
  const words = line.match(/'[^']*'|(?:"(?:\\.|[^"])*"|\S)+/g) ?? [];
  const given = words.map((word) =>
    word.replace(/^'(.*)'$/s, "$1").replace("{host}", new URL(url).host),
  );
  const variables = { KAPACITOR_URL: url, KAPACITOR_USER_PASSWORD: "p" };
  const ran = await runCli(given, { url, folder: join(import.meta.dir, "files"), variables });
  const hide = (text: string): string => text.replaceAll(new URL(url).host, "{host}");
  return { ...ran, out: hide(ran.out), err: hide(ran.err) };
}

function shown({ out, err, code }: Ran): string {
  return [...marked(out, ">"), ...marked(err, "!"), `? ${code}`].join("\n");
}

interface World {
  readonly services: HttpServices;
  readonly close?: () => Promise<void>;
}

async function worldFor(name: string): Promise<World> {
  if (name === "recordings.txt") return recording();
  if (name === "users.txt") return guarded();
  return { services: servicesFor(name) };
}

/** root:secret is the administrator. */
async function guarded(): Promise<World> {
  const fakes = fakeServices({ authEnabled: true });
  const users = new UserService(fakes, 4);
  await users.create("root", { password: "secret", type: "admin" });
  return { services: { ...fakes, users } };
}

/** A stream task, a batch task, one recording that is good and one that is none. */
async function recording(): Promise<World> {
  const fakes = fakeServices();
  const asks = { queries: new FakeQueries(), rawQueries: { run: async () => {} } };
  const world = new RecordingWorld({ clock: fakes.clock, ...asks });
  await world.open();
  writeFileSync(world.path("known.srpl"), gzipSync("db\nrp\ncpu v=1 1000000000\n"));
  writeFileSync(world.path("bad.srpl"), "no gzip");
  for (const file of ["known.srpl", "bad.srpl"]) utimesSync(world.path(file), 1e9, 1e9);
  await world.recordings.open();
  await world.define("cpu", "stream|from().measurement('cpu')|httpOut('out')");
  const batch = "batch|query('SELECT v FROM db.rp.cpu').period(10s).every(10s)|httpOut('out')";
  await world.define("mem", batch);
  const { tasks, recordings, replays, language } = world;
  const { engine } = world.main;
  const services = { ...fakes, engine, tasks, recordings, replays, language };
  return { services, close: () => world.close() };
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
  describe(basename(name), async () => {
    const file = join(folder, name);
    const [head = "", ...cases] = readFileSync(file, "utf8").split(/^=== /m);
    const { services, close } = await worldFor(name);
    const server = listen(createApp(services), { host: "127.0.0.1", port: 0 });
    const written: string[] = [];

    afterAll(async () => {
      await server.close(0, () => Promise.resolve());
      await close?.();
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
