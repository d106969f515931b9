/**
 * Everything the API needs, made of the real task services, a real memory store, and small fakes of the
 * engine, topics, handlers and membership that can be told to refuse.
 */

import type { EventState } from "#alert/event.ts";
import type { HandlerSpec } from "#alert/handler.ts";
import { CRITICAL, type Level, OK } from "#alert/level.ts";
import type { HandlerDefinitions, HandlerEdit, TopicInfo, Topics } from "#alert/ports.ts";
import type { ClusterView, MemberId, Membership, MemberView } from "#cluster/ports.ts";
import { formatJsonLine, formatLogfmt } from "#daemon/log-format.ts";
import type { EngineHost, TaskDefinition, WriteChunk, WriteOutcome } from "#engine/ports.ts";
import type { HttpServices, Profiler, TimedEntry } from "#http/services.ts";
import { VirtualClock } from "#lib/clock.ts";
import { compileGlob } from "#lib/glob.ts";
import { compareBytes } from "#lib/json.ts";
import { type LogLevel, logTo } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { parseTime, ZERO_TIME } from "#lib/time.ts";
import { LineProtocolReader } from "#model/line-protocol.ts";
import { SeriesTable } from "#model/series-table.ts";
import { MemoryStore } from "#storage/memory.ts";
import { TaskService } from "#tasks/task-service.ts";
import { TemplateService } from "#tasks/template-service.ts";
import { fakeLanguage } from "#test/tasks/fake-language.ts";

export const CLUSTER_ID = "0b1c5e0e-7a1e-4b53-9a2e-2b8b7a3c1d11";
export const SERVER_ID = "5d1f0d0a-3c52-4a86-8e5c-9a0f6f2b7c01";
const OTHER_ID = "c3a7e9b2-0d64-4c0f-b8f7-6f1e2d3c4b02";

/** Refuses scripts with the word REFUSE; serves the endpoint `out` of every task; reads real line protocol. */
export class FakeEngine implements EngineHost {
  readonly running = new Map<string, TaskDefinition>();
  readonly written: WriteChunk[] = [];
  /** Every start and stop, in order. */
  readonly calls: string[] = [];
  readonly #reader = new LineProtocolReader(new SeriesTable());

  start(task: TaskDefinition) {
    this.calls.push(`start ${task.id}`);
    if (task.script.includes("REFUSE")) {
      const error = 'batch query is not allowed to request data from "a"."b"';
      return { kind: "refused" as const, error };
    }
    this.running.set(task.id, task);
    return { kind: "started" as const };
  }

  async stop(id: string): Promise<void> {
    if (this.running.delete(id)) this.calls.push(`stop ${id}`);
  }

  isRunning(id: string): boolean {
    return this.running.has(id);
  }

  async write(chunk: WriteChunk): Promise<WriteOutcome> {
    if (chunk.db === "full") return { kind: "overloaded" };
    if (chunk.db === "broken") throw new Error("the disk is on fire");
    const { db, rp, precision, body } = chunk;
    const read = this.#reader.read(body, { db, rp, precision, now: ZERO_TIME }, () => {});
    if (read.errors.length > 0) return { kind: "malformed", errors: read.errors };
    // A copy (the `slice` of a Buffer is none): the bytes are borrowed until the answer.
    this.written.push({ ...chunk, body: new Uint8Array(chunk.body) });
    return { kind: "written", points: read.points };
  }

  endpoint(task: string, endpoint: string) {
    if (!this.running.has(task) || endpoint !== "out") return undefined;
    const row = {
      name: "cpu",
      tags: { host: "a" },
      columns: ["time", "value"],
      values: [["2001-09-09T01:46:40Z", 20]],
    };
    return { series: [row] };
  }

  stats(task: string) {
    if (!this.running.has(task)) return undefined;
    const node = {
      avg_exec_time_ns: 1733,
      collected: 4,
      emitted: 4,
      errors: 0,
      working_cardinality: 0,
    };
    return { taskStats: { throughput: 0 }, nodeStats: { stream0: node, from1: node } };
  }

  dot(task: string, view: "attributes" | "labels") {
    if (!this.running.has(task)) return undefined;
    const graph =
      view === "labels" ? 'label="Throughput: 0.00 points/s"' : 'throughput="0.00 points/s"';
    return `digraph ${task} {\ngraph [${graph}];\n\nstream0 -> from1 [processed="4"];\n}`;
  }

  ingress() {
    return [{ db: "telegraf", rp: "autogen", measurement: "cpu", points: 6 }];
  }

  endpoints() {
    return [...this.running.keys()].map((id) => `${id}/out`);
  }

  async close(): Promise<void> {}
}

export class FakeTopics implements Topics {
  readonly states = new Map<string, EventState[]>();

  list(pattern: string, minLevel: Level): readonly TopicInfo[] {
    const glob = compileGlob(pattern);
    return [...this.states.keys()]
      .sort(compareBytes)
      .filter((id) => glob(id))
      .map((id) => this.#info(id))
      .filter((info) => info.level >= minLevel);
  }

  get(topic: string): TopicInfo | undefined {
    return this.states.has(topic) ? this.#info(topic) : undefined;
  }

  events(topic: string, minLevel: Level): readonly EventState[] | undefined {
    return this.states.get(topic)?.filter((state) => state.level >= minLevel);
  }

  event(topic: string, id: string): EventState | undefined {
    return this.states.get(topic)?.find((state) => state.id === id);
  }

  async delete(topic: string): Promise<void> {
    this.states.delete(topic);
  }

  #info(id: string): TopicInfo {
    const states = this.states.get(id) ?? [];
    const level =
      states
        .map((state) => state.level)
        .sort()
        .at(-1) ?? OK;
    return { id, level, collected: states.length };
  }
}

/** Knows the kinds `log` and `post`; refuses edits of the topic `gated` unless forced. */
export class FakeHandlers implements HandlerDefinitions {
  readonly specs = new Map<string, HandlerSpec>();

  list(topic: string): readonly HandlerSpec[] {
    return [...this.specs.values()]
      .filter((spec) => spec.topic === topic)
      .sort((a, b) => compareBytes(a.id, b.id));
  }

  topics(): readonly string[] {
    return [...new Set([...this.specs.values()].map((spec) => spec.topic))];
  }

  get(topic: string, id: string): HandlerSpec | undefined {
    return this.specs.get(`${topic}/${id}`);
  }

  async create(spec: HandlerSpec, force: boolean): Promise<HandlerEdit> {
    if (this.get(spec.topic, spec.id) !== undefined) {
      const error = `cannot register handler, handler with ID "${spec.id}" already exists`;
      return { kind: "refused", error };
    }
    return this.replace(spec.topic, spec.id, spec, force);
  }

  async replace(
    topic: string,
    id: string,
    spec: HandlerSpec,
    force: boolean,
  ): Promise<HandlerEdit> {
    if (spec.kind !== "log" && spec.kind !== "post") {
      return { kind: "refused", error: `unsupported action kind "${spec.kind}"` };
    }
    const gate = this.#gate(topic, force);
    if (gate !== undefined) return gate;
    this.specs.delete(`${topic}/${id}`);
    this.specs.set(`${topic}/${spec.id}`, spec);
    return { kind: "done" };
  }

  async delete(topic: string, id: string, force: boolean): Promise<HandlerEdit> {
    const gate = this.#gate(topic, force);
    if (gate !== undefined) return gate;
    this.specs.delete(`${topic}/${id}`);
    return { kind: "done" };
  }

  #gate(topic: string, force: boolean): HandlerEdit | undefined {
    if (topic !== "gated" || force) return undefined;
    const error = `could not verify liveness of topic owners: status of ${OTHER_ID} is left`;
    return { kind: "refused", error };
  }
}

export class FakeMembership implements Membership {
  members: MemberView[] = [member(SERVER_ID, "nodeA01", 0)];
  initialized = false;

  view(): ClusterView {
    const { members, initialized } = this;
    return { clusterId: CLUSTER_ID, localId: idOf(SERVER_ID), initialized, members };
  }

  onChange(): void {}

  async add(rpcAddress: string): Promise<void> {
    if (!rpcAddress.startsWith("nodeA02"))
      throw new Error(`dial ${rpcAddress}: connection refused`);
    this.members.push(member(OTHER_ID, "nodeA02", 1));
    this.initialized = true;
  }

  async remove(id: string): Promise<void> {
    const left = this.members.filter((known) => known.id !== id);
    if (left.length === this.members.length) throw new Error(`unknown member ${id}`);
    this.members = left;
  }

  counters() {
    return { packets_sent: 3 };
  }
}

function idOf(text: string): MemberId {
  return text as MemberId;
}

export function member(id: string, host: string, joined: number): MemberView {
  return {
    id: idOf(id),
    gossipAddress: `${host}:9090`,
    rpcAddress: `${host}:9091`,
    apiAddress: `${host}:9092`,
    roles: ["worker"],
    status: "alive",
    joined,
    redundancy: 0,
    crashEvidence: false,
  };
}

export interface FakeServices extends HttpServices {
  readonly engine: FakeEngine;
  readonly topics: FakeTopics;
  readonly handlers: FakeHandlers;
  readonly membership: FakeMembership;
  readonly clock: VirtualClock;
  readonly logged: TimedEntry[];
  readonly levels: LogLevel[];
}

/** A fresh world, its clock at a fixed time; `settings` override the defaults. */
export function fakeServices(settings: Partial<HttpServices["settings"]> = {}): FakeServices {
  const clock = new VirtualClock(parseTime("2026-11-22T06:27:41.677538083Z") ?? ZERO_TIME);
  const listeners = new Set<(entry: TimedEntry) => void>();
  const logged: TimedEntry[] = [];
  const levels: LogLevel[] = [];
  const log = logTo((entry) => {
    const timed = { ...entry, time: clock.now() };
    logged.push(timed);
    for (const listener of listeners) listener(timed);
  });
  const store = new MemoryStore();
  const engine = new FakeEngine();
  const topics = fakeTopics();
  const random = new SeededRandom(7);
  const taskServices = { store, engine, topics, language: fakeLanguage, clock, random, log };
  const tasks = new TaskService(taskServices);
  return {
    engine,
    tasks,
    templates: new TemplateService(taskServices, tasks),
    language: fakeLanguage,
    topics,
    handlers: new FakeHandlers(),
    membership: new FakeMembership(),
    store,
    serviceTests: SERVICE_TESTS,
    subscriptions: {
      count: () => 2,
      permissionOf: (token) => (token === "t0ken" ? "write_points:telegraf" : undefined),
      relink: async () => {},
    },
    sideloads: { reload() {} },
    logs: {
      setLevel: (level) => levels.push(level),
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      print: (entry, form) => (form === "json" ? formatJsonLine(entry) : formatLogfmt(entry)),
    },
    log,
    clock,
    random,
    version: { api: "1.8.3", build: "0.1.0 (abc1234)" },
    identity: { clusterId: () => CLUSTER_ID, serverId: SERVER_ID, hostname: "nodeA01" },
    process: {
      commandLine: ["kapacitord", "-config", "k.conf"],
      memory: () => ({ rss: 3000, heapTotal: 2000, heapUsed: 1000 }),
      profiler: FAKE_PROFILER,
    },
    settings: {
      defaultRetentionPolicy: "",
      logEnabled: false,
      authEnabled: false,
      pprofEnabled: false,
      sharedSecret: "",
      writeTracing: false,
      ...settings,
    },
    statistics: () => [{ name: "cluster", tags: {}, values: { packets_sent: 3 } }],
    logged,
    levels,
  };
}

/** Takes no time; a profile of 13 seconds finds another one at work. */
const FAKE_PROFILER: Profiler = {
  async cpu(durationMs) {
    if (durationMs === 13_000) return undefined;
    const callFrame = { functionName: "(root)", url: "", lineNumber: -1 };
    const main = { functionName: "main", url: "../../src/main.ts", lineNumber: 4 };
    return {
      nodes: [
        { id: 1, callFrame, children: [2] },
        { id: 2, callFrame: main, hitCount: 3, positionTicks: [{ line: 7, ticks: 2 }] },
      ],
      startTime: 1_000_000,
      endTime: 1_000_000 + durationMs * 1000,
    };
  },
  heap: (collectFirst) => ({
    bytes: collectFirst ? 500 : 1000,
    objects: { string: 2, Object: 5 },
  }),
  heapSnapshot: () => '{"snapshot":{}}',
};

const SERVICE_TESTS = [
  {
    name: "slack",
    options: { workspace: "", channel: "", message: "test slack message" },
    run: async () => "service is not enabled",
  },
  {
    name: "kafka",
    options: { cluster: "example", topic: "test" },
    run: async (options: Readonly<Record<string, unknown>>) =>
      options["topic"] === "test" ? undefined : "unknown topic",
  },
];

function fakeTopics(): FakeTopics {
  const topics = new FakeTopics();
  const state = (id: string, level: Level): EventState => ({
    id,
    message: `${id} is ${level === OK ? "OK" : "CRITICAL"}`,
    details: "<b>details</b>",
    time: { ms: 1_600_000_000_500, ns: 0 },
    duration: 300_000_000_000,
    level,
  });
  topics.states.set("app", [state("cpu:nil", CRITICAL), state("mem:host=a", OK)]);
  topics.states.set("system", [state("cpu", OK)]);
  return topics;
}
