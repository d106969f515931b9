/**
 * Prints InfluxQL SELECT statements the way InfluxDB's own formatter does (compared with `SHOW CONTINUOUS
 * QUERIES` of 1.6.7): quotes only where needed, one space around operators, the largest exact unit.
 *
 * Difference: numbers get three decimals as there, but more when three would change the value.
 */

import { formatTickDuration } from "#lib/duration.ts";
import { quoteIdent, quoteString } from "./ident.ts";
import type { Expr, Fill, Measurement, Select, Source } from "./influxql.ts";

export function formatSelect(select: Select): string {
  const { condition, dimensions } = select;
  const where = condition === undefined ? "" : ` WHERE ${formatExpr(condition)}`;
  return `${formatHead(select)}${where}${formatGroupBy(dimensions, select.fill)}${formatTail(select)}`;
}

/** `SELECT … FROM …`. */
export function formatHead({ fields, into, sources }: Select): string {
  const columns = fields.map(({ expr, alias }) => {
    return alias === "" ? formatExpr(expr) : `${formatExpr(expr)} AS ${quoteIdent(alias)}`;
  });
  const target = into === undefined ? "" : ` INTO ${formatSource(into)}`;
  return `SELECT ${columns.join(", ")}${target} FROM ${sources.map(formatSource).join(", ")}`;
}

/** ` GROUP BY …` and ` fill(…)`; nothing for what is not given. */
export function formatGroupBy(dimensions: readonly Expr[], fill: Fill): string {
  const groups = dimensions.map(formatExpr).join(", ");
  return `${groups === "" ? "" : ` GROUP BY ${groups}`}${formatFill(fill)}`;
}

function formatFill(fill: Fill): string {
  switch (fill.kind) {
    case "null":
      return "";
    case "number":
      return ` fill(${fill.value})`;
    default:
      return ` fill(${fill.kind})`;
  }
}

/** What follows the grouping: order, limits, time zone. */
export function formatTail(select: Select): string {
  const order = select.order.map(({ name, ascending }) => {
    const direction = ascending ? "ASC" : "DESC";
    return name === "" ? direction : `${quoteIdent(name)} ${direction}`;
  });
  const count = (word: string, n: number): string => (n === 0 ? "" : ` ${word} ${n}`);
  return [
    order.length === 0 ? "" : ` ORDER BY ${order.join(", ")}`,
    count("LIMIT", select.limit),
    count("OFFSET", select.offset),
    count("SLIMIT", select.seriesLimit),
    count("SOFFSET", select.seriesOffset),
    select.timeZone === "" ? "" : ` TZ(${quoteString(select.timeZone)})`,
  ].join("");
}

function formatSource(source: Source): string {
  return source.kind === "subquery"
    ? `(${formatSelect(source.select)})`
    : formatMeasurement(source);
}

function formatMeasurement({ db, rp, name, regex }: Measurement): string {
  const last = regex === undefined ? quoteIdent(name) : formatRegex(regex);
  const middle = rp === "" ? "" : quoteIdent(rp);
  if (db !== "") return `${quoteIdent(db)}.${middle}.${last}`;
  return rp === "" ? last : `${middle}.${last}`;
}

export function formatExpr(expr: Expr): string {
  switch (expr.kind) {
    case "ref":
      return quoteIdent(expr.name) + (expr.type === "" ? "" : `::${expr.type}`);
    case "call":
      return `${expr.name}(${expr.args.map(formatExpr).join(", ")})`;
    case "binary":
      return `${formatExpr(expr.left)} ${expr.op} ${formatExpr(expr.right)}`;
    case "paren":
      return `(${formatExpr(expr.inner)})`;
    case "number":
      return formatNumber(expr.value);
    case "integer":
      return String(expr.value);
    case "duration":
      return formatTickDuration(expr.value);
    case "string":
      return quoteString(expr.value);
    case "boolean":
      return String(expr.value);
    case "regex":
      return formatRegex(expr.source);
    case "wildcard":
      return expr.type === "" ? "*" : `*::${expr.type}`;
    case "distinct":
      return `DISTINCT ${quoteIdent(expr.name)}`;
    default:
      return expr satisfies never;
  }
}

function formatRegex(source: string): string {
  return `/${source.replaceAll("/", "\\/")}/`;
}

function formatNumber(value: number): string {
  const short = value.toFixed(3);
  if (Number(short) === value && !short.includes("e")) return short;
  const text = String(value);
  return text.includes("e") ? expand(value) : text;
}

/** Digits without an exponent, which InfluxQL cannot read. */
function expand(value: number): string {
  const [mantissa = "", exponent = "0"] = Math.abs(value).toString().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const shift = Number(exponent);
  const sign = value < 0 ? "-" : "";
  if (shift < 0) return `${sign}0.${(whole + fraction).padStart(fraction.length - shift, "0")}`;
  return `${sign}${(whole + fraction).padEnd(1 + shift, "0")}.000`;
}
