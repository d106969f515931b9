/**
 * Runs a Flux script on a schedule; every table of the answer becomes a batch.
 *
 * The text is sent as it is, with T − offset as its `now`; its `range` says what is read, so `period` has no
 * effect. A batch's upper time bound is its latest point, or T without any.
 * Source: reference nodes.md §1.
 */

import { type DurationNs, neg } from "#lib/int64.ts";
import { addDuration } from "#lib/time.ts";
import type { NodeDefinition } from "#tick/environment.ts";
import { type BatchPlan, BatchRunner } from "../batch-runner.ts";
import type { ScheduleSpec } from "../batch-schedule.ts";
import { argument, Calls } from "../calls.ts";
import { defineNode, QUIET } from "../node.ts";
import type { BatchSource, FluxSpec } from "../outside-ports.ts";
import { flag, value } from "../properties.ts";

interface Options extends FluxSpec {
  readonly schedule: ScheduleSpec;
  readonly offset: DurationNs;
}

export const queryFlux = defineNode<Options>({
  method: "queryFlux",
  goType: "*pipeline.QueryFluxNode",
  wants: "batch",
  provides: "batch",
  params: ["string"],
  onlyParents: ["batch"],
  doc: "Runs a Flux script on a schedule; every table of the answer becomes a batch.",
  properties: [
    value("period", "duration", "Accepted, without effect: the script says its range."),
    value("every", "duration", "How often to ask. Excludes cron."),
    value(
      "cron",
      "string",
      "When to ask: five to seven cron fields in local time. Excludes every.",
    ),
    flag("align", "Asks at multiples of `every`."),
    value("offset", "duration", "How long before now the script's `now` is."),
    value("cluster", "string", "Name of the InfluxDB to ask; the default one when not given."),
    value("org", "string", "Name of the organization. Excludes orgID."),
    value("orgID", "string", "ID of the organization. Excludes org."),
    QUIET,
  ],

  options: readOptions,

  start(options, context) {
    return new BatchRunner(planOf(options, context.services.queries), context);
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
    offset: calls.duration("offset") ?? 0,
    cluster: calls.string("cluster") ?? "",
    org: calls.string("org") ?? "",
    orgId: calls.string("orgID") ?? "",
  };
}

/** What a node would ask, for recordings. Throws `Error` as the start of the task would. */
export function fluxRecordingPlan(
  definition: NodeDefinition,
  queries: BatchSource,
): BatchPlan & { readonly offset: DurationNs } {
  const options = readOptions(definition);
  return { ...planOf(options, queries), offset: options.offset };
}

function planOf(options: Options, queries: BatchSource): BatchPlan {
  const { org, orgId, schedule } = options;
  if (org !== "" && orgId !== "") throw new Error("must not set both 'org' and 'orgID' properties");
  const open = queries.flux(options);
  const minusOffset = neg(options.offset);
  return {
    schedule,
    byName: false,
    ask: (tick) => ({
      run: (take, signal) => open.run(addDuration(tick.ms, tick.ns, minusOffset), take, signal),
      tmax: ({ latest }) => latest ?? tick,
    }),
  };
}
