/**
 * Merges streams (or batches) into one in order of time.
 *
 * A message goes out when no other input can still bring an earlier one: the mark is the least, over all
 * inputs, of the time of what waits there or else of what came last. So every input must have spoken once,
 * and a silent one holds up all others; barriers help, they are queued like points. At equal times the joined
 * inputs come first, in order, then the one that was chained to. At the end everything is let go.
 */

import { compareTime } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import { Series } from "#model/series.ts";
import { Calls } from "../calls.ts";
import type { GroupTable } from "../group-table.ts";
import { HELD_MESSAGES_MAX } from "../limits.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { value } from "../properties.ts";
import type { BatchBegin, Receiver } from "../receiver.ts";
import { SeriesMemo } from "../series-memo.ts";
import {
  readBegin,
  type SnapshotReader,
  type SnapshotWriter,
  savedList,
  savedNumber,
  savedTuple,
} from "../snapshot.ts";
import type { HeldPoints } from "../task-budget.ts";

export const union = defineNode<string>({
  method: "union",
  goType: "*pipeline.UnionNode",
  wants: "either",
  provides: "same",
  rest: "node",
  joinsArguments: true,
  doc: "Merges several inputs into one, in order of time.",
  properties: [
    value("rename", "string", "Measurement of all output; their own names when not given."),
    QUIET,
  ],
  options: ({ calls }) => new Calls(calls).string("rename") ?? "",
  needs: (_options, below) => below,
  start(rename, context) {
    const merger = new Union(rename, context);
    return context.parents.map((_, i) => merger.input(i));
  },
});

interface Timed {
  readonly ms: number;
  readonly ns: number;
  readonly group: Group;
}

type Message =
  | (Timed & { readonly kind: "point"; readonly point: Point })
  | (Timed & {
      readonly kind: "batch";
      readonly begin: BatchBegin;
      readonly points: readonly Point[];
    })
  | (Timed & { readonly kind: "barrier" });

/** Points that a message holds back. */
function sizeOf(message: Message): number {
  return message.kind === "batch" ? message.points.length : 1;
}

interface Source {
  waiting: Message[];
  head: number;
  /** Time of the last message; `undefined` before the first. */
  lastMs: number | undefined;
  lastNs: number;
  finished: boolean;
}

class Union {
  readonly #rename: string;
  readonly #out: Receiver;
  /** In order of precedence. */
  readonly #sources: readonly Source[];
  readonly #renamed: SeriesMemo<Series>;
  readonly #groups: GroupTable;
  readonly #context: NodeContext;
  #hasExpired = false;
  readonly #budget: HeldPoints;
  #held = 0;

  constructor(rename: string, context: NodeContext) {
    this.#rename = rename;
    this.#out = context.out;
    this.#renamed = new SeriesMemo(context.seriesSlot());
    this.#groups = context.groupTable((group) => this.#expire(group));
    this.#context = context;
    this.#budget = context.held;
    context.saved({
      save: (out) => this.#sources.map((source) => saveSource(source, out)),
      load: (saved, from) => this.#load(saved, from),
    });
    this.#sources = context.parents.map(() => ({
      waiting: [],
      head: 0,
      lastMs: undefined,
      lastNs: 0,
      finished: false,
    }));
  }

  /** The receiver of the parent at `index`; the first parent comes last. */
  input(index: number): Receiver {
    const count = this.#sources.length;
    return new Input(this, this.#sources[(index + count - 1) % count] as Source);
  }

  take(source: Source, message: Message): void {
    source.lastMs = message.ms;
    source.lastNs = message.ns;
    if (++this.#held > HELD_MESSAGES_MAX) throw new Error("too many messages held for the union");
    this.#budget.add(sizeOf(message));
    this.#context.touch(message.group);
    source.waiting.push(message);
    while (this.#emitReady());
  }

  finish(source: Source): void {
    source.finished = true;
    if (this.#sources.some(({ finished }) => !finished)) return;
    while (this.#emitReady());
    this.#out.finish();
  }

  deleteGroup(group: Group): void {
    const own = this.groupOf(group);
    this.#out.deleteGroup(own);
    if (this.#held === 0) this.#groups.remove(own);
  }

  /** What waits for a silent input is dropped with its group; all groups of one walk at once. */
  #expire(group: Group): void {
    this.#out.deleteGroup(group);
    if (this.#held === 0 || this.#hasExpired) return;
    this.#hasExpired = true;
    this.#context.after(0, () => this.#dropExpired());
  }

  #dropExpired(): void {
    this.#hasExpired = false;
    for (const source of this.#sources) {
      const left: Message[] = [];
      for (const message of source.waiting.slice(source.head)) {
        if (message.group.isOver) this.#release(message);
        else left.push(message);
      }
      source.waiting = left;
      source.head = 0;
    }
  }

  #release(message: Message): void {
    this.#held--;
    this.#budget.release(sizeOf(message));
  }

  renamed(point: Point): Point {
    if (this.#rename === "") return point;
    const { series } = point;
    const known =
      this.#renamed.get(series) ??
      this.#renamed.set(
        series,
        new Series(series.db, series.rp, this.#rename, series.tagKeys, series.tagValues),
      );
    return new Point(known, point.shape, point.values, point.timeMs, point.timeNs);
  }

  renamedBegin(begin: BatchBegin): BatchBegin {
    return this.#rename === "" ? begin : { ...begin, name: this.#rename };
  }

  /** One group object per group, whichever input a message came by. */
  groupOf(group: Group): Group {
    const name = this.#rename === "" ? group.name : this.#rename;
    return this.#groups.find(name, group.dimensions, group.tagValues);
  }

  /** Lets go of everything up to the mark; true when something went. */
  #emitReady(): boolean {
    const mark = this.#mark();
    if (mark === undefined) return false;
    let emitted = false;
    for (const source of this.#sources) {
      for (;;) {
        const message = source.waiting[source.head];
        if (message === undefined) break;
        if (compareTime(message.ms, message.ns, mark.ms, mark.ns) > 0) break;
        this.#advance(source);
        emitted = true;
        this.#release(message);
        this.#send(message);
      }
    }
    return emitted;
  }

  /** A group that expired while its message waited is not brought back by it. */
  #send(message: Message): void {
    const { kind, ms, ns, group } = message;
    const out = this.#out;
    if (group.isOver) return;
    if (kind === "point") {
      out.point(group, message.point);
    } else if (kind === "barrier") {
      out.barrier(group, ms, ns);
    } else {
      out.beginBatch(group, message.begin);
      for (const point of message.points) out.batchPoint(group, point);
      out.endBatch(group);
    }
  }

  #load(saved: unknown, from: SnapshotReader): void {
    const sources = savedTuple(saved, this.#sources.length);
    this.#sources.forEach((source, i) => {
      const [lastMs, lastNs, waiting] = savedTuple(sources[i], 3);
      if (lastMs !== null) source.lastMs = savedNumber(lastMs);
      source.lastNs = savedNumber(lastNs);
      for (const item of savedList(waiting)) {
        const message = readMessage(item, from);
        source.waiting.push(message);
        this.#held++;
        this.#budget.add(sizeOf(message));
      }
    });
  }

  #advance(source: Source): void {
    source.head++;
    if (source.head === source.waiting.length) {
      source.waiting.length = 0;
      source.head = 0;
    } else if (source.head >= 1_024) {
      source.waiting.splice(0, source.head);
      source.head = 0;
    }
  }

  #mark(): { readonly ms: number; readonly ns: number } | undefined {
    let ms = Number.POSITIVE_INFINITY;
    let ns = 0;
    const drained = this.#sources.every(({ finished }) => finished);
    for (const source of this.#sources) {
      const first = source.waiting[source.head];
      if (first === undefined && drained) continue;
      const sourceMs = first?.ms ?? source.lastMs;
      if (sourceMs === undefined) return undefined;
      const sourceNs = first?.ns ?? source.lastNs;
      if (compareTime(sourceMs, sourceNs, ms, ns) < 0) {
        ms = sourceMs;
        ns = sourceNs;
      }
    }
    return { ms, ns };
  }
}

class Input implements Receiver {
  readonly #union: Union;
  readonly #source: Source;
  #begin: BatchBegin | undefined;
  #points: Point[] = [];

  constructor(union: Union, source: Source) {
    this.#union = union;
    this.#source = source;
  }

  point(group: Group, point: Point): void {
    this.#union.take(this.#source, {
      kind: "point",
      ms: point.timeMs,
      ns: point.timeNs,
      group: this.#union.groupOf(group),
      point: this.#union.renamed(point),
    });
  }

  points(groups: readonly Group[], points: readonly Point[], count: number): void {
    for (let i = 0; i < count; i++) this.point(groups[i] as Group, points[i] as Point);
  }

  beginBatch(_group: Group, begin: BatchBegin): void {
    this.#begin = this.#union.renamedBegin(begin);
    this.#points = [];
  }

  batchPoint(_group: Group, point: Point): void {
    this.#points.push(this.#union.renamed(point));
  }

  endBatch(group: Group): void {
    const begin = this.#begin;
    if (begin === undefined) return;
    const points = this.#points;
    this.#points = [];
    this.#union.take(this.#source, {
      kind: "batch",
      ms: begin.tmaxMs,
      ns: begin.tmaxNs,
      group: this.#union.groupOf(group),
      begin,
      points,
    });
  }

  barrier(group: Group, ms: number, ns: number): void {
    this.#union.take(this.#source, { kind: "barrier", ms, ns, group: this.#union.groupOf(group) });
  }

  deleteGroup(group: Group): void {
    this.#union.deleteGroup(group);
  }

  finish(): void {
    this.#union.finish(this.#source);
  }
}

function saveSource({ waiting, head, lastMs, lastNs }: Source, out: SnapshotWriter): unknown {
  const left = waiting.slice(head).map((message) => saveMessage(message, out));
  return [lastMs ?? null, lastNs, left];
}

function saveMessage(message: Message, out: SnapshotWriter): unknown {
  const { kind, ms, ns } = message;
  const head = [kind, ms, ns, out.group(message.group)];
  if (kind === "point") return [...head, out.point(message.point), null];
  if (kind === "barrier") return [...head, null, null];
  return [...head, out.points(message.points), message.begin];
}

function readMessage(saved: unknown, from: SnapshotReader): Message {
  const [kind, savedMs, savedNs, number, held, begin] = savedTuple(saved, 6);
  const ms = savedNumber(savedMs);
  const ns = savedNumber(savedNs);
  const group = from.group(number);
  if (kind === "point") return { kind, ms, ns, group, point: from.point(held) };
  if (kind === "barrier") return { kind, ms, ns, group };
  return { kind: "batch", ms, ns, group, begin: readBegin(begin), points: from.points(held) };
}
