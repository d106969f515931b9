/**
 * The query of a batch task: parsed once, then printed for every time range.
 *
 * Its own GROUP BY and fill are replaced by those of the node; the time range is added to its condition. A
 * condition with OR at its top is put in parentheses first, so that the range holds for all of it (the
 * original lets it hold for the last operand only; a deliberate difference).
 */

import type { QueryDimension } from "#engine/outside-ports.ts";
import type { DurationNs } from "#lib/int64.ts";
import { formatTime, type Time } from "#lib/time.ts";
import type { Dbrp } from "#model/dbrp.ts";
import { type Expr, type Fill, parseSingleSelect, type Select, type Source } from "./influxql.ts";
import { formatExpr, formatGroupBy, formatHead, formatTail } from "./influxql-print.ts";

export interface BatchQueryOptions {
  readonly dimensions: readonly QueryDimension[];
  /** `undefined`: none given. */
  readonly fill: string | number | undefined;
}

export class BatchQuery {
  /** Database and retention policy of every source, also in subqueries; either may be empty. */
  readonly sources: readonly Dbrp[];
  readonly #before: string;
  readonly #after: string;
  readonly #options: BatchQueryOptions;
  readonly #fill: Fill;

  /** Throws `Error` with the original's text when the query or an option is not allowed. */
  constructor(text: string, options: BatchQueryOptions) {
    const select = parseSingleSelect(text);
    this.sources = select.sources.flatMap(sourcesOf);
    this.#options = options;
    this.#fill = parseFill(options.fill);
    if (options.dimensions.filter(({ kind }) => kind === "time").length > 1) {
      throw new Error("groupBy cannot have more than one time dimension");
    }
    this.#before = `${formatHead(select)} WHERE ${formatCondition(select)}`;
    this.#after = formatTail(select);
  }

  /** Interval of the time dimension, or `undefined`. */
  get interval(): DurationNs | undefined {
    return this.#options.dimensions.find((dimension) => dimension.kind === "time")?.interval;
  }

  /** The text for [start, stop). `groupOffset` replaces the offset of the time dimension. */
  text(start: Time, stop: Time, groupOffset?: DurationNs): string {
    const from = formatTime(start.ms, start.ns);
    const to = formatTime(stop.ms, stop.ns);
    const dimensions = this.#options.dimensions.map((one) => dimensionExpr(one, groupOffset));
    const groupBy = formatGroupBy(dimensions, this.#fill);
    return `${this.#before}time >= '${from}' AND time < '${to}'${groupBy}${this.#after}`;
  }
}

function sourcesOf(source: Source): Dbrp[] {
  if (source.kind === "subquery") return source.select.sources.flatMap(sourcesOf);
  return [{ db: source.db, rp: source.rp }];
}

function formatCondition({ condition }: Select): string {
  if (condition === undefined) return "";
  const text = formatExpr(condition);
  const isOr = condition.kind === "binary" && condition.op === "OR";
  return isOr ? `(${text}) AND ` : `${text} AND `;
}

function dimensionExpr(dimension: QueryDimension, groupOffset: DurationNs | undefined): Expr {
  switch (dimension.kind) {
    case "tag":
      return { kind: "ref", name: dimension.name, type: "" };
    case "all":
      return { kind: "wildcard", type: "" };
    case "time": {
      const offset = groupOffset ?? dimension.offset;
      const args: Expr[] = [dimension.interval, offset].map((value) => ({
        kind: "duration",
        value,
      }));
      return { kind: "call", name: "time", args };
    }
    default:
      return dimension satisfies never;
  }
}

function parseFill(fill: string | number | undefined): Fill {
  if (typeof fill === "number") return { kind: "number", value: fill };
  switch (fill) {
    case undefined:
    case "null":
      return { kind: "null" };
    case "none":
    case "previous":
    case "linear":
      return { kind: fill };
    default:
      throw new Error(`unexpected fill option ${fill}`);
  }
}
