/** Values of scripts: their names in error texts, their literals, their zero values. */

import { formatTickDuration } from "#lib/duration.ts";
import type { Expression, List, Reference } from "./ast.ts";
import type { ParamType, Position, TickValue, VarType } from "./environment.ts";
import { formatExpression } from "./format.ts";
import { displayFloat } from "./go-text.ts";

/** Go's name of a parameter's type. */
export function goTypeOfParam(type: ParamType): string {
  return PARAM_TYPES[type];
}

const PARAM_TYPES: Readonly<Record<ParamType, string>> = {
  int: "int64",
  float: "float64",
  string: "string",
  bool: "bool",
  duration: "time.Duration",
  lambda: "*ast.LambdaNode",
  regex: "*regexp.Regexp",
  node: "pipeline.Node",
  any: "interface {}",
};

/** Go's name of a value's type. */
export function goTypeOf(value: TickValue): string {
  switch (value.kind) {
    case "star":
      return "*ast.StarNode";
    case "list":
      return "[]interface {}";
    case "timeDimension":
      return "pipeline.TimeDimension";
    case "node":
      return value.value.type.goType;
    default:
      return PARAM_TYPES[value.kind];
  }
}

/** The type of a value that a var may have; `undefined` for nodes and time dimensions. */
export function varTypeOf(value: TickValue): VarType | undefined {
  return value.kind === "node" || value.kind === "timeDimension" ? undefined : value.kind;
}

/** How messages spell the type of a var. */
export function varTypeText(type: VarType): string {
  return type === "bool" ? "boolean" : type;
}

const VAR_TYPES: ReadonlySet<string> = new Set<VarType>([
  ...(["bool", "int", "float", "string", "regex"] as const),
  ...(["duration", "lambda", "star", "list"] as const),
]);

export function isVarType(name: string): name is VarType {
  return VAR_TYPES.has(name);
}

/** The value that a template's var without default has while the template is checked. */
export function zeroValue(type: VarType): TickValue {
  switch (type) {
    case "bool":
      return { kind: "bool", value: false };
    case "int":
    case "float":
    case "duration":
      return { kind: type, value: 0 };
    case "string":
    case "regex":
      return { kind: type, value: "" };
    case "lambda":
      return { kind: "lambda", value: { kind: "bool", value: true, position: NOWHERE } };
    case "star":
      return { kind: "star" };
    case "list":
      return { kind: "list", value: [] };
  }
}

const NOWHERE: Position = { line: 1, char: 1 };

/** An expression with the value; `undefined` when there is no way to write one down. */
export function literalOf(value: TickValue, position: Position): Expression | undefined {
  switch (value.kind) {
    case "bool":
    case "float":
    case "regex":
      return { ...value, position };
    case "int":
      return { ...value, octal: false, position };
    case "string":
      return { ...value, triple: false, position };
    case "duration":
      return { ...value, text: formatTickDuration(value.value), position };
    case "star":
      return { kind: "star", position };
    case "lambda":
      return { kind: "lambda", body: value.value, position };
    case "list":
      return listLiteral(value.value, position);
    default:
      return undefined;
  }
}

function listLiteral(values: readonly TickValue[], position: Position): List | undefined {
  const items: List["items"][number][] = [];
  for (const value of values) {
    if (value.kind === "star") items.push({ kind: "star", position });
    else if (value.kind === "string") {
      items.push({ kind: "string", value: value.value, triple: false, position });
    } else return undefined;
  }
  return { kind: "list", items, position };
}

/** A value as Go's `%v` prints it, roughly for what has no plain text. */
export function displayValue(value: TickValue | Reference): string {
  switch (value.kind) {
    case "float":
      return displayFloat(value.value);
    case "duration":
      return formatTickDuration(value.value);
    case "lambda":
      return `lambda: ${formatExpression(value.value)}`;
    case "reference":
      return formatExpression(value);
    case "star":
      return "*";
    case "list":
      return `[${value.value.map(displayValue).join(" ")}]`;
    case "node":
      return value.value.name;
    case "timeDimension":
      return formatTickDuration(value.interval);
    default:
      return String(value.value);
  }
}
