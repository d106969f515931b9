/**
 * Finds the tasks that want a point: an index by database, retention policy and measurement.
 *
 * The route of a series is looked up once and remembered in the series; it is valid until a task starts or
 * stops. All series of one measurement share one route, so a thousand tasks cost a thousand entries per
 * measurement, not per series.
 *
 * Kept from the original: a task with both measured and unmeasured `from` nodes gets points of the measured
 * ones twice. Source: reference nodes.md §1.
 */

import type { Dbrp } from "#model/dbrp.ts";
import type { Point } from "#model/point.ts";
import { releaseSlot, type Series, takeSlot } from "#model/series.ts";
import { type FieldNeeds, NO_FIELDS, unionOf } from "./field-needs.ts";
import { ROUTES_MAX } from "./limits.ts";
import { SeriesMemo } from "./series-memo.ts";

/** What the fork needs to know about a task. */
export interface ForkTarget {
  readonly dbrps: readonly Dbrp[];
  /** Measurements wanted; "" stands for all. */
  readonly measurements: ReadonlySet<string>;
  /** The fields of a measurement that the task looks at. */
  fieldsOf(measurement: string): FieldNeeds;
  push(point: Point): void;
}

interface Route {
  readonly version: number;
  readonly targets: readonly ForkTarget[];
  /** Nothing, everything, or the fields that some task looks at. */
  readonly wants: boolean | readonly string[];
}

export class Fork {
  readonly #targets = new Set<ForkTarget>();
  readonly #routes = new Map<string, Route>();
  readonly #slot = takeSlot();
  readonly #memo = new SeriesMemo<Route>(this.#slot);
  #version = 0;

  add(target: ForkTarget): void {
    this.#targets.add(target);
    this.#forgetRoutes();
  }

  remove(target: ForkTarget): void {
    if (this.#targets.delete(target)) this.#forgetRoutes();
  }

  /** Gives the point to every task that wants it, in the order in which the tasks were started. */
  push(point: Point): void {
    const { targets } = this.#routeOf(point.series);
    for (let i = 0; i < targets.length; i++) targets[i]?.push(point);
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
  }

  #routeOf(series: Series): Route {
    const route = this.#memo.get(series);
    if (route !== undefined && route.version === this.#version) return route;
    return this.#memo.set(series, this.#route(series.db, series.rp, series.name));
  }

  #route(db: string, rp: string, measurement: string): Route {
    const key = `${db}\0${rp}\0${measurement}`;
    let route = this.#routes.get(key);
    if (route === undefined) {
      if (this.#routes.size >= ROUTES_MAX) this.#routes.clear();
      const targets = this.#targetsOf(db, rp, measurement);
      route = {
        version: this.#version,
        targets,
        wants: wantsOf(targets, measurement),
      };
      this.#routes.set(key, route);
    }
    return route;
  }

  #targetsOf(db: string, rp: string, measurement: string): readonly ForkTarget[] {
    const targets: ForkTarget[] = [];
    for (const target of this.#targets) {
      if (!target.dbrps.some((dbrp) => dbrp.db === db && dbrp.rp === rp)) continue;
      if (measurement !== "" && target.measurements.has(measurement)) targets.push(target);
      if (target.measurements.has("")) targets.push(target);
    }
    return targets;
  }
}

function wantsOf(targets: readonly ForkTarget[], measurement: string): boolean | readonly string[] {
  if (targets.length === 0) return false;
  let all: FieldNeeds = NO_FIELDS;
  for (const target of targets) all = unionOf(all, target.fieldsOf(measurement));
  return all === "all" ? true : [...all];
}
