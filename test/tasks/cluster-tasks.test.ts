import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { put, StorageError } from "#storage/store.ts";
import { LoadDirectory } from "#tasks/load-directory.ts";
import { parseTaskChange, parseTemplateChange } from "#tasks/task-change.ts";
import { TaskService } from "#tasks/task-service.ts";
import { taskKind } from "#tasks/task-store.ts";
import { memberId } from "#test/cluster/rpc/fake-network.ts";
import { fakeServices } from "#test/http/fake-services.ts";
import { fakeLanguage } from "./fake-language.ts";
import { GONE_MS, RETURN_MS, TaskCluster, type TaskMemberSite } from "./task-cluster.ts";

const good = 'dbrp "d"."r" stream|from()';
const change = (fields: object) => parseTaskChange(fields, fakeLanguage);
const template = (fields: object) => parseTemplateChange(fields);

function define(site: TaskMemberSite, fields: object = {}) {
  const body = { id: "a", script: good, status: "enabled", cluster: true, ...fields };
  return site.tasks.create(change(body));
}

function edit(site: TaskMemberSite, fields: object, id = "a") {
  return site.tasks.update(id, change(fields));
}

const rows = (cluster: TaskCluster, id = "a") => cluster.all.map(({ tasks }) => tasks.get(id));

describe("a cluster task", () => {
  test("is stored by all members and runs on as many as redundancy says", async () => {
    const cluster = await TaskCluster.open(3);
    const made = await define(cluster.at(1), {
      vars: { x: { type: "int", value: 9007199254740993n } },
    });
    await cluster.settle();
    expect(made.cluster).toBeDefined();
    expect(rows(cluster)).toEqual([made, made, made]);
    expect(cluster.where("a")).toHaveLength(2);
    for (const { clusterTasks } of cluster.all) {
      const members = clusterTasks.members("a")?.map(({ id }) => id);
      expect(members?.toSorted()).toEqual(cluster.where("a").map(memberId));
    }
  });

  test("is changed, disabled, enabled and deleted on any member", async () => {
    const cluster = await TaskCluster.open(3);
    await define(cluster.at(1));
    await edit(cluster.at(2), { script: `${good}|log()` });
    for (const row of rows(cluster)) expect(row?.script).toBe(`${good}|log()`);
    // As ever, a changed script waits for the next start.
    for (const n of cluster.where("a")) {
      expect(cluster.at(n).engine.running.get("a")?.script).toBe(good);
    }
    await edit(cluster.at(3), { status: "disabled" });
    expect(cluster.where("a")).toEqual([]);
    await edit(cluster.at(1), { status: "enabled" });
    await cluster.settle();
    expect(cluster.where("a")).toHaveLength(2);
    for (const n of cluster.where("a")) {
      expect(cluster.at(n).engine.running.get("a")?.script).toBe(`${good}|log()`);
    }
    await cluster.at(2).tasks.delete("a");
    expect(rows(cluster)).toEqual([undefined, undefined, undefined]);
    expect(cluster.where("a")).toEqual([]);
  });

  test("that was disabled and enabled while a member was away starts anew there", async () => {
    const cluster = await TaskCluster.open(2);
    await define(cluster.at(1));
    await cluster.kill(2);
    await edit(cluster.at(1), { script: `${good}|log()` });
    await edit(cluster.at(1), { status: "disabled" });
    await edit(cluster.at(1), { status: "enabled" });
    cluster.at(2).member.reachable = true;
    await cluster.join();
    expect(cluster.at(2).engine.running.get("a")?.script).toBe(`${good}|log()`);
    expect(cluster.at(2).engine.calls).toEqual(["start a", "stop a", "start a"]);
  });

  test("can be renamed", async () => {
    const cluster = await TaskCluster.open(2);
    await define(cluster.at(1));
    await edit(cluster.at(2), { id: "b" });
    await cluster.settle();
    expect(rows(cluster, "a")).toEqual([undefined, undefined]);
    for (const { running } of cluster.all) expect(running).toEqual(["b"]);
  });

  test("an edit that changes nothing makes no new version", async () => {
    const cluster = await TaskCluster.open(2);
    await define(cluster.at(1));
    const { digest } = cluster.at(2).table;
    await edit(cluster.at(2), { script: good });
    expect(cluster.at(1).table.digest).toBe(digest);
  });

  test("that does not start answers so where it is to run, and shows the error there", async () => {
    const cluster = await TaskCluster.open(2);
    expect(define(cluster.at(1), { script: `${good}|REFUSE()` })).rejects.toThrow("not allowed");
    await cluster.settle();
    for (const row of rows(cluster)) expect(row).toMatchObject({ status: "enabled" });
    expect(cluster.at(2).tasks.get("a")?.error).toContain("not allowed");
    expect(cluster.at(2).logged("failed to start cluster task")).toBeDefined();
    // It is not tried again and again.
    await cluster.wait(RETURN_MS);
    expect(cluster.at(2).engine.calls).toEqual(["start a"]);
  });

  test("that died stays with its error and is reported as not running", async () => {
    const cluster = await TaskCluster.open(2);
    await define(cluster.at(1));
    cluster.at(1).engine.running.delete("a");
    await cluster.at(1).tasks.recordFailure("a", "from1: division by zero");
    await cluster.settle();
    expect(
      cluster
        .at(2)
        .clusterTasks.members("a")
        ?.map(({ id }) => id),
    ).toEqual([memberId(2)]);
    expect(cluster.at(1).tasks.get("a")?.error).toBe("from1: division by zero");
    expect(cluster.at(1).running).toEqual([]);
  });

  test("moves when a runner is gone, and back when it has returned for good", async () => {
    const cluster = await TaskCluster.open(3);
    await define(cluster.at(1));
    await cluster.settle();
    const home = cluster.where("a");
    const [victim = 0] = home;
    await cluster.kill(victim);
    await cluster.wait(GONE_MS);
    expect(cluster.where("a")).toEqual([1, 2, 3].filter((n) => n !== victim));
    // The process restarts: what is on its disk is all it has.
    const back = cluster.make(victim, cluster.at(victim).store);
    cluster.all[victim - 1] = back;
    await cluster.join();
    await back.open();
    await cluster.settle();
    expect(back.running).toEqual([]);
    await cluster.wait(RETURN_MS);
    expect(cluster.where("a")).toEqual(home);
    const standIn = cluster.all.find(({ forgotten }) => forgotten.length > 0);
    expect(standIn?.forgotten).toEqual(["a"]);
    expect(standIn?.logged("cluster task moved to other members")).toBeDefined();
  });

  test("runs again after all members were stopped", async () => {
    const cluster = await TaskCluster.open(3);
    await define(cluster.at(1));
    await cluster.settle();
    const home = cluster.where("a");
    cluster.all.splice(0, 3, ...cluster.all.map(({ store }, i) => cluster.make(i + 1, store)));
    await cluster.join();
    for (const site of cluster.all) await site.open();
    await cluster.settle();
    expect(cluster.where("a")).toEqual(home);
  });

  test("concurrent edits end alike on all members", async () => {
    const cluster = await TaskCluster.open(3);
    await define(cluster.at(1), { status: "disabled" });
    await Promise.all(
      cluster.all.map((site, i) => edit(site, { script: `${good}|log${i}()`, status: "enabled" })),
    );
    await cluster.settle();
    const [first, ...others] = rows(cluster);
    for (const other of others) expect(other).toEqual(first);
    expect(cluster.where("a")).toHaveLength(2);
    for (const n of cluster.where("a")) {
      expect(cluster.at(n).engine.running.get("a")?.script).toBe(first?.script ?? "");
    }
  });

  test("alone it is a cluster of one", async () => {
    const cluster = await TaskCluster.open(1);
    const made = await define(cluster.at(1));
    expect(cluster.at(1).running).toEqual(["a"]);
    expect(
      cluster
        .at(1)
        .clusterTasks.members("a")
        ?.map(({ id }) => id),
    ).toEqual([memberId(1)]);
    cluster.all.push(cluster.make(2));
    await cluster.at(2).open();
    await cluster.join();
    expect(cluster.at(2).tasks.get("a")).toEqual(made);
    expect(cluster.where("a")).toEqual([1, 2]);
  });

  test("a removed member stops it and forgets it", async () => {
    const cluster = await TaskCluster.open(2);
    await define(cluster.at(1));
    await cluster.settle();
    cluster.at(2).member.join("new", [2]);
    await cluster.settle();
    expect(cluster.at(2).running).toEqual([]);
    expect(cluster.at(2).tasks.get("a")).toBeUndefined();
    expect(cluster.at(2).logged("removed from the cluster: its tasks stop here")).toBeDefined();
    expect(cluster.at(1).running).toEqual(["a"]);
  });

  test("one that a later release wrote and this one cannot read is reported once, and not run", async () => {
    const cluster = await TaskCluster.open(2);
    const value = { id: "a", kind: "of another world" };
    const spread = await cluster.at(1).table.save([{ key: "task/a", value }], []);
    await spread();
    await cluster.settle();
    expect(cluster.at(2).running).toEqual([]);
    const reports = cluster.at(2).logs.filter(({ message }) => message.includes("cannot be read"));
    expect(reports).toHaveLength(1);
  });

  test("a member whose disk was full follows when it is not", async () => {
    const cluster = await TaskCluster.open(2);
    const { store, tasks, logs } = cluster.at(2);
    const { commit } = store;
    store.commit = () => Promise.reject(new StorageError("disk full"));
    await define(cluster.at(1));
    await cluster.settle();
    expect(tasks.get("a")).toBeUndefined();
    expect(logs.map(({ message }) => message)).toContain("cluster task not followed");
    store.commit = commit;
    await cluster.wait(5_000);
    expect(cluster.where("a")).toEqual([1, 2]);
  });

  test("fields that this release does not know survive an edit", async () => {
    const cluster = await TaskCluster.open(1);
    await define(cluster.at(1));
    const { table } = cluster.at(1);
    await table.save([{ key: "task/a", value: { ...table.get("task/a"), later: [1] } }], []);
    await edit(cluster.at(1), { script: `${good}|log()` });
    expect(table.get("task/a")).toMatchObject({ later: [1], script: `${good}|log()` });
  });
});

describe("IDs that are taken", () => {
  test("by another member's own task are refused with its name", async () => {
    const cluster = await TaskCluster.open(2);
    await cluster.at(2).tasks.create(change({ id: "a", script: good }));
    const error = `task a already exists on member ${memberId(2)} (host2:9092), as a task of that member alone; delete it there first`;
    expect(define(cluster.at(1))).rejects.toThrow(error);
    expect(cluster.at(1).tasks.get("a")).toBeUndefined();
    expect(cluster.at(1).table.keys()).toEqual([]);
  });

  test("by the cluster are refused, whichever way it is asked", async () => {
    const cluster = await TaskCluster.open(2);
    await define(cluster.at(1));
    expect(define(cluster.at(2))).rejects.toThrow("task a already exists");
    expect(cluster.at(2).tasks.create(change({ id: "a", script: good }))).rejects.toThrow(
      "task a already exists",
    );
  });

  test("by a member that was not there when it was made: that one's stays, and runs nothing of the cluster's", async () => {
    const cluster = await TaskCluster.open(2);
    const [one, two] = [cluster.at(1), cluster.at(2)];
    await cluster.kill(2);
    await define(one);
    const own = await two.tasks.create(change({ id: "a", script: `${good}|own()` }));
    two.member.reachable = true;
    await cluster.join();
    expect(two.tasks.get("a")).toEqual(own);
    expect(two.running).toEqual([]);
    expect(one.running).toEqual(["a"]);
    expect(two.logged("a task of this member alone hides the cluster's")).toBeDefined();
    expect(two.clusterTasks.members("a")?.map(({ id }) => id)).toEqual([memberId(1)]);
    // Gone, it makes room.
    await two.tasks.delete("a");
    await cluster.settle();
    expect(cluster.where("a")).toEqual([1, 2]);
  });

  test("a member's own task can be given to the cluster, but not be taken back", async () => {
    const cluster = await TaskCluster.open(2);
    await cluster.at(1).tasks.create(change({ id: "a", script: good, status: "enabled" }));
    await edit(cluster.at(1), { cluster: true });
    await cluster.settle();
    expect(cluster.where("a")).toEqual([1, 2]);
    expect(edit(cluster.at(1), { cluster: false })).rejects.toThrow("belongs to the cluster");
  });

  test("where nothing is shared, a cluster task is refused", () => {
    const services = fakeServices();
    const { tasks } = services;
    expect(tasks.create(change({ id: "a", script: good, cluster: true }))).rejects.toThrow(
      "cluster tasks are not available here",
    );
  });
});

describe("templates of cluster tasks", () => {
  const script = "var m int\nstream|from()";
  const vars = { m: { type: "int", value: 5 } };
  const dbrps = [{ db: "d", rp: "r" }];
  const made = { "template-id": "tm", script: "", dbrps, vars };

  async function withTemplate(): Promise<TaskCluster> {
    const cluster = await TaskCluster.open(3);
    await cluster.at(1).templates.create(template({ id: "tm", script }));
    await define(cluster.at(1), made);
    await cluster.settle();
    return cluster;
  }

  test("come along to members that lack them", async () => {
    const cluster = await withTemplate();
    for (const { templates, tasks } of cluster.all) {
      expect(templates.get("tm")).toMatchObject({ script, cluster: true });
      expect(tasks.get("a")).toMatchObject({ templateId: "tm", script });
    }
  });

  test("are updated on all members, and running tasks start anew with them", async () => {
    const cluster = await withTemplate();
    const where = cluster.where("a");
    const next = `${script}|log()`;
    await cluster.at(2).templates.update("tm", template({ script: next }));
    await cluster.settle();
    for (const { templates, tasks } of cluster.all) {
      expect([templates.get("tm")?.script, tasks.get("a")?.script]).toEqual([next, next]);
    }
    expect(cluster.where("a")).toEqual(where);
    for (const n of where) expect(cluster.at(n).engine.running.get("a")?.script).toBe(next);
  });

  test("one that a cluster task cannot run with is refused, wherever that task runs", async () => {
    const cluster = await withTemplate();
    for (const { templates } of cluster.all) {
      const update = templates.update("tm", template({ script: "var n int\nstream|from()" }));
      expect(update).rejects.toThrow("error reloading associated task a: missing value");
    }
    await cluster.settle();
    for (const { templates } of cluster.all) expect(templates.get("tm")?.script).toBe(script);
  });

  test("one that a member's own task cannot run with is not in force on that member, which says so", async () => {
    const cluster = await withTemplate();
    const [one, two] = [cluster.at(1), cluster.at(2)];
    const own = { id: "own", "template-id": "tm", dbrps, vars, status: "enabled" };
    await two.tasks.create(change(own));
    const next = "var n = 1\nvar m int\nstream|from()";
    await two.tasks.update("own", change({ vars: { ...vars, n: { type: "string", value: "x" } } }));
    await one.templates.update("tm", template({ script: next }));
    await cluster.settle();
    expect(one.templates.get("tm")?.script).toBe(next);
    expect(two.templates.get("tm")?.script).toBe(script);
    expect(two.templates.get("tm")?.error).toContain("not in force on this member");
    expect(two.tasks.get("own")?.script).toBe(script);
    expect(two.engine.running.get("own")?.script).toBe(script);
    // Once the obstacle is gone the next change is taken.
    await two.tasks.delete("own");
    await one.templates.update("tm", template({ script: `${next}|log()` }));
    await cluster.settle();
    expect(two.templates.get("tm")).toMatchObject({ script: `${next}|log()`, error: "" });
  });

  test("a member's own template of the same ID stays, and the cluster's task runs with the cluster's script", async () => {
    const cluster = await TaskCluster.open(3, 0);
    await cluster.at(3).templates.create(template({ id: "tm", script: `${script}|own()` }));
    await cluster.at(1).templates.create(template({ id: "tm", script }));
    await define(cluster.at(1), made);
    await cluster.settle();
    const three = cluster.at(3);
    expect(three.templates.get("tm")?.script).toBe(`${script}|own()`);
    expect(three.engine.running.get("a")?.script).toBe(script);
    expect(three.logged("a template of this member alone hides the cluster's")).toBeDefined();
    await three.templates.update("tm", template({ script: `${script}|other()` }));
    expect(three.engine.running.get("a")?.script).toBe(script);
    expect(define(three, { ...made, id: "b" })).rejects.toThrow("differs from the cluster's");
  });

  test("deleted ones are gone everywhere, and their tasks keep the script they had", async () => {
    const cluster = await withTemplate();
    const next = `${script}|log()`;
    await cluster.at(1).templates.update("tm", template({ script: next }));
    await cluster.at(3).templates.delete("tm");
    await cluster.settle();
    for (const { templates, tasks } of cluster.all) {
      expect(templates.get("tm")).toBeUndefined();
      expect(tasks.get("a")?.script).toBe(next);
    }
    expect(cluster.where("a")).toHaveLength(2);
  });

  test("cannot be renamed", async () => {
    const cluster = await withTemplate();
    const rename = cluster.at(1).templates.update("tm", template({ id: "other" }));
    expect(rename).rejects.toThrow("template tm is used by cluster tasks and cannot be renamed");
  });

  test("a removed member keeps one that a task of its own needs", async () => {
    const cluster = await withTemplate();
    const two = cluster.at(2);
    await two.tasks.create(change({ id: "own", "template-id": "tm", dbrps, vars }));
    two.member.join("new", [2]);
    cluster.at(3).member.join("new too", [3]);
    await cluster.settle();
    expect(two.templates.get("tm")).toMatchObject({ script });
    expect(two.templates.get("tm")?.cluster).toBeUndefined();
    expect(cluster.at(3).templates.get("tm")).toBeUndefined();
  });
});

describe("around cluster tasks", () => {
  test("a start leaves them to the cluster", async () => {
    const services = fakeServices();
    const { tasks, store } = services;
    const made = await tasks.create(change({ id: "a", script: good }));
    const row = { ...made, status: "enabled" as const, cluster: { run: "1" } };
    await store.commit([put(taskKind, "a", row)]);
    await new TaskService(services).startEnabled();
    expect(services.engine.calls).toEqual([]);
  });

  test("a file of the load directory does not define or delete one", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kapacitor-load-"));
    try {
      mkdirSync(join(folder, "tasks"));
      writeFileSync(join(folder, "tasks", "a.tick"), good);
      const cluster = await TaskCluster.open(1);
      const site = cluster.at(1);
      const load = new LoadDirectory(site.services, folder);
      await load.run();
      await edit(site, { cluster: true });
      writeFileSync(join(folder, "tasks", "a.tick"), `${good}|log()`);
      const { errors } = await load.run();
      expect(errors).toEqual([
        "tasks/a.tick: task a belongs to the cluster; a file defines a task of this member",
      ]);
      rmSync(join(folder, "tasks", "a.tick"));
      await load.run();
      expect(site.tasks.get("a")?.script).toBe(good);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
