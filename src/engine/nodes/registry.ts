/** All pipeline nodes, sorted by method. InfluxQL functions are in `influxql/registry.ts`. */

import type { AnyNodeSpec } from "../node.ts";
import { alert } from "./alert.ts";
import { barrier } from "./barrier.ts";
import { batch } from "./batch.ts";
import { changeDetect } from "./change-detect.ts";
import { combine } from "./combine.ts";
import { deadman } from "./deadman.ts";
import { defaultNode } from "./default.ts";
import { deleteNode } from "./delete.ts";
import { derivative } from "./derivative.ts";
import { evalNode } from "./eval.ts";
import { flatten } from "./flatten.ts";
import { from } from "./from.ts";
import { groupBy } from "./group-by.ts";
import { httpOut } from "./http-out.ts";
import { httpPost } from "./http-post.ts";
import { influxDBOut } from "./influxdb-out.ts";
import { influxqlNodes } from "./influxql.ts";
import { join } from "./join.ts";
import { kapacitorLoopback } from "./kapacitor-loopback.ts";
import { log } from "./log.ts";
import { noop } from "./noop.ts";
import { query } from "./query.ts";
import { queryFlux } from "./query-flux.ts";
import { sample } from "./sample.ts";
import { shift } from "./shift.ts";
import { sideload } from "./sideload.ts";
import { stateCount } from "./state-count.ts";
import { stateDuration } from "./state-duration.ts";
import { stats } from "./stats.ts";
import { stream } from "./stream.ts";
import { trickle } from "./trickle.ts";
import { unavailableNodes } from "./unavailable.ts";
import { union } from "./union.ts";
import { where } from "./where.ts";
import { window } from "./window.ts";

const NODES: readonly AnyNodeSpec[] = [
  alert,
  barrier,
  batch,
  changeDetect,
  combine,
  deadman,
  defaultNode,
  deleteNode,
  derivative,
  evalNode,
  flatten,
  from,
  groupBy,
  httpOut,
  httpPost,
  influxDBOut,
  join,
  kapacitorLoopback,
  log,
  noop,
  query,
  queryFlux,
  sample,
  shift,
  sideload,
  stateCount,
  stateDuration,
  stats,
  stream,
  trickle,
  union,
  where,
  window,
  ...influxqlNodes,
  ...unavailableNodes,
];

/** Node specs by method. */
export const NODE_SPECS: ReadonlyMap<string, AnyNodeSpec> = new Map(
  NODES.map((spec) => [spec.method, spec]),
);
