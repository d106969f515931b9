/**
 * A queue of points in order of arrival: push at the end, drop at the start, read by index.
 *
 * A plain ring of references that doubles when full. It lets go of dropped points at once, so a window
 * holds exactly its points. Not bounded by itself: its owner drops.
 */

import type { Point } from "#model/point.ts";

const FIRST_CAPACITY = 8;

export class PointRing {
  #items: (Point | undefined)[] = [];
  #start = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(point: Point): void {
    if (this.#size === this.#items.length) this.#grow();
    this.#items[(this.#start + this.#size) & (this.#items.length - 1)] = point;
    this.#size++;
  }

  /** The point `index` places after the oldest; 0 ≤ index < size. */
  at(index: number): Point {
    return this.#items[(this.#start + index) & (this.#items.length - 1)] as Point;
  }

  dropFirst(): void {
    if (this.#size === 0) return;
    this.#items[this.#start] = undefined;
    this.#start = (this.#start + 1) & (this.#items.length - 1);
    this.#size--;
  }

  /** All points, oldest first. */
  all(): readonly Point[] {
    return Array.from({ length: this.#size }, (_, i) => this.at(i));
  }

  /** Drops the leading run of points before a time (`orAt`: also those at it); returns their number. */
  dropBefore(ms: number, ns: number, orAt: boolean): number {
    const before = this.#size;
    while (this.#size > 0) {
      const { timeMs, timeNs } = this.#items[this.#start] as Point;
      const keep = timeMs > ms || (timeMs === ms && (timeNs > ns || (timeNs === ns && !orAt)));
      if (keep) break;
      this.dropFirst();
    }
    return before - this.#size;
  }

  #grow(): void {
    const grown: (Point | undefined)[] = new Array(
      Math.max(FIRST_CAPACITY, this.#items.length * 2),
    );
    for (let i = 0; i < this.#size; i++) grown[i] = this.at(i);
    grown.fill(undefined, this.#size);
    this.#items = grown;
    this.#start = 0;
  }
}
