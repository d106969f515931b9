/**
 * Groups points anew.
 *
 * On a stream each point goes to its new group at once. On batches, the points of all incoming batches with
 * the same end time are collected per new group; when a batch with another end time (or a barrier)
 * arrives, one batch per group goes out, its points in time order. Grouping by measurement sticks once set
 * upstream. Nothing is let go at the end of the stream.
 */

import { compareBytes } from "#lib/json.ts";
import { compareTime } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { Calls, strings } from "../calls.ts";
import { Grouping, type GroupingRule, readDimensions } from "../grouping.ts";
import { HELD_MESSAGES_MAX } from "../limits.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { flag, list } from "../properties.ts";
import { type BatchBegin, Forwarding } from "../receiver.ts";
import {
  readBegin,
  type SnapshotReader,
  type SnapshotWriter,
  savedList,
  savedTuple,
} from "../snapshot.ts";
import type { HeldPoints } from "../task-budget.ts";

export const groupBy = defineNode<GroupingRule>({
  method: "groupBy",
  desc: "groupby",
  goType: "*pipeline.GroupByNode",
  wants: "either",
  provides: "same",
  rest: "any",
  doc: "Groups by tags, or by all tags (*).",
  properties: [
    flag("byMeasurement", "Also groups by measurement."),
    list("exclude", "string", "Tags left out when grouping by *."),
    QUIET,
  ],

  options({ args, calls: made }) {
    const calls = new Calls(made);
    const tagNames = readDimensions(args);
    const exclude = calls.all("exclude").flatMap(strings).sort(compareBytes);
    if (exclude.length > 0 && tagNames !== "*") throw new Error("exclude requires '*'");
    return { byName: calls.flag("byMeasurement"), tagNames, exclude };
  },

  needs: (_options, below) => below,
  start: (rule, context) => new GroupBy(rule, context),
});

interface Collected {
  readonly begin: BatchBegin;
  readonly points: Point[];
}

class GroupBy extends Forwarding {
  readonly #grouping: Grouping;
  /** New group → what was collected for the current end time, in first-seen order. */
  readonly #collected = new Map<Group, Collected>();
  #begin: BatchBegin | undefined;
  #points = 0;
  readonly #held: HeldPoints;

  constructor(rule: GroupingRule, context: NodeContext) {
    super(context.out);
    this.#grouping = new Grouping(
      rule,
      context.seriesSlot(),
      context.groupTable((group) => this.#expire(group)),
    );
    this.#held = context.held;
    context.saved({
      save: (out) => this.#save(out),
      load: (saved, from) => this.#load(saved, from),
    });
  }

  override point(group: Group, point: Point): void {
    this.out.point(this.#grouping.groupOf(point.series, group.dimensions.byName), point);
  }

  override beginBatch(_group: Group, begin: BatchBegin): void {
    const last = this.#begin;
    if (last !== undefined && (last.tmaxMs !== begin.tmaxMs || last.tmaxNs !== begin.tmaxNs)) {
      this.#flush();
    }
    this.#begin = begin;
  }

  override batchPoint(group: Group, point: Point): void {
    const begin = this.#begin;
    if (begin === undefined) return;
    const target = this.#grouping.groupOf(point.series, group.dimensions.byName);
    let collected = this.#collected.get(target);
    if (collected === undefined) {
      collected = { begin, points: [] };
      this.#collected.set(target, collected);
    }
    if (++this.#points > HELD_MESSAGES_MAX) throw new Error("too many points held for grouping");
    this.#held.add(1);
    collected.points.push(point);
  }

  override endBatch(): void {}

  override barrier(group: Group, ms: number, ns: number): void {
    this.#flush();
    this.out.barrier(group, ms, ns);
  }

  #flush(): void {
    const ready = [...this.#collected];
    this.#collected.clear();
    this.#held.release(this.#points);
    this.#points = 0;
    for (const [group, { begin, points }] of ready) {
      points.sort((a, b) => compareTime(a.timeMs, a.timeNs, b.timeMs, b.timeNs));
      this.out.beginBatch(group, { ...begin, sizeHint: points.length });
      for (const point of points) this.out.batchPoint(group, point);
      this.out.endBatch(group);
    }
  }

  /** What was collected for a group that is over is lost, as its state is in all nodes. */
  #expire(group: Group): void {
    const points = this.#collected.get(group)?.points.length ?? 0;
    this.#collected.delete(group);
    this.#points -= points;
    this.#held.release(points);
    this.out.deleteGroup(group);
  }

  #save(out: SnapshotWriter): unknown {
    const begin = this.#begin;
    if (begin === undefined) return null;
    const collected = [...this.#collected].map(([group, held]) => [
      out.group(group),
      held.begin,
      out.points(held.points),
    ]);
    return [begin, collected];
  }

  #load(saved: unknown, from: SnapshotReader): void {
    const [begin, collected] = savedTuple(saved, 2);
    this.#begin = readBegin(begin);
    for (const item of savedList(collected)) {
      const [group, own, held] = savedTuple(item, 3);
      const points = [...from.points(held)];
      this.#collected.set(from.group(group), { begin: readBegin(own), points });
      this.#points += points.length;
      this.#held.add(points.length);
    }
  }
}
