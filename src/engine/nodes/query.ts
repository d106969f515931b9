/**
 * Asks InfluxDB on a schedule; every series of the answer becomes a batch.
 *
 * At a tick T the range is [T − offset − period, T − offset). The query's own GROUP BY is replaced by
 * `groupBy`. With `alignGroup` the time groups begin at the start of the range. All numbers are floats, nulls
 * are left out. A batch's upper time bound is the end of the range, or the latest point when grouped by time.
 * Source: reference nodes.md §1, storage-and-influx.md §5.
 */

import { type DurationNs, fromBigInt, neg } from "#lib/int64.ts";
import { addDuration, type Time, timeToNanos } from "#lib/time.ts";
import { type Dbrp, formatDbrp } from "#model/dbrp.ts";
import type { NodeDefinition, TickValue } from "#tick/environment.ts";
import { type BatchPlan, BatchRunner } from "../batch-runner.ts";
import type { ScheduleSpec } from "../batch-schedule.ts";
import { argument, Calls, goTypeOf } from "../calls.ts";
import { defineNode, QUIET } from "../node.ts";
import type { BatchSource, OpenQuery, QueryDimension } from "../outside-ports.ts";
import { flag, list, value } from "../properties.ts";

interface Options {
  readonly text: string;
  readonly schedule: ScheduleSpec;
  readonly period: DurationNs;
  readonly offset: DurationNs;
  readonly dimensions: readonly QueryDimension[];
  readonly alignGroup: boolean;
  readonly byName: boolean;
  readonly fill: string | number | undefined;
  readonly cluster: string;
}

export const query = defineNode<Options>({
  method: "query",
  goType: "*pipeline.QueryNode",
  wants: "batch",
  provides: "batch",
  params: ["string"],
  onlyParents: ["batch"],
  doc: "Asks InfluxDB on a schedule; every series of the answer becomes a batch.",
  properties: [
    value("period", "duration", "Length of the time range that is asked for."),
    value("every", "duration", "How often to ask. Excludes cron."),
    value(
      "cron",
      "string",
      "When to ask: five to seven cron fields in local time. Excludes every.",
    ),
    flag("align", "Asks at multiples of `every`."),
    value("offset", "duration", "How long before now the time range ends."),
    list("groupBy", "any", "Tags, `*`, and at most one time(duration[, offset])."),
    flag("alignGroup", "Groups by time begin at the start of the time range."),
    flag("groupByMeasurement", "Groups batches by measurement too."),
    value(
      "fill",
      "any",
      "What empty time groups get: 'null', 'none', 'previous', 'linear', a number.",
    ),
    value("cluster", "string", "Name of the InfluxDB to ask; the default one when not given."),
    QUIET,
  ],

  options: readOptions,

  start(options, context) {
    const open = context.services.queries.query(options);
    checkSources(open, context.task.dbrps);
    return new BatchRunner(planOf(options, open), context);
  },
});

function readOptions({ args, calls: made }: NodeDefinition): Options {
  const calls = new Calls(made);
  return {
    text: argument(args, 0, "string").value,
    schedule: {
      every: calls.duration("every") ?? 0,
      cron: calls.string("cron") ?? "",
      align: calls.flag("align"),
    },
    period: calls.duration("period") ?? 0,
    offset: calls.duration("offset") ?? 0,
    dimensions: readQueryDimensions(calls.last("groupBy") ?? []),
    alignGroup: calls.flag("alignGroup"),
    byName: calls.flag("groupByMeasurement"),
    fill: readFill(calls.last("fill")?.[0]),
    cluster: calls.string("cluster") ?? "",
  };
}

/**
 * What a query node of a task on these databases would ask, for recordings: groups by time keep their own offset.
 * Throws `Error` as the start of the task would.
 */
export function recordingPlan(
  definition: NodeDefinition,
  queries: BatchSource,
  dbrps: readonly Dbrp[],
): BatchPlan & { readonly offset: DurationNs } {
  const options = { ...readOptions(definition), alignGroup: false };
  const open = queries.query(options);
  checkSources(open, dbrps);
  return { ...planOf(options, open), offset: options.offset };
}

function checkSources(open: OpenQuery, dbrps: readonly Dbrp[]): void {
  for (const source of open.sources) {
    if (dbrps.some(({ db, rp }) => db === source.db && rp === source.rp)) continue;
    const name = formatDbrp(source);
    throw new Error(`batch query is not allowed to request data from ${name}`);
  }
}

function planOf(options: Options, open: OpenQuery): BatchPlan {
  const time = options.dimensions.find((dimension) => dimension.kind === "time");
  const [minusOffset, minusPeriod] = [neg(options.offset), neg(options.period)];
  return {
    schedule: options.schedule,
    byName: options.byName,
    ask(tick) {
      const stop = addDuration(tick.ms, tick.ns, minusOffset);
      const start = addDuration(stop.ms, stop.ns, minusPeriod);
      const aligns = options.alignGroup && time !== undefined;
      const groupOffset = aligns ? remainder(start, time.interval) : undefined;
      return {
        run: (take, signal) => open.run({ start, stop, groupOffset }, take, signal),
        tmax: ({ latest }) => (time === undefined ? stop : (latest ?? stop)),
      };
    },
  };
}

/** The time since 1970 modulo the interval. */
function remainder({ ms, ns }: Time, interval: DurationNs): DurationNs {
  return interval === 0 ? 0 : fromBigInt(timeToNanos(ms, ns) % BigInt(interval));
}

function readQueryDimensions(args: readonly TickValue[]): readonly QueryDimension[] {
  const dimensions = args.flatMap(readDimension);
  if (dimensions.filter(({ kind }) => kind === "time").length > 1) {
    throw new Error("groupBy cannot have more than one time dimension");
  }
  return dimensions;
}

function readDimension(given: TickValue): readonly QueryDimension[] {
  switch (given.kind) {
    case "string":
      return [{ kind: "tag", name: given.value }];
    case "star":
      return [{ kind: "all" }];
    case "duration":
      return [{ kind: "time", interval: given.value, offset: 0 }];
    case "timeDimension":
      return [{ kind: "time", interval: given.interval, offset: given.offset }];
    case "list":
      return given.value.flatMap(readDimension);
    default:
      throw new Error(`invalid dimension object of type ${goTypeOf(given)}`);
  }
}

function readFill(given: TickValue | undefined): string | number | undefined {
  if (given === undefined) return undefined;
  switch (given.kind) {
    case "string":
    case "float":
      return given.value;
    case "int":
      return Number(given.value);
    default:
      throw new Error(`unexpected fill option of type ${goTypeOf(given)}`);
  }
}
