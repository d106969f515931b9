/**
 * A batch that is worked on while its points come, instead of when it is complete.
 *
 * A window whose points go out once needs not keep them when all that becomes of them is a sum: the node below
 * takes each point as it comes, and what it has so far lies in the window's own state of the group. So a group costs
 * one small object instead of a list of points, and a point visits no memory but that.
 */

import type { Int64 } from "#lib/int64.ts";
import type { Point } from "#model/point.ts";
import type { FieldType } from "#model/shape.ts";
import type { SnapshotReader, SnapshotWriter } from "./snapshot.ts";

/** A point that could not be used; its node is told when the batch is complete, and counts it then. */
export interface Misfit {
  readonly point: Point;
  /** Type of the batch at that time. */
  readonly expected: FieldType | undefined;
}

/** What has become of the points of one batch so far. */
export class FoldedBatch {
  /** Set by the first good point. */
  type: FieldType | undefined = undefined;
  /** Of floats or int64s. */
  sum: Int64 = 0;
  /** Good points. */
  points = 0;
  /** Time of the first good point. */
  firstMs = 0;
  firstNs = 0;
  /** Held points: whoever owns the batch counts them as such. */
  misfits: Misfit[] | undefined = undefined;

  /** Points kept until the batch is complete. */
  get held(): number {
    return this.misfits?.length ?? 0;
  }

  clear(): void {
    this.type = undefined;
    this.misfits = undefined;
    this.sum = 0;
    this.points = 0;
  }
}

/** The node that works on them. */
export interface BatchFold {
  /** False when the point cannot be used: the batch now holds it as a misfit. */
  addFolded(batch: FoldedBatch, point: Point): boolean;
  /** Plain data for snapshots. */
  saveFolded(batch: FoldedBatch, out: SnapshotWriter): unknown;
  /** Takes back what `saveFolded` gave; what another function saved is left out. Throws `SnapshotError`. */
  loadFolded(batch: FoldedBatch, saved: unknown, from: SnapshotReader): void;
}
