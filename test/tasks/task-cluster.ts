/**
 * Members that share tasks, without sockets, processes or an engine: the real services, table and runners over a fake
 * network, each with its own store and a fake engine.
 */

import { TaskReplication } from "#cluster/replicate/task-replication.ts";
import { TaskRunners } from "#cluster/replicate/task-runners.ts";
import type { HttpServices } from "#http/services.ts";
import { VirtualClock } from "#lib/clock.ts";
import { type LogEntry, logTo } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { MemoryStore } from "#storage/memory.ts";
import { ClusterTasks } from "#tasks/cluster-tasks.ts";
import { SharedTasks } from "#tasks/shared-tasks.ts";
import { TaskService } from "#tasks/task-service.ts";
import { TemplateService } from "#tasks/template-service.ts";
import { type FakeMember, FakeNetwork, promises } from "#test/cluster/rpc/fake-network.ts";
import { FakeEngine, fakeServices } from "#test/http/fake-services.ts";
import { fakeLanguage } from "./fake-language.ts";

export const GONE_MS = 10_000;
export const RETURN_MS = 30_000;

export class TaskMemberSite {
  readonly member: FakeMember;
  readonly store: MemoryStore;
  readonly engine = new FakeEngine();
  readonly logs: LogEntry[] = [];
  readonly forgotten: string[] = [];
  readonly tasks: TaskService;
  readonly templates: TemplateService;
  readonly clusterTasks: ClusterTasks;
  readonly table: TaskReplication;
  readonly runners: TaskRunners;
  readonly services: HttpServices;

  constructor(member: FakeMember, clock: VirtualClock, seed: number, store = new MemoryStore()) {
    this.member = member;
    this.store = store;
    const random = new SeededRandom(seed);
    const log = logTo((entry) => this.logs.push(entry));
    const base = { clock, random, log, store, rpc: member, membership: member };
    this.table = new TaskReplication(base, { fullSyncMs: 60_000 });
    this.runners = new TaskRunners(
      { ...base, takeStates: async () => {} },
      { goneMs: GONE_MS, returnMs: RETURN_MS },
    );
    this.table.open();
    this.runners.open();
    const shared = new SharedTasks({ table: this.table, runners: this.runners, log });
    const fakes = fakeServices();
    const services = {
      ...{ store, engine: this.engine, topics: fakes.topics, shared },
      ...{ language: fakeLanguage, clock, random, log },
      snapshots: { delete: async (task: string) => void this.forgotten.push(task) },
    };
    this.tasks = new TaskService(services);
    this.templates = new TemplateService(services, this.tasks);
    this.clusterTasks = new ClusterTasks({ ...this, ...services });
    const { tasks, templates, clusterTasks } = this;
    this.services = { ...fakes, ...services, tasks, templates, clusterTasks };
  }

  async open(): Promise<void> {
    await this.tasks.startEnabled();
    await this.clusterTasks.open();
  }

  get running(): readonly string[] {
    return [...this.engine.running.keys()].sort();
  }

  logged(message: string): LogEntry | undefined {
    return this.logs.find((entry) => entry.message === message);
  }
}

/** Members 1 … n, linked. */
export class TaskCluster {
  readonly clock = new VirtualClock({ ms: 1_700_000_000_000, ns: 0 });
  readonly network = new FakeNetwork();
  readonly all: TaskMemberSite[] = [];
  readonly #redundancy: number;

  private constructor(redundancy: number) {
    this.#redundancy = redundancy;
  }

  static async open(members: number, redundancy = 2): Promise<TaskCluster> {
    const cluster = new TaskCluster(redundancy);
    for (let n = 1; n <= members; n++) cluster.all.push(cluster.make(n));
    if (members > 1) await cluster.join();
    for (const site of cluster.all) await site.open();
    await cluster.settle();
    return cluster;
  }

  /** A member that belongs to nobody, or one that starts again with what is on its disk. */
  make(n: number, store?: MemoryStore): TaskMemberSite {
    const member = this.network.add(n);
    const numbers = this.all.map((_, i) => i + 1);
    if (store !== undefined) member.join("cluster", numbers, {}, this.#redundancy);
    return new TaskMemberSite(member, this.clock, n, store);
  }

  at(n: number): TaskMemberSite {
    const site = this.all[n - 1];
    if (site === undefined) throw new Error(`no member ${n}`);
    return site;
  }

  /** Puts all members into one cluster and connects them. */
  async join(): Promise<void> {
    this.see();
    for (const a of this.all) {
      for (const b of this.all) if (a !== b) a.member.tell(b.member.id, "up");
    }
    await this.settle();
  }

  /** The members that are there see who is dead. */
  see(dead: readonly number[] = []): void {
    const numbers = this.all.map((_, i) => i + 1);
    const statuses = Object.fromEntries(dead.map((n) => [n, "dead" as const]));
    for (const { member } of this.all) {
      if (member.reachable) member.join("cluster", numbers, statuses, this.#redundancy);
    }
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 8; i++) {
      this.clock.advance(1);
      await promises();
    }
  }

  async wait(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.settle();
  }

  async kill(n: number): Promise<void> {
    const site = this.at(n);
    site.member.reachable = false;
    for (const other of this.all) if (other !== site) other.member.tell(site.member.id, "refused");
    this.see([n]);
    await this.settle();
  }

  /** Members whose engines run the task. */
  where(task: string): readonly number[] {
    return this.all.flatMap((site, i) =>
      site.member.reachable && site.engine.isRunning(task) ? [i + 1] : [],
    );
  }
}
