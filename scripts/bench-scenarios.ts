/**
 * What `./scripts/bench` and `./scripts/profile` put load on: tasks, the data that goes with them, what must come out.
 *
 * Hosts send once per round, a second of data time apart; a point is a host's line of one measurement. Targets are for
 * two cores of an ordinary server.
 */

import type { SeededRandom } from "#lib/random.ts";
import type { Counters } from "./bench-daemon.ts";
import type { Figures } from "./bench-figures.ts";

export interface Data {
  readonly measurements: readonly string[];
  readonly hosts: number;
  /** In all; a whole number of rounds comes close to it. */
  readonly points: number;
  readonly linesPerBody?: number | ((random: SeededRandom) => number);
}

/** How much was really written. */
export interface Written {
  readonly hosts: number;
  readonly rounds: number;
  /** Hosts × rounds: the points of each measurement. */
  readonly each: number;
}

export interface Scenario {
  readonly name: string;
  readonly what: string;
  readonly data: Data;
  /** `scale` is below 1 in trial runs: many tasks may then be fewer. */
  readonly scripts: (receiver: string, scale: number) => readonly string[];
  /** Node → what it must have collected; checked on the first and the last task. */
  readonly collected?: (written: Written) => Readonly<Record<string, number>>;
  /** Alerts that all tasks together must raise, where their number is known beforehand. */
  readonly alerts?: (written: Written) => number;
  readonly targets?: Figures;
  /** True when hosts are what grows: memory is then given per series. */
  readonly growsHosts?: true;
  /** Figures that all load gives are left out: only growth counts. */
  readonly perTask?: true;
}

const CPU = "stream|from().measurement('cpu')";
const MIXED = ["cpu", "mem", "disk", "net", "http_access"] as const;
const MEAN_OF = {
  cpu: "usage_user",
  mem: "used_percent",
  disk: "used_percent",
  net: "bytes_recv",
  http_access: "resp_ms",
} as const;

const none = (): readonly string[] => [];
const cpu = (hosts: number, points: number): Data => ({ measurements: ["cpu"], hosts, points });
const all = (node: string) => (written: Written) => ({ from1: written.each, [node]: written.each });
/** Windows that open with the first point and close every so many rounds. */
const closed = (every: number, { hosts, rounds }: Written): number =>
  hosts * Math.floor((rounds - 1) / every);

function series(hosts: number, points: number, targets: Figures): Scenario {
  return {
    name: `series-${hosts}`,
    what: `${hosts.toLocaleString("en")} series grouped by all tags, a state of each`,
    data: cpu(hosts, points),
    scripts: () => [
      `${CPU}.groupBy(*)|alert().crit(lambda: "usage_user" > 1000.0).stateChangesOnly()`,
    ],
    collected: all("alert2"),
    alerts: () => 0,
    growsHosts: true,
    targets,
  };
}

function fan(tasks: number, points: number): Scenario {
  return {
    name: `tasks-${tasks}`,
    what: `${tasks.toLocaleString("en")} different tasks on one stream, filter and alert`,
    data: cpu(1_000, points),
    scripts: (receiver, scale) =>
      Array.from(
        { length: Math.max(2, Math.round(tasks * Math.min(1, scale))) },
        (_, i) =>
          `${CPU}|where(lambda: "usage_user" > ${50 + (i % 40)}.0 AND "cpu" == 'cpu-total')
            |alert().crit(lambda: "usage_system" > 99.9${i % 10}).stateChangesOnly().post('${receiver}')`,
      ),
    collected: all("where2"),
    perTask: true,
    targets: { "ns CPU per point and task": 65 },
  };
}

function storm(name: string, ids: number, grouping: string, target: number): Scenario {
  return {
    name,
    what: `every point an alert that is posted, ${ids.toLocaleString("en")} alert IDs`,
    data: { measurements: ["cpu"], hosts: 1_000, points: 20_000, linesPerBody: 100 },
    scripts: (receiver) => [`${CPU}${grouping}|alert().crit(lambda: TRUE).post('${receiver}')`],
    collected: all("alert2"),
    alerts: ({ each }) => each,
    targets: { "events/CPU-s": target },
  };
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "ingest",
    what: "five measurements, no task",
    data: { measurements: MIXED, hosts: 1_000, points: 1_000_000 },
    scripts: none,
    targets: { "points/CPU-s": 726_000 },
  },
  {
    name: "ingest-large",
    what: "bodies of 5,000 lines, no task",
    data: { ...cpu(1_000, 1_000_000), linesPerBody: 5_000 },
    scripts: none,
    targets: { "points/CPU-s": 1_053_000 },
  },
  {
    name: "ingest-small",
    what: "bodies of 1 to 10 lines, no task",
    data: { ...cpu(1_000, 300_000), linesPerBody: (random) => 1 + random.below(10) },
    scripts: none,
    targets: { "points/CPU-s": 159_000 },
  },
  {
    name: "ingest-line",
    what: "bodies of one short line, no task",
    data: { measurements: ["tiny"], hosts: 1_000, points: 100_000, linesPerBody: 1 },
    scripts: none,
    targets: { "points/CPU-s": 42_000 },
  },
  {
    name: "filter",
    what: "filter and alert",
    data: cpu(1_000, 600_000),
    scripts: (receiver) => [
      `${CPU}|where(lambda: "usage_user" > 50.0 AND "region" != 'nowhere')
        |alert().crit(lambda: "usage_user" > 99.95).stateChangesOnly().post('${receiver}')`,
    ],
    collected: all("where2"),
    targets: { "points/CPU-s": 900_000 },
  },
  {
    name: "windows",
    what: "window, mean, eval, alert on 1,000 groups",
    data: cpu(1_000, 500_000),
    scripts: (receiver) => [
      `${CPU}.groupBy('host')|window().period(10s).every(5s)|mean('usage_user').as('m')
        |eval(lambda: "m" * 1.5 + 2.0).as('score').keep('m', 'score')
        |alert().id('{{ index .Tags "host" }}').warn(lambda: "score" > 128.0)
        .crit(lambda: "score" > 136.0).stateChangesOnly().post('${receiver}')`,
    ],
    collected: (written) => {
      const means = closed(5, written);
      return { window2: written.each, mean3: means, eval4: means, alert5: means };
    },
    targets: { "points/CPU-s": 810_000 },
  },
  {
    name: "lambdas",
    what: "ten lambdas and httpOut on 100 groups",
    data: cpu(100, 400_000),
    scripts: () => [
      `${CPU}.groupBy('host')|eval(
          lambda: "usage_user" + "usage_system",
          lambda: "busy" / ("busy" + "usage_idle" + 0.001),
          lambda: sqrt(abs(pow("usage_user", 2.0) - pow("usage_idle", 2.0))),
          lambda: if("busy" > 90.0, 3.0, if("busy" > 60.0, 2.0, if("busy" > 30.0, 1.0, 0.0))),
          lambda: max("usage_user", "usage_system") - min("usage_user", "usage_idle"),
          lambda: log("usage_iowait" + 1.0) * log("usage_softirq" + 1.0),
          lambda: floor("usage_user") + ceil("usage_idle") - 0.5,
          lambda: ("usage_user" * 0.6 + "usage_system" * 0.4) / ("usage_steal" + 2.0),
          lambda: "ratio" * 100.0 + "grade",
          lambda: 100.0 - "usage_idle")
        .as('busy', 'ratio', 'norm', 'grade', 'spread', 'logs', 'steps', 'mix', 'mark', 'used').keep()
        |httpOut('out')`,
    ],
    collected: all("http_out3"),
    targets: { "points/CPU-s": 680_000 },
  },
  {
    name: "join",
    what: "join of two measurements on 1,000 hosts, eval, alert",
    data: { measurements: ["cpu", "mem"], hosts: 1_000, points: 500_000 },
    scripts: (receiver) => [
      `var cpu = ${CPU}.groupBy('host')
       var mem = stream|from().measurement('mem').groupBy('host')
       cpu|join(mem).as('cpu', 'mem')
        |eval(lambda: "cpu.usage_user" * 0.5 + "mem.used_percent" * 0.5).as('load').keep('load')
        |alert().crit(lambda: "load" > 99.5).stateChangesOnly().post('${receiver}')`,
    ],
    collected: ({ each }) => ({ join4: each * 2, eval5: each, alert6: each }),
    targets: { "points/CPU-s": 564_000 },
  },
  {
    name: "states",
    what: "derivative, stateDuration, eval, changeDetect, alert on 1,000 groups",
    data: { measurements: ["net"], hosts: 1_000, points: 500_000 },
    scripts: (receiver) => [
      `stream|from().measurement('net').groupBy('host')
        |derivative('bytes_recv').unit(1s).nonNegative().as('rate')
        |stateDuration(lambda: "rate" > 1000000.0).unit(1s).as('high')
        |eval(lambda: if("high" >= 3.0, 'busy', 'calm')).as('mode').keep('rate', 'high', 'mode')
        |changeDetect('mode')|alert().id('{{ index .Tags "host" }}')
        .crit(lambda: "rate" > 2300000.0).stateChangesOnly().post('${receiver}')`,
    ],
    // Counters only grow, so the first point of a host is all that has no derivative.
    collected: ({ each, hosts }) => ({ derivative2: each, eval4: each - hosts }),
    targets: { "points/CPU-s": 705_000 },
  },
  {
    name: "deadman",
    what: "deadman every second on 10,000 hosts that live",
    data: cpu(10_000, 500_000),
    scripts: (receiver) => [`${CPU}.groupBy('host')|deadman(-1.0, 1s).post('${receiver}')`],
    collected: ({ each }) => ({ from1: each }),
    alerts: () => 0,
    targets: { "points/CPU-s": 810_000 },
  },
  {
    name: "windows-100",
    what: "100 window tasks on five measurements",
    data: { measurements: MIXED, hosts: 1_000, points: 100_000 },
    scripts: (receiver) =>
      Array.from({ length: 20 }).flatMap((_, i) =>
        Object.entries(MEAN_OF).map(
          ([measurement, field]) =>
            `stream|from().measurement('${measurement}').groupBy('host')
              |where(lambda: "dc" != 'dc${i + 7}')|window().period(10s).every(10s)|mean('${field}').as('m')
              |alert().crit(lambda: "m" > 1000000000000.0).stateChangesOnly().post('${receiver}')`,
        ),
      ),
    collected: (written) => ({ window3: written.each, mean4: closed(10, written) }),
    alerts: () => 0,
    targets: { "points/CPU-s": 188_000, "MiB peak": 300 },
  },
  storm("storm-1", 1, "", 13_000),
  storm("storm-1000", 1_000, ".groupBy('host')", 12_000),
  fan(10, 400_000),
  fan(100, 100_000),
  fan(1_000, 20_000),
  series(1_000, 500_000, {}),
  series(10_000, 500_000, {}),
  series(100_000, 500_000, { "points/CPU-s": 460_000, "MiB peak": 180, "KiB per series": 0.7 }),
  series(1_000_000, 2_000_000, { "MiB peak": 1_000, "KiB per series": 0.7 }),
];

/** The only one of a name; throws with the names that there are. */
export function scenarioOf(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found !== undefined) return found;
  throw new Error(
    `there is no scenario ${name}; there are ${SCENARIOS.map((s) => s.name).join(", ")}`,
  );
}

/** What one counter of a node says; 0 when there is no such node. */
export function counter(counters: Counters, node: string, name: string): number {
  return counters[node]?.[name] ?? 0;
}
