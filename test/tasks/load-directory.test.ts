import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { LOAD_RETRY_MS, LoadDirectory } from "#tasks/load-directory.ts";
import { type FakeServices, fakeServices } from "#test/http/fake-services.ts";

const good = 'dbrp "d"."r" stream|from()';
const made: string[] = [];

afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true });
});

interface World {
  readonly services: FakeServices;
  readonly directory: LoadDirectory;
  write(files: Readonly<Record<string, string>>): void;
  drop(file: string): void;
}

function world(files: Readonly<Record<string, string>>): World {
  const path = mkdtempSync(join(tmpdir(), "load-"));
  made.push(path);
  const services = fakeServices();
  const write = (more: Readonly<Record<string, string>>): void => {
    for (const [name, content] of Object.entries(more)) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), content);
    }
  };
  write(files);
  const drop = (file: string): void => rmSync(join(path, file));
  return { services, directory: new LoadDirectory(services, path), write, drop };
}

test("templates, tasks and handlers are loaded, in this order, tasks enabled", async () => {
  const { services, directory } = world({
    "templates/tm.tick": "var m int stream|from()",
    "tasks/a.tick": good,
    "tasks/b.yaml":
      "id: ignored\ntemplate-id: tm\ndbrps: [{db: d, rp: r}]\nvars: {m: {type: int, value: 3}}\n",
    "tasks/notes.txt": "not a task",
    "handlers/h.yaml": "topic: app\nid: h\nkind: log\noptions: {path: /tmp/x}\n",
  });
  const report = await directory.run();
  expect(report).toEqual({ loaded: 4, unchanged: 0, removed: 0, errors: [] });
  expect(services.engine.calls).toEqual(["start a", "start b"]);
  expect(services.tasks.get("b")?.templateId).toBe("tm");
  expect(services.handlers.get("app", "h")?.options).toEqual({ path: "/tmp/x" });
});

test("nothing happens when nothing has changed", async () => {
  const { services, directory } = world({
    "tasks/a.tick": good,
    "handlers/h.json": '{"topic":"app","id":"h","kind":"log"}',
  });
  await directory.run();
  expect(await directory.run()).toEqual({ loaded: 0, unchanged: 2, removed: 0, errors: [] });
  expect(services.engine.calls).toEqual(["start a"]);
});

test("an edited task is restarted, a task disabled by hand is enabled again", async () => {
  const { services, directory, write } = world({ "tasks/a.tick": good, "tasks/b.tick": good });
  await directory.run();
  write({ "tasks/a.tick": `${good}|log()` });
  await services.tasks.update("b", {
    id: "",
    templateId: "",
    script: "",
    dbrps: [],
    vars: {},
    status: "disabled",
  });
  services.engine.calls.splice(0);
  await directory.run();
  expect(services.engine.calls).toEqual(["stop a", "start a", "start b"]);
  expect(services.tasks.get("a")?.script).toBe(`${good}|log()`);
});

test("a bad file is reported, the rest is loaded, and what it defined before stays", async () => {
  const { services, directory, write } = world({ "tasks/a.tick": good, "tasks/c.tick": good });
  await directory.run();
  write({
    "tasks/a.tick": "stream|BROKEN",
    "tasks/b.tick": good,
    "tasks/d.yaml": "dbrps: [telegraf.autogen]\n",
    "handlers/h.yaml": "id: h\nkind: log\n",
  });
  const report = await directory.run();
  expect(report.loaded).toBe(1);
  expect(report.errors.map((error) => error.split(": ")[0])).toEqual([
    "tasks/a.tick",
    "tasks/d.yaml",
    "handlers/h.yaml",
  ]);
  expect(services.tasks.get("a")?.script).toBe(good);
  expect(services.engine.isRunning("b")).toBe(true);
  expect(directory.errors).toBe(3);
});

test("what was loaded is deleted with its file, what was defined by hand stays", async () => {
  const { services, directory, drop } = world({
    "tasks/a.tick": good,
    "templates/tm.tick": "stream|from()",
    "handlers/h.yaml": "topic: handlers.and.more\nid: h\nkind: log\n",
  });
  await directory.run();
  const own = { id: "own", topic: "app", kind: "log", match: "", options: null };
  await services.handlers.create(own, false);
  for (const file of ["tasks/a.tick", "templates/tm.tick", "handlers/h.yaml"]) drop(file);
  expect((await directory.run()).removed).toBe(3);
  expect(services.tasks.get("a")).toBeUndefined();
  expect(services.templates.get("tm")).toBeUndefined();
  expect(services.handlers.get("handlers.and.more", "h")).toBeUndefined();
  expect(services.handlers.get("app", "own")).toEqual(own);
  expect((await directory.run()).removed).toBe(0);
});

test("a task that does not start is stored, tried again, and deleted with its file", async () => {
  const { services, directory, drop } = world({ "tasks/a.tick": `${good}|REFUSE()` });
  expect((await directory.run()).errors[0]).toContain("tasks/a.tick: batch query is not allowed");
  expect(services.tasks.get("a")?.status).toBe("enabled");
  await directory.run();
  expect(services.engine.calls).toEqual(["start a", "start a"]);
  drop("tasks/a.tick");
  expect((await directory.run()).removed).toBe(1);
  expect(services.tasks.get("a")).toBeUndefined();
});

test("a missing directory is not an error", async () => {
  const { services } = world({});
  const report = await new LoadDirectory(services, "/nowhere/at/all").run();
  expect(report).toEqual({ loaded: 0, unchanged: 0, removed: 0, errors: [] });
});

test("a handler that was refused is tried again later", async () => {
  const { services, directory } = world({
    "handlers/h.yaml": "topic: gated\nid: h\nkind: log\n",
  });
  const report = await directory.run();
  expect(report.errors[0]).toContain("could not verify liveness of topic owners");
  const create = services.handlers.create.bind(services.handlers);
  services.handlers.create = (spec) => create(spec, true);
  services.clock.advance(LOAD_RETRY_MS);
  for (let i = 0; i < 50 && services.handlers.get("gated", "h") === undefined; i++) {
    await Promise.resolve();
  }
  expect(services.handlers.get("gated", "h")?.kind).toBe("log");
  directory.close();
});
