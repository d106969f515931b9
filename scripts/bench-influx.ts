/**
 * Beside a real InfluxDB: one large batch query, and the way of points through a subscription.
 */

import { type Influxd, startInfluxd } from "#test/support/influxd.ts";
import { drive, type Prepared } from "./bench-client.ts";
import { BenchDaemon, DATABASE } from "./bench-daemon.ts";
import type { Figures, Measurement } from "./bench-figures.ts";
import { feedsOf, sizeOf } from "./bench-load.ts";
import { probeTask, Receiver } from "./bench-receiver.ts";
import { counter, type Data } from "./bench-scenarios.ts";
import { until } from "./lab.ts";

const BOUND_MS = 180_000;
const INFLUX_PATH = `/write?db=${DATABASE}&rp=autogen&precision=ns`;
/** From defining the query task to its only run, seconds. */
const LEAD_SECONDS = 3;
const CPU: Data = { measurements: ["cpu"], hosts: 1_000, points: 1_000_000, linesPerBody: 5_000 };
const STREAM: Data = { ...CPU, points: 200_000, linesPerBody: 1_000 };
const PROBE = { perSecond: 50, pointsPerSecond: 20_000, seconds: 8, secondsMin: 0.4 };

interface Started extends AsyncDisposable {
  readonly influx: Influxd;
}

async function started(): Promise<Started> {
  const influx = await startInfluxd();
  await influx.query(`CREATE DATABASE ${DATABASE}`);
  return { influx, [Symbol.asyncDispose]: () => influx.close() };
}

/** So many seconds from now as a cron expression with seconds; once an hour is once in a bench. */
function onceAt(seconds: number): string {
  const at = new Date(performance.timeOrigin + performance.now() + seconds * 1000);
  return `${at.getUTCSeconds()} ${at.getUTCMinutes()} * * * * *`;
}

async function batch(scale: number): Promise<Figures> {
  await using server = await started();
  const { influx } = server;
  const size = sizeOf(CPU, scale);
  await drive(influx.url, feedsOf(CPU, size, { connections: 2, path: INFLUX_PATH }));
  await using daemon = await BenchDaemon.start({ influxUrl: influx.url });
  await daemon.define(
    "t0",
    `batch|query('SELECT usage_user FROM "${DATABASE}"."autogen"."cpu"').period(36500d)
        .cron('${onceAt(LEAD_SECONDS)}').groupBy('host')
      |mean('usage_user').as('m')|eval(lambda: "m" * 2.0).as('x').keep()
      |alert().crit(lambda: "x" > 1000.0)`,
    "batch",
  );
  daemon.resetPeak();
  const cpu = daemon.cpuSeconds();
  await daemon.untilCounters("t0", BOUND_MS, (seen) => counter(seen, "alert4", "collected") > 0);
  const counters = await daemon.untilCounters(
    "t0",
    BOUND_MS,
    (seen) => counter(seen, "alert4", "collected") === size.hosts,
  );
  const used = daemon.cpuSecondsSince(cpu);
  const lost = size.each - counter(counters, "query1", "points_queried");
  return {
    ...{ "points/CPU-s": size.each / used, "points lost": lost },
    "MiB peak": daemon.memoryMiB("peak"),
  };
}

async function subscription(scale: number): Promise<Figures> {
  await using server = await started();
  const { influx } = server;
  await using receiver = await Receiver.start();
  await using daemon = await BenchDaemon.start({ influxUrl: influx.url });
  await daemon.define("probe", probeTask(receiver));
  await daemon.define(
    "t0",
    `stream|from().measurement('cpu')|where(lambda: "usage_user" > 50.0)
      |alert().crit(lambda: "usage_user" > 1000.0)`,
  );
  await until("InfluxDB has a subscription", BOUND_MS, async () => {
    const { results } = await influx.query("SHOW SUBSCRIPTIONS");
    return (results[0]?.series ?? []).some(({ name }) => name === DATABASE);
  });
  const forwarded = (points: number) =>
    daemon.untilCounters("t0", BOUND_MS, (seen) => counter(seen, "where2", "collected") >= points);
  const size = sizeOf(STREAM, scale);
  const cpu = daemon.cpuSeconds();
  const bulk = await drive(influx.url, feedsOf(STREAM, size, { path: INFLUX_PATH }));
  await forwarded(bulk.points);
  const used = daemon.cpuSecondsSince(cpu);
  const { p50, p99, lost, points } = await probed(influx.url, receiver, scale, size.rounds);
  await forwarded(bulk.points + points);
  return {
    ...{ "points/CPU-s": bulk.points / used, "alert p50 ms": p50, "alert p99 ms": p99 },
    "alerts lost": lost,
  };
}

/** Alerts of points that go through InfluxDB, beside a stream that does too. */
async function probed(base: string, receiver: Receiver, scale: number, firstRound: number) {
  const { perSecond, pointsPerSecond } = PROBE;
  const seconds = Math.max(PROBE.secondsMin, PROBE.seconds * scale);
  const { hosts } = STREAM;
  const rounds = Math.ceil((pointsPerSecond * seconds) / hosts);
  const size = { hosts, rounds, each: hosts * rounds };
  const feeds: readonly (readonly Prepared[])[] = feedsOf(STREAM, size, {
    path: INFLUX_PATH,
    firstRound,
  });
  const [report, { points }] = await Promise.all([
    receiver.probe({ base, path: INFLUX_PATH, perSecond, seconds }),
    drive(base, feeds, { pointsPerSecond }),
  ]);
  return { ...report, points };
}

export const INFLUX_BENCHES: readonly Measurement[] = [
  {
    name: "batch",
    what: "a batch query of 1,000,000 points in 1,000 groups, mean, eval, alert",
    targets: { "points/CPU-s": 880_000, "MiB peak": 200, "points lost": 0 },
    needsInfluxd: true,
    run: batch,
  },
  {
    name: "subscription",
    what: "points and alerts through InfluxDB; latency beside 20,000 points/s",
    targets: { "alerts lost": 0 },
    needsInfluxd: true,
    run: subscription,
  },
];
