/**
 * A time window whose points go out once, above a node that works on them as they come (batch-fold.ts).
 *
 * It is the window of `nodes/window.ts` for `every` = `period` without `fillPeriod`: what is in a window are the points
 * since it last went out, since all before are older than its start. Only a late point that comes first after a
 * barrier can be too old, and is left out at once.
 *
 * Points that the node cannot use are kept until the window goes out, and count as points held back.
 */

import { type DurationNs, neg } from "#lib/int64.ts";
import { addDuration, type Time, truncateTime } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { type BatchFold, FoldedBatch } from "./batch-fold.ts";
import type { GroupState } from "./group-state.ts";
import type { NodeContext } from "./node.ts";
import { Forwarding } from "./receiver.ts";
import { type SnapshotReader, savedList, savedNumber, savedText } from "./snapshot.ts";
import type { HeldPoints } from "./task-budget.ts";

export interface TumblingOptions {
  /** > 0 */
  readonly every: DurationNs;
  /** Puts emit times on multiples of `every`. */
  readonly align: boolean;
}

/** Values of a saved window of this sort; one with points has fewer. */
export const FOLDED_VALUES = 5;

/** One group's window: when it goes out, and what its points have come to. */
class Span extends FoldedBatch {
  readonly name: string;
  nextMs: number;
  nextNs: number;
  /** Points in the window. */
  size = 0;

  constructor(name: string, next: Time) {
    super();
    this.name = name;
    this.nextMs = next.ms;
    this.nextNs = next.ns;
  }
}

export class TumblingWindow extends Forwarding {
  readonly #options: TumblingOptions;
  readonly #fold: BatchFold;
  readonly #spans: GroupState<Span>;
  readonly #minusEvery: DurationNs;
  readonly #held: HeldPoints;

  constructor(options: TumblingOptions, fold: BatchFold, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#fold = fold;
    this.#minusEvery = neg(options.every);
    this.#held = context.held;
    this.#spans = context.groupState({
      save: (span, out) => {
        const folded = fold.saveFolded(span, out);
        return [span.name, span.nextMs, span.nextNs, span.size, folded];
      },
      load: (saved, _group, from) => this.#load(saved, from),
    });
  }

  override point(group: Group, point: Point): void {
    const { timeMs, timeNs } = point;
    let span = this.#spans.get(group);
    if (span === undefined) span = this.#open(group, point.series.name, timeMs, timeNs);
    else if (isDue(span, timeMs, timeNs)) this.#close(group, span, timeMs, timeNs);
    else if (span.size === 0 && this.#isTooOld(span, timeMs, timeNs)) return;
    this.#add(span, point);
  }

  override points(groups: readonly Group[], points: readonly Point[], count: number): void {
    for (let i = 0; i < count; i++) this.point(groups[i] as Group, points[i] as Point);
  }

  override barrier(group: Group, ms: number, ns: number): void {
    const span = this.#spans.get(group);
    if (span === undefined) this.#open(group, "barrier", ms, ns);
    else if (isDue(span, ms, ns)) this.#close(group, span, ms, ns);
  }

  override deleteGroup(group: Group): void {
    const span = this.#spans.get(group);
    if (span === undefined) return;
    this.#held.release(span.held);
    this.#spans.delete(group);
    this.out.deleteGroup(group);
  }

  #add(span: Span, point: Point): void {
    span.size++;
    if (!this.#fold.addFolded(span, point)) this.#held.add(1);
  }

  #open(group: Group, name: string, ms: number, ns: number): Span {
    return this.#spans.set(group, new Span(name, this.#nextAfter(ms, ns)));
  }

  #nextAfter(ms: number, ns: number): Time {
    const { every, align } = this.#options;
    const next = addDuration(ms, ns, every);
    return align ? truncateTime(next.ms, next.ns, every) : next;
  }

  /** Sends the window; the next one begins at this time, or the multiple before it. */
  #close(group: Group, span: Span, ms: number, ns: number): void {
    const { name, nextMs: tmaxMs, nextNs: tmaxNs, size: sizeHint } = span;
    this.out.folded?.(group, { name, tmaxMs, tmaxNs, sizeHint }, span);
    this.#held.release(span.held);
    span.clear();
    span.size = 0;
    const next = this.#nextAfter(ms, ns);
    span.nextMs = next.ms;
    span.nextNs = next.ns;
  }

  /** Never so for the point that has opened the window. */
  #isTooOld(span: Span, ms: number, ns: number): boolean {
    const oldest = addDuration(span.nextMs, span.nextNs, this.#minusEvery);
    return ms < oldest.ms || (ms === oldest.ms && ns < oldest.ns);
  }

  /** Also takes windows that were saved with their points. */
  #load(saved: unknown, from: SnapshotReader): Span {
    const values = savedList(saved);
    const [name, ms, ns, sizeOrPoints, folded] = values;
    const span = new Span(savedText(name), { ms: savedNumber(ms), ns: savedNumber(ns) });
    if (values.length === FOLDED_VALUES) {
      span.size = savedNumber(sizeOrPoints);
      this.#fold.loadFolded(span, folded, from);
      this.#held.add(span.held);
      return span;
    }
    for (const point of from.points(sizeOrPoints)) {
      if (span.size === 0 && this.#isTooOld(span, point.timeMs, point.timeNs)) continue;
      this.#add(span, point);
    }
    return span;
  }
}

function isDue({ nextMs, nextNs }: Span, ms: number, ns: number): boolean {
  return ms > nextMs || (ms === nextMs && ns >= nextNs);
}
