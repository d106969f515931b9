/**
 * What the engine alone costs per point in typical uses: no HTTP, no disk, no receivers.
 *
 *     bun test/bench/scenarios.ts NAME[,NAME …] [--n TASKS-OR-SERIES] [--rounds 5] [--points 400000]
 *     bun --cpu-prof-md --cpu-prof-dir=/tmp/prof test/bench/scenarios.ts filter
 *
 * Prints points per CPU second of each round (CPU time of the whole process, so collector and compiler threads
 * count), and how much memory was taken. Bodies are made before a round's clock starts. Nothing is asserted.
 */

import { parseArgs } from "node:util";
import { systemClock } from "#daemon/system.ts";
import { InProcessEngine } from "#engine/engine-host.ts";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import { makeTickEnvironment } from "#engine/tick-environment.ts";
import { silentLog } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { SeriesTable } from "#model/series-table.ts";
import { POST } from "../support/engine.ts";
import { FakeAlerts } from "../support/fake-alerts.ts";
import { FakeOutside } from "../support/fake-outside.ts";
import { bodies } from "./scenario-data.ts";

interface Scenario {
  readonly measurements: readonly string[];
  readonly hosts: number;
  /** Scripts of the tasks; `n` is the number asked for. */
  scripts(n: number): readonly string[];
  readonly n?: number;
  /** True when `n` is the number of series. */
  readonly nIsHosts?: boolean;
  /** Share of the usual number of points. */
  readonly share?: number;
}

const POSTED = ".post('http://127.0.0.1:1')";
const CPU = "stream|from().measurement('cpu')";
const FIELDS = {
  cpu: "usage_user",
  mem: "used_percent",
  disk: "used_percent",
  net: "bytes_recv",
  http_access: "resp_ms",
} as const;
const MIXED = Object.keys(FIELDS);

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  ingest: { measurements: MIXED, hosts: 1_000, scripts: () => [] },
  filter: {
    measurements: ["cpu"],
    hosts: 1_000,
    scripts: () => [
      `${CPU}|where(lambda: "usage_user" > 50.0 AND "region" != 'nowhere')
        |alert().crit(lambda: "usage_user" > 99.95).stateChangesOnly()${POSTED}`,
    ],
  },
  windows: {
    measurements: ["cpu"],
    hosts: 1_000,
    scripts: () => [
      `${CPU}.groupBy('host')|window().period(10s).every(5s)|mean('usage_user').as('m')
        |eval(lambda: "m" * 1.5 + 2.0).as('score').keep('m', 'score')
        |alert().id('{{ index .Tags "host" }}').warn(lambda: "score" > 128.0)
        .crit(lambda: "score" > 136.0).stateChangesOnly()${POSTED}`,
    ],
  },
  series: {
    measurements: ["cpu"],
    hosts: 100_000,
    nIsHosts: true,
    scripts: () => [
      `${CPU}.groupBy(*)|alert().crit(lambda: "usage_user" > 1000.0).stateChangesOnly()`,
    ],
  },
  groups: {
    measurements: ["cpu"],
    hosts: 100_000,
    nIsHosts: true,
    scripts: () => [
      `${CPU}.groupBy('host')|window().period(10s).every(10s)|mean('usage_user')
        |alert().crit(lambda: "mean" > 1000.0).stateChangesOnly()${POSTED}`,
    ],
  },
  lambdas: {
    measurements: ["cpu"],
    hosts: 100,
    scripts: () => [
      `${CPU}.groupBy('host')|eval(lambda: "usage_user" + "usage_system",
        lambda: "busy" / ("busy" + "usage_idle" + 0.0001),
        lambda: sqrt(abs("usage_user" * "usage_user" - "usage_system" * "usage_system")),
        lambda: if("busy" > 80.0, 1.0, if("busy" > 50.0, 0.5, 0.0)),
        lambda: max("usage_user", "usage_system") - min("usage_user", "usage_system"))
        .as('busy', 'ratio', 'dist', 'band', 'spread').keep()|httpOut('out')`,
    ],
  },
  join: {
    measurements: ["cpu", "mem"],
    hosts: 1_000,
    scripts: () => [
      `var cpu = ${CPU}.groupBy('host')
       var mem = stream|from().measurement('mem').groupBy('host')
       cpu|join(mem).as('cpu', 'mem')
        |eval(lambda: "cpu.usage_user" * 0.5 + "mem.used_percent" * 0.5).as('load').keep('load')
        |alert().crit(lambda: "load" > 99.5).stateChangesOnly()${POSTED}`,
    ],
  },
  fan: {
    measurements: ["cpu"],
    hosts: 1_000,
    n: 100,
    share: 0.2,
    scripts: (n) =>
      Array.from(
        { length: n },
        (_, i) =>
          `${CPU}|where(lambda: "usage_user" > ${50 + (i % 40)}.0 AND "cpu" == 'cpu-total')
            |alert().crit(lambda: "usage_system" > 99.9${i % 10}).stateChangesOnly()${POSTED}`,
      ),
  },
  chain: {
    measurements: ["net"],
    hosts: 1_000,
    scripts: () => [
      `stream|from().measurement('net').groupBy('host')
        |derivative('bytes_recv').unit(1s).nonNegative().as('rate')
        |stateDuration(lambda: "rate" > 1000000.0).unit(1s).as('high')
        |eval(lambda: if("high" >= 3.0, 'busy', 'calm')).as('mode').keep('rate', 'high', 'mode')
        |changeDetect('mode')|alert().id('{{ index .Tags "host" }}')
        .crit(lambda: "rate" > 2300000.0).stateChangesOnly()${POSTED}`,
    ],
  },
  tasks: {
    measurements: MIXED,
    hosts: 1_000,
    n: 20,
    share: 0.5,
    scripts: (n) =>
      Array.from({ length: n }).flatMap((_, i) =>
        Object.entries(FIELDS).map(
          ([name, field]) =>
            `stream|from().measurement('${name}').groupBy('host')|where(lambda: "dc" != 'dc${i}')
              |window().period(10s).every(10s)|mean('${field}').as('m')
              |alert().crit(lambda: "m" > 1000000000000.0).stateChangesOnly()${POSTED}`,
        ),
      ),
  },
  storm: {
    measurements: ["cpu"],
    hosts: 1_000,
    share: 0.2,
    scripts: () => [`${CPU}.groupBy('host')|alert().crit(lambda: TRUE)${POSTED}`],
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { n: { type: "string" }, rounds: { type: "string" }, points: { type: "string" } },
});
async function measure(name: string, scenario: Scenario): Promise<void> {
  const n = Number(values.n ?? scenario.n ?? 0);
  const hosts = scenario.nIsHosts === true && n > 0 ? n : scenario.hosts;
  const wanted = Number(values.points ?? 400_000) * (scenario.share ?? 1);
  const perRound = hosts * scenario.measurements.length;
  const rounds = Math.max(2, Math.round(wanted / perRound));
  const engine = makeEngine();
  scenario.scripts(n).forEach((script, i) => {
    const dbrps = [{ db: "db", rp: "rp" }];
    const outcome = engine.start({ id: `t${i}`, type: "stream", script, dbrps, vars: {} });
    if (outcome.kind === "refused") throw new Error(outcome.error);
  });
  const before = residentMiB();
  const rates: number[] = [];
  let peak = 0;
  for (let run = 0; run < Number(values.rounds ?? 5); run++) {
    const made = [
      ...bodies({
        ...{ measurements: scenario.measurements, hosts, rounds, linesPerBody: 1_000 },
        firstRound: run * rounds,
      }),
    ];
    const cpu = process.cpuUsage();
    for (const { bytes } of made) {
      const chunk = { db: "db", rp: "rp", precision: "ns", body: bytes } as const;
      const { kind } = await engine.write(chunk);
      if (kind !== "written") throw new Error(`a body was ${kind}`);
      peak = Math.max(peak, process.memoryUsage.rss());
    }
    const used = process.cpuUsage(cpu);
    const points = made.reduce((sum, { lines }) => sum + lines, 0);
    rates.push((points * 1e6) / (used.user + used.system));
  }
  const after = residentMiB();
  console.log(
    `${name.padEnd(8)} ${rates.map((rate) => `${Math.round(rate / 1_000)}k`).join(" ")} points per CPU second; ` +
      `resident ${before} → ${after} MiB, peak ${Math.round(peak / 2 ** 20)} MiB, ${hosts} hosts`,
  );
  await engine.close();
}

/** Forgets events: a list of them would be what is measured. */
class DeafAlerts extends FakeAlerts {
  override publish(): void {}
}

function makeEngine(): InProcessEngine {
  return new InProcessEngine(
    {
      clock: systemClock,
      random: new SeededRandom(1),
      log: silentLog,
      alerts: new DeafAlerts(),
      server: { hostname: "localhost", clusterId: "", serverId: "" },
      taskFailed: (task, error) => console.error(`task ${task} failed: ${error}`),
      ...new FakeOutside(),
    },
    new SeriesTable(),
    { environment: makeTickEnvironment({ handlers: [POST] }), specs: NODE_SPECS, name: "main" },
  );
}

function residentMiB(): number {
  Bun.gc(true);
  return Math.round(process.memoryUsage.rss() / 2 ** 20);
}

const names = positionals[0]?.split(",") ?? Object.keys(SCENARIOS);
for (const name of names) {
  const scenario = SCENARIOS[name];
  if (scenario === undefined) {
    console.error(`there is no scenario ${name}; there are ${Object.keys(SCENARIOS).join(", ")}`);
    process.exit(2);
  }
  await measure(name, scenario);
}
