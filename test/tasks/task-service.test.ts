import { describe, expect, test } from "bun:test";
import { OK } from "#alert/level.ts";
import type { StartOutcome, TaskDefinition } from "#engine/ports.ts";
import { put, type Store } from "#storage/store.ts";
import { KeyedLock, WAITERS_PER_KEY_MAX } from "#tasks/keyed-lock.ts";
import type { Language } from "#tasks/ports.ts";
import { parseTaskChange } from "#tasks/task-change.ts";
import { TaskService } from "#tasks/task-service.ts";
import { type StoredTask, taskKind } from "#tasks/task-store.ts";
import { type FakeServices, fakeServices } from "#test/http/fake-services.ts";
import type { ScriptResult } from "#tick/environment.ts";
import { fakeLanguage } from "./fake-language.ts";

const change = (fields: object) => parseTaskChange(fields, fakeLanguage);
const good = 'dbrp "d"."r" stream|from()';

/** The services' store with another commit. */
function committing(services: FakeServices, commit: Store["commit"]): Store {
  const { store } = services;
  return {
    table: (kind) => store.table(kind),
    commit,
    backup: () => store.backup(),
    close: () => store.close(),
  };
}

describe("a start after a restart", () => {
  async function restarted(stored: readonly Partial<StoredTask>[]): Promise<FakeServices> {
    const services = fakeServices();
    const base = {
      templateId: "",
      type: "stream" as const,
      dbrps: [{ db: "d", rp: "r" }],
      script: good,
      status: "enabled" as const,
      vars: {},
      error: "",
      created: "",
      modified: "",
      lastEnabled: "",
    };
    const writes = stored.map((task) => {
      const id = task.id ?? "";
      return put(taskKind, id, { ...base, ...task, id });
    });
    await services.store.commit(writes);
    await services.tasks.startEnabled();
    return services;
  }

  test("starts enabled tasks in ID order and leaves disabled ones", async () => {
    const services = await restarted([{ id: "b" }, { id: "a" }, { id: "c", status: "disabled" }]);
    expect(services.engine.calls).toEqual(["start a", "start b"]);
  });

  test("goes on after a failure, which stays with the task and is logged", async () => {
    const services = await restarted([{ id: "a", script: `${good}|REFUSE()` }, { id: "b" }]);
    expect(services.engine.isRunning("b")).toBe(true);
    const failed = services.tasks.get("a");
    expect(failed?.status).toBe("enabled");
    expect(failed?.error).toContain("not allowed");
    const entry = services.logged.find(({ level }) => level === "error");
    expect(entry?.fields).toMatchObject({ task: "a" });
  });

  test("forgets the error of a task that now starts", async () => {
    const services = await restarted([{ id: "a", error: "was broken" }]);
    expect(services.tasks.get("a")?.error).toBe("");
  });
});

describe("an engine that takes evaluated scripts", () => {
  function taking() {
    const services = fakeServices();
    const evaluated: ScriptResult[] = [];
    const started: ScriptResult[] = [];
    const language: Language = {
      ...fakeLanguage,
      evaluate(script, vars) {
        const result = fakeLanguage.evaluate(script, vars);
        evaluated.push(result);
        return result;
      },
    };
    const engine = Object.assign(Object.create(services.engine) as FakeServices["engine"], {
      startScript(task: TaskDefinition, script: ScriptResult): StartOutcome {
        started.push(script);
        return services.engine.start(task);
      },
    });
    return {
      services,
      evaluated,
      started,
      tasks: new TaskService({ ...services, language, engine }),
    };
  }

  test("is given what the check of a new task found, and the script is not evaluated again", async () => {
    const { tasks, services, evaluated, started } = taking();
    await tasks.create(change({ id: "a", script: good, status: "enabled" }));
    expect(started).toEqual(evaluated);
    expect(evaluated).toHaveLength(1);
    expect(started[0]).toBe(evaluated[0] as ScriptResult);
    expect(services.engine.calls).toEqual(["start a"]);
  });

  test("is given it when a task is enabled, too, but nothing after a restart", async () => {
    const { tasks, services, evaluated, started } = taking();
    await tasks.create(change({ id: "a", script: good }));
    await tasks.update("a", change({ status: "enabled" }));
    expect(started).toHaveLength(1);
    expect(started[0]).toBe(evaluated[1] as ScriptResult);
    await services.engine.stop("a");
    await tasks.startEnabled();
    expect(started).toHaveLength(1);
    expect(services.engine.calls).toEqual(["start a", "stop a", "start a"]);
  });

  test("says why such a task does not start, and the error stays with it", async () => {
    const { tasks } = taking();
    const refused = change({ id: "a", script: `${good}|REFUSE()`, status: "enabled" });
    await expect(tasks.create(refused)).rejects.toThrow("not allowed");
    expect(tasks.get("a")?.error).toContain("not allowed");
  });
});

test("a definition is on disk before the engine or the client hears of it", async () => {
  const services = fakeServices();
  let release = (): void => {};
  const disk = new Promise<void>((resolve) => {
    release = resolve;
  });
  const store = committing(services, (writes) => services.store.commit(writes).then(() => disk));
  const tasks = new TaskService({ ...services, store });
  let answered = false;
  const answer = tasks.create(change({ id: "a", script: good, status: "enabled" }));
  const waiting = answer.then(() => {
    answered = true;
  });
  for (let i = 0; i < 20; i++) await Promise.resolve();
  expect(answered).toBe(false);
  expect(services.engine.calls).toEqual([]);
  release();
  await waiting;
  expect(services.engine.calls).toEqual(["start a"]);
});

test("a disk that fails refuses the definition and starts nothing", async () => {
  const services = fakeServices();
  const store = committing(services, () => Promise.reject(new Error("disk full")));
  const tasks = new TaskService({ ...services, store });
  expect(tasks.create(change({ id: "a", script: good, status: "enabled" }))).rejects.toThrow(
    "disk full",
  );
  expect(services.engine.calls).toEqual([]);
});

test("changes of one task do not interleave", async () => {
  const { tasks, engine } = fakeServices();
  await tasks.create(change({ id: "a", script: good }));
  const words = ["enabled", "disabled", "enabled", "disabled", "enabled"];
  await Promise.all(words.map((status) => tasks.update("a", change({ status }))));
  expect(engine.calls).toEqual(["start a", "stop a", "start a", "stop a", "start a"]);
  expect(engine.isRunning("a")).toBe(true);
});

test("a running task restarts under its new name", async () => {
  const { tasks, engine } = fakeServices();
  await tasks.create(change({ id: "a", script: good, status: "enabled" }));
  await tasks.update("a", change({ id: "b" }));
  expect(engine.calls).toEqual(["start a", "stop a", "start b"]);
});

test("an edited script does not restart a running task", async () => {
  const { tasks, engine } = fakeServices();
  await tasks.create(change({ id: "a", script: good, status: "enabled" }));
  await tasks.update("a", change({ script: `${good}|log()` }));
  expect(engine.calls).toEqual(["start a"]);
});

test("a task whose script no longer compiles can be disabled", async () => {
  const services = fakeServices();
  const task = await services.tasks.create(change({ id: "a", script: good }));
  const broken: StoredTask = { ...task, script: "stream|nothing()", status: "enabled" };
  await services.store.commit([put(taskKind, "a", broken)]);
  expect((await services.tasks.update("a", change({ status: "disabled" }))).status).toBe(
    "disabled",
  );
  expect(services.tasks.inspect(broken, "attributes").error).toContain("no method or property");
});

test("the engine's failure report stays with the task", async () => {
  const { tasks, engine } = fakeServices();
  await tasks.create(change({ id: "a", script: good, status: "enabled" }));
  engine.running.delete("a");
  await tasks.recordFailure("a", "from1: division by zero");
  expect(tasks.get("a")?.error).toBe("from1: division by zero");
  await tasks.recordFailure("unknown", "x");
});

test("deleting a task forgets its anonymous topics and no others", async () => {
  const services = fakeServices();
  services.topics.states.set("main:a:alert2", []);
  services.topics.states.set("main:ab:alert2", []);
  await services.tasks.create(change({ id: "a", script: good, status: "enabled" }));
  await services.tasks.delete("a");
  expect(services.topics.list("", OK).map(({ id }) => id)).toEqual([
    "app",
    "main:ab:alert2",
    "system",
  ]);
  expect(services.engine.calls).toEqual(["start a", "stop a"]);
});

describe("KeyedLock", () => {
  test("refuses one more than may wait for a key, and takes others", async () => {
    const lock = new KeyedLock();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const waiting = Array.from({ length: WAITERS_PER_KEY_MAX }, () => lock.run(["a"], () => held));
    expect(lock.run(["a"], () => held)).rejects.toThrow("too many changes of a are waiting");
    expect(await lock.run(["b"], () => Promise.resolve("b"))).toBe("b");
    release();
    await Promise.all(waiting);
    expect(await lock.run(["a"], () => Promise.resolve("a"))).toBe("a");
  });

  test("holders of crossing keys do not wait for each other for ever", async () => {
    const lock = new KeyedLock();
    const order: string[] = [];
    const work = (name: string) => async () => {
      order.push(`${name} in`);
      await Promise.resolve();
      order.push(`${name} out`);
    };
    await Promise.all([lock.run(["a", "b"], work("1")), lock.run(["b", "a"], work("2"))]);
    expect(order).toEqual(["1 in", "1 out", "2 in", "2 out"]);
  });

  test("a failure reaches its caller and not the next holder", async () => {
    const lock = new KeyedLock();
    const bad = lock.run(["a"], () => Promise.reject(new Error("mine")));
    const fine = lock.run(["a"], () => Promise.resolve("fine"));
    expect(bad).rejects.toThrow("mine");
    expect(await fine).toBe("fine");
  });
});

describe("the saved state of a task", () => {
  function saving() {
    const deleted: string[] = [];
    const fakes = fakeServices();
    const snapshots = {
      delete: async (task: string): Promise<void> => {
        deleted.push(task);
      },
    };
    return { deleted, tasks: new TaskService({ ...fakes, language: fakeLanguage, snapshots }) };
  }

  test("goes with the task", async () => {
    const { deleted, tasks } = saving();
    await tasks.create(change({ id: "a", script: good, status: "enabled" }));
    await tasks.delete("a");
    await tasks.delete("unknown");
    expect(deleted).toEqual(["a"]);
  });

  test("goes with the task's old name, and stays when it is only disabled", async () => {
    const { deleted, tasks } = saving();
    await tasks.create(change({ id: "a", script: good, status: "enabled" }));
    await tasks.update("a", change({ status: "disabled" }));
    expect(deleted).toEqual([]);
    await tasks.update("a", change({ id: "b" }));
    expect(deleted).toEqual(["a"]);
  });
});
