/**
 * One task with a million groups through window, mean and alert, three generations of them, with idle expiry:
 * does memory come back? Run by hand: `bun test/bench/groups.ts [groups]`. Prints the resident memory of each
 * generation at its end and after it expired; nothing is asserted.
 */

import { InProcessEngine } from "#engine/engine-host.ts";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import { makeTickEnvironment } from "#engine/tick-environment.ts";
import { VirtualClock } from "#lib/clock.ts";
import { silentLog } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { SeriesTable } from "#model/series-table.ts";
import { FakeAlerts } from "../support/fake-alerts.ts";
import { FakeOutside } from "../support/fake-outside.ts";

const GROUPS = Number(process.argv[2] ?? 1_000_000);
const GENERATIONS = 3;
const LINES_PER_BODY = 5_000;
/** Data of one group: three points, so that its window goes out twice. */
const SECONDS = [0, 10, 20];
const IDLE_MS = 60_000;
const SCRIPT = `stream
    |from().measurement('cpu').groupBy('host')
    |window().period(10s).every(10s)
    |mean('value')
    |alert().id('{{ .Group }}').crit(lambda: "mean" > 99.0).stateChangesOnly().topic('cpu')`;

const clock = new VirtualClock();
const environment = makeTickEnvironment({ handlers: [] });
const engine = new InProcessEngine(
  {
    clock,
    random: new SeededRandom(1),
    log: silentLog,
    alerts: new FakeAlerts(),
    server: { hostname: "localhost", clusterId: "", serverId: "" },
    taskFailed: (task, error) => console.log(`task ${task} failed: ${error}`),
    ...new FakeOutside(),
  },
  new SeriesTable(),
  { environment, specs: NODE_SPECS, name: "main", groupIdleMs: IDLE_MS },
);
const started = engine.start({
  id: "groups",
  type: "stream",
  script: SCRIPT,
  dbrps: [{ db: "db", rp: "rp" }],
  vars: {},
});
if (started.kind === "refused") throw new Error(started.error);

const encoder = new TextEncoder();

async function write(body: string): Promise<void> {
  const written = engine.write({
    db: "db",
    rp: "rp",
    precision: "s",
    body: encoder.encode(body),
  });
  let isDone = false;
  void written.then(() => {
    isDone = true;
  });
  while (!isDone) {
    clock.advance(0);
    await Promise.resolve();
  }
}

async function generation(number: number): Promise<void> {
  for (const second of SECONDS) {
    const at = number * 1_000 + second;
    for (let first = 0; first < GROUPS; first += LINES_PER_BODY) {
      const count = Math.min(LINES_PER_BODY, GROUPS - first);
      const lines = Array.from(
        { length: count },
        (_, i) => `cpu,host=g${number}-h${first + i} value=${(first + i) % 99} ${at}\n`,
      );
      await write(lines.join(""));
    }
  }
}

function residentMiB(): number {
  Bun.gc(true);
  return Math.round(process.memoryUsage.rss() / 2 ** 20);
}

function groupsNow(): number {
  return engine.stats("groups")?.nodeStats["window2"]?.["working_cardinality"] ?? -1;
}

console.log(`${GROUPS} groups, resident memory at the start: ${residentMiB()} MiB`);
for (let number = 1; number <= GENERATIONS; number++) {
  const start = performance.now();
  await generation(number);
  const seconds = (performance.now() - start) / 1_000;
  const points = GROUPS * SECONDS.length;
  const rate = Math.round(points / seconds / 1_000);
  const full = residentMiB();
  const groups = groupsNow();
  for (let i = 0; i < 8; i++) clock.advance(IDLE_MS / 4);
  console.log(
    `generation ${number}: ${groups} groups, ${full} MiB, ${rate} k points/s; ` +
      `expired: ${groupsNow()} groups, ${residentMiB()} MiB`,
  );
}
await engine.close();
