/**
 * Keeps the latest point or batch of every group, for the API to show.
 *
 * Rows are made when somebody asks, not per point. Groups are shown in first-seen order.
 */

import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { type Result, type Row, rowOfBatch, rowOfPoint } from "#model/result.ts";
import { argument } from "../calls.ts";
import type { GroupState } from "../group-state.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { type BatchBegin, Forwarding } from "../receiver.ts";
import {
  type SnapshotReader,
  type SnapshotWriter,
  savedList,
  savedText,
  savedTuple,
} from "../snapshot.ts";

export const httpOut = defineNode<string>({
  method: "httpOut",
  desc: "http_out",
  goType: "*pipeline.HTTPOutNode",
  wants: "either",
  provides: "same",
  params: ["string"],
  doc: "Serves the latest data of every group at /kapacitor/v1/tasks/<task>/<endpoint>.",
  properties: [QUIET],
  options: ({ args }) => argument(args, 0, "string").value,
  start: (endpoint, context) => new HttpOut(endpoint, context),
});

/** The latest of one group: a point, or a batch. */
class Latest {
  readonly group: Group;
  point: Point | undefined;
  name = "";
  points: readonly Point[] | undefined;

  constructor(group: Group) {
    this.group = group;
  }

  row(): Row | undefined {
    if (this.point !== undefined) return rowOfPoint(this.point);
    if (this.points !== undefined) return rowOfBatch(this.name, this.group, this.points);
    return undefined;
  }
}

class HttpOut extends Forwarding {
  readonly #latest: GroupState<Latest>;
  readonly #all = new Set<Latest>();
  #name = "";
  #points: Point[] = [];

  constructor(endpoint: string, context: NodeContext) {
    super(context.out);
    this.#latest = context.groupState();
    context.saved({
      save: (out) => [...this.#all].map((latest) => saveLatest(latest, out)),
      load: (saved, from) => {
        for (const latest of savedList(saved)) this.#load(latest, from);
      },
    });
    context.endpoint(endpoint, () => this.#result());
  }

  override point(group: Group, point: Point): void {
    (this.#latest.get(group) ?? this.#open(group)).point = point;
    this.out.point(group, point);
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    this.#name = begin.name;
    this.#points = [];
    this.out.beginBatch(group, begin);
  }

  override batchPoint(group: Group, point: Point): void {
    this.#points.push(point);
    this.out.batchPoint(group, point);
  }

  override endBatch(group: Group): void {
    const latest = this.#latest.get(group) ?? this.#open(group);
    latest.name = this.#name;
    latest.points = this.#points;
    this.out.endBatch(group);
  }

  override deleteGroup(group: Group): void {
    const latest = this.#latest.get(group);
    if (latest === undefined) return;
    this.#all.delete(latest);
    this.#latest.delete(group);
    this.out.deleteGroup(group);
  }

  #open(group: Group): Latest {
    const latest = this.#latest.set(group, new Latest(group));
    this.#all.add(latest);
    return latest;
  }

  #load(saved: unknown, from: SnapshotReader): void {
    const [group, name, point, points] = savedTuple(saved, 4);
    const latest = this.#open(from.group(group));
    latest.name = savedText(name);
    if (point !== null) latest.point = from.point(point);
    if (points !== null) latest.points = from.points(points);
  }

  #result(): Result {
    const rows: Row[] = [];
    for (const latest of this.#all) {
      const row = latest.row();
      if (row !== undefined) rows.push(row);
    }
    return { series: rows.length === 0 ? null : rows };
  }
}

function saveLatest({ group, name, point, points }: Latest, out: SnapshotWriter): unknown {
  return [
    out.group(group),
    name,
    point === undefined ? null : out.point(point),
    points === undefined ? null : out.points(points),
  ];
}
