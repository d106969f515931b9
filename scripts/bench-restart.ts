/**
 * `bench restart`: from the start of the daemon to its first answer to /ping, with much to remember.
 *
 * 1,000 enabled tasks, a tenth of them made from a template, and the last states of 100,000 events in 100 topics
 * are put into the store file directly; the daemon then starts on it again and again, each time after kill -9, so
 * that nothing was tidied for the start.
 */

import { join } from "node:path";
import type { Level } from "#alert/level.ts";
import { systemClock } from "#daemon/system.ts";
import { fromBigInt } from "#lib/int64.ts";
import { silentLog } from "#lib/log.ts";
import { timeFromNanos } from "#lib/time.ts";
import { topicEventKey, topicEvents } from "#storage/kinds/topic-events.ts";
import { SqliteStore } from "#storage/sqlite.ts";
import { type AnyKind, put, type Store } from "#storage/store.ts";
import { NEVER, type StoredTask, taskKind, templateKind } from "#tasks/task-store.ts";
import { BenchDaemon } from "./bench-daemon.ts";
import { BASE_TIME_MS, CPU_TASK } from "./lab.ts";

const TASKS = 1_000;
const FROM_TEMPLATE_EVERY = 10;
const TOPICS = 100;
const EVENTS_PER_TOPIC = 1_000;
const ROUNDS = 5;
const TEMPLATE = "threshold";

const TEMPLATE_SCRIPT = `var measurement string
var crit = 90.0

stream
    |from()
        .measurement(measurement)
        .groupBy('host')
    |alert()
        .crit(lambda: "usage_user" > crit)
        .topic('threshold')
`;

/** Milliseconds of every round, in order. */
export async function restartRounds(rounds = ROUNDS): Promise<readonly number[]> {
  await using daemon = await BenchDaemon.start();
  await daemon.stop("SIGTERM");
  await seed(join(daemon.directory, "kapacitor.db"));
  const values: number[] = [];
  for (let round = 0; round < rounds; round++) {
    values.push(await daemon.restart());
    await check(daemon);
    await daemon.stop("SIGKILL");
  }
  return values;
}

/** Every task runs and every event is known, or the figure would say nothing. */
async function check(daemon: BenchDaemon): Promise<void> {
  const tasks = await daemon.ask("/tasks?fields=executing&limit=-1");
  const running = listIn(tasks, "tasks").filter((task) => Reflect.get(Object(task), "executing"));
  const last = await daemon.ask(`/alerts/topics/topic-${TOPICS - 1}/events`);
  const events = listIn(last, "events");
  if (running.length !== TASKS || events.length !== EVENTS_PER_TOPIC)
    throw new Error(`${running.length} tasks run, ${events.length} events in the last topic`);
}

function listIn(body: unknown, key: string): readonly unknown[] {
  const list: unknown = Reflect.get(Object(body), key);
  return Array.isArray(list) ? list : [];
}

async function seed(path: string): Promise<void> {
  const kinds = [taskKind, templateKind, topicEvents] as readonly AnyKind[];
  const store = SqliteStore.open(path, kinds, systemClock, silentLog);
  await seedTasks(store);
  for (let topic = 0; topic < TOPICS; topic++) await seedTopic(store, `topic-${topic}`);
  await store.close();
}

async function seedTasks(store: Store): Promise<void> {
  const stamp = new Date(BASE_TIME_MS).toISOString();
  const times = { created: stamp, modified: stamp };
  const template = { id: TEMPLATE, type: "stream", script: TEMPLATE_SCRIPT, error: "" } as const;
  const tasks = Array.from({ length: TASKS }, (_, i): StoredTask => {
    const common = { id: `task-${i}`, type: "stream", error: "", ...times } as const;
    const state = { ...common, status: "enabled", lastEnabled: i === 0 ? NEVER : stamp } as const;
    const dbrps = [{ db: "telegraf", rp: "autogen" }];
    const vars = { measurement: { type: "string", value: `m${i}`, description: "" } };
    return i % FROM_TEMPLATE_EVERY === 0
      ? { ...state, templateId: TEMPLATE, script: TEMPLATE_SCRIPT, dbrps, vars }
      : { ...state, templateId: "", script: CPU_TASK, dbrps, vars: {} };
  });
  await store.commit([
    put(templateKind, TEMPLATE, { ...template, ...times }),
    ...tasks.map((task) => put(taskKind, task.id, task)),
  ]);
}

async function seedTopic(store: Store, topic: string): Promise<void> {
  await store.commit(
    Array.from({ length: EVENTS_PER_TOPIC }, (_, i) => {
      const id = `cpu/server-${i}.example.net`;
      const state = {
        id,
        message: `${id} is CRITICAL at ${i} %`,
        details: "",
        time: timeFromNanos(BigInt(BASE_TIME_MS) * 1_000_000n + BigInt(i)),
        duration: fromBigInt(BigInt(i) * 1_000_000_000n),
        level: levelAt(i),
      };
      return put(topicEvents, topicEventKey(topic, id), { topic, state });
    }),
  );
}

function levelAt(i: number): Level {
  const levels: readonly Level[] = [0, 1, 2, 3];
  return levels[i % levels.length] ?? 0;
}
