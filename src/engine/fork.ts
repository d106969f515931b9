/**
 * Finds the tasks that want a point: an index by database, retention policy and measurement.
 *
 * The route of a measurement is looked up once and remembered with it; it is valid until a task starts or
 * stops. All series of one measurement share one route, so a thousand tasks cost a thousand entries per
 * measurement, not per series.
 *
 * Points come in runs. A run is dealt out by route, and each task takes its part at once, so that a task's code
 * and data stay in the processor's caches: with a hundred tasks this halves the cost of a point. Each task
 * sees its points in order; between tasks there is no order, as in the original.
 *
 * Kept from the original: a task with both measured and unmeasured `from` nodes gets points of the measured
 * ones twice. Source: reference nodes.md §1.
 */

import type { Dbrp } from "#model/dbrp.ts";
import type { Point } from "#model/point.ts";
import { releaseSlot, type Series, type SeriesHome, takeSlot } from "#model/series.ts";
import { type FieldNeeds, NO_FIELDS, unionOf } from "./field-needs.ts";
import { ROUTES_MAX } from "./limits.ts";
import { OwnedMemo } from "./series-memo.ts";

/** What the fork needs to know about a task. */
export interface ForkTarget {
  readonly dbrps: readonly Dbrp[];
  /** Measurements wanted; "" stands for all. */
  readonly measurements: ReadonlySet<string>;
  /** The fields of a measurement that the task looks at. */
  fieldsOf(measurement: string): FieldNeeds;
  push(point: Point): void;
  /** Takes the first `count` points, in order; the list may be overwritten. Absent: `push` for each. */
  pushRun?(points: Point[], count: number): void;
  /** True when `pushRun` leaves the list as it is: then all such targets see the same one. */
  readonly keepsRuns?: boolean;
}

/** Points of the run for targets that get the same ones. */
interface Lane {
  readonly targets: ForkTarget[];
  readonly points: Point[];
  count: number;
}

interface Route {
  readonly owner: Fork;
  readonly version: number;
  readonly targets: readonly ForkTarget[];
  /**
   * One lane for all targets that this route alone feeds, and the lanes of those that others feed too: these
   * must see the points of all in order.
   */
  readonly lanes: readonly Lane[];
  /** Nothing, everything, or the fields that some task looks at. */
  readonly wants: boolean | readonly string[];
}

export class Fork {
  readonly #targets = new Set<ForkTarget>();
  /** Measurement → the targets that name it; "" → those that want all. */
  readonly #wanting = new Map<string, Set<ForkTarget>>();
  readonly #routes = new Map<string, Route>();
  readonly #slot = takeSlot();
  readonly #memo = new OwnedMemo<Route>(this.#slot, this);
  /** Lanes of targets that several routes feed. */
  #mixed = new Map<ForkTarget, Lane>();
  /** Lanes that got points of the run at hand. */
  readonly #busy: Lane[] = [];
  readonly #scratch: Point[] = [];
  #version = 0;

  add(target: ForkTarget): void {
    this.#targets.add(target);
    for (const measurement of target.measurements) {
      const wanting = this.#wanting.get(measurement);
      if (wanting === undefined) this.#wanting.set(measurement, new Set([target]));
      else wanting.add(target);
    }
    this.#forgetRoutes();
  }

  remove(target: ForkTarget): void {
    if (!this.#targets.delete(target)) return;
    for (const measurement of target.measurements) {
      const wanting = this.#wanting.get(measurement);
      wanting?.delete(target);
      if (wanting?.size === 0) this.#wanting.delete(measurement);
    }
    this.#forgetRoutes();
  }

  /** Gives the point to every task that wants it, in the order in which the tasks were started. */
  push(point: Point): void {
    const { targets } = this.#routeOf(point.series);
    for (let i = 0; i < targets.length; i++) targets[i]?.push(point);
  }

  /** Gives a run of points to the tasks: `points[from … end − 1]`. */
  pushRun(points: readonly Point[], from: number, end: number): void {
    const busy = this.#busy;
    for (let i = from; i < end; i++) {
      const point = points[i] as Point;
      point.seat = i - from;
      const { lanes } = this.#routeOf(point.series);
      for (let l = 0; l < lanes.length; l++) {
        const lane = lanes[l] as Lane;
        if (lane.count === 0) busy.push(lane);
        lane.points[lane.count++] = point;
      }
    }
    for (let b = 0; b < busy.length; b++) this.#serve(busy[b] as Lane);
    busy.length = 0;
    for (let i = from; i < end; i++) (points[i] as Point).seat = -1;
  }

  #serve(lane: Lane): void {
    const { targets, points, count } = lane;
    const scratch = this.#scratch;
    lane.count = 0;
    for (let t = 0; t < targets.length; t++) {
      const target = targets[t] as ForkTarget;
      if (target.pushRun === undefined) {
        for (let i = 0; i < count; i++) target.push(points[i] as Point);
      } else if (target.keepsRuns === true) {
        target.pushRun(points, count);
      } else {
        for (let i = 0; i < count; i++) scratch[i] = points[i] as Point;
        target.pushRun(scratch, count);
      }
    }
  }

  /** What tasks want of the series' points; the same array while the answer is the same. */
  wants(series: Series): boolean | readonly string[] {
    return this.#routeOf(series).wants;
  }

  close(): void {
    releaseSlot(this.#slot);
  }

  #forgetRoutes(): void {
    this.#version++;
    this.#routes.clear();
    this.#mixed = new Map();
  }

  #routeOf(series: Series): Route {
    const { home } = series;
    if (home !== undefined) return this.#routeOfHome(home, series);
    const route = this.#memo.get(series);
    if (route !== undefined && route.version === this.#version) return route;
    return this.#memo.set(series, this.#route(series.db, series.rp, series.name));
  }

  #routeOfHome({ slots }: SeriesHome, series: Series): Route {
    const known = slots[this.#slot] as Route | undefined;
    if (known !== undefined && known.owner === this && known.version === this.#version) {
      return known;
    }
    const route = this.#route(series.db, series.rp, series.name);
    while (slots.length < this.#slot) slots.push(undefined);
    slots[this.#slot] = route;
    return route;
  }

  #route(db: string, rp: string, measurement: string): Route {
    const key = `${db}\0${rp}\0${measurement}`;
    let route = this.#routes.get(key);
    if (route === undefined) {
      if (this.#routes.size >= ROUTES_MAX) this.#routes.clear();
      const targets = this.#targetsOf(db, rp, measurement);
      route = {
        owner: this,
        version: this.#version,
        targets,
        lanes: this.#lanesOf(targets),
        wants: wantsOf(targets, measurement),
      };
      this.#routes.set(key, route);
    }
    return route;
  }

  #lanesOf(targets: readonly ForkTarget[]): readonly Lane[] {
    const own: Lane = { targets: [], points: [], count: 0 };
    const lanes: Lane[] = [];
    for (const target of targets) {
      if (hasOneRoute(target)) own.targets.push(target);
      else lanes.push(this.#mixedLane(target));
    }
    return own.targets.length === 0 ? lanes : [own, ...lanes];
  }

  #mixedLane(target: ForkTarget): Lane {
    let lane = this.#mixed.get(target);
    if (lane === undefined) {
      lane = { targets: [target], points: [], count: 0 };
      this.#mixed.set(target, lane);
    }
    return lane;
  }

  #targetsOf(db: string, rp: string, measurement: string): readonly ForkTarget[] {
    const targets: ForkTarget[] = [];
    // Most measurements are of few tasks, and a thousand tasks may each have their own. Beside tasks that want all
    // measurements the order of starting decides, and only the list of all has it.
    const candidates = this.#wanting.has("") ? this.#targets : this.#wanting.get(measurement);
    for (const target of candidates ?? []) {
      if (!target.dbrps.some((dbrp) => dbrp.db === db && dbrp.rp === rp)) continue;
      if (measurement !== "" && target.measurements.has(measurement)) targets.push(target);
      if (target.measurements.has("")) targets.push(target);
    }
    return targets;
  }
}

/** True when all points of the target are of one database, retention policy and measurement. */
export function hasOneRoute({
  dbrps,
  measurements,
}: Pick<ForkTarget, "dbrps" | "measurements">): boolean {
  return dbrps.length === 1 && measurements.size === 1 && !measurements.has("");
}

function wantsOf(targets: readonly ForkTarget[], measurement: string): boolean | readonly string[] {
  if (targets.length === 0) return false;
  let all: FieldNeeds = NO_FIELDS;
  for (const target of targets) all = unionOf(all, target.fieldsOf(measurement));
  return all === "all" ? true : [...all];
}
