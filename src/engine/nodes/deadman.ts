/**
 * Raises an alert when a node emits too little: `stats`, `derivative` and `alert` in one method.
 *
 * The alert's ID and message come from the `[deadman]` section; `NODE_NAME` and `INTERVAL` in them are
 * replaced. `"emitted"` is a float in the extra expressions. Source: reference nodes.md §7.
 */

import { formatGoDuration } from "#lib/duration.ts";
import type { Expression } from "#tick/ast.ts";
import type {
  ExpandCall,
  NodeDefinition,
  Position,
  PropertyCall,
  TickValue,
} from "#tick/environment.ts";
import { argument, lambdas } from "../calls.ts";
import { type AnyNodeSpec, defineNode } from "../node.ts";
import { NOWHERE } from "../receiver.ts";

/** The part of the `[deadman]` section that scripts need. */
export interface DeadmanTexts {
  readonly id: string;
  readonly message: string;
}

export const DEADMAN_DEFAULTS: DeadmanTexts = {
  id: "{{ .Group }}:NODE_NAME for task '{{ .TaskName }}'",
  message:
    '{{ .ID }} is {{ if eq .Level "OK" }}alive{{ else }}dead{{ end }}: ' +
    '{{ index .Fields "emitted" | printf "%0.3f" }} points/INTERVAL.',
};

const FIELD = "emitted";
const NOWHERE_IN_SCRIPT: Position = { line: 0, char: 0 };

/** The method with the texts that the configuration gives. */
export function makeDeadman(texts: DeadmanTexts): AnyNodeSpec {
  return defineNode({
    method: "deadman",
    goType: "*pipeline.AlertNode",
    wants: "either",
    provides: "stream",
    params: ["float", "duration"],
    rest: "lambda",
    expand: (call) => expand(call, texts),
    doc: "Alerts when a node emits no more than a threshold of points per interval.",
    options: () => undefined,
    start: () => NOWHERE,
  });
}

export const deadman = makeDeadman(DEADMAN_DEFAULTS);

function expand(call: ExpandCall, texts: DeadmanTexts): NodeDefinition {
  const threshold = argument(call.args, 0, "float").value;
  const interval = argument(call.args, 1, "duration");
  const extra = lambdas(call.args.slice(2));
  const dead = extra.reduce((left, right) => binary("AND", left, right), tooFew(threshold));
  const stats = call.add("stats", call.parent, [interval], [made("align")]);
  const rate = call.add(
    "derivative",
    stats,
    [text(FIELD)],
    [made("unit", interval), made("nonNegative")],
  );
  const id = texts.id.replaceAll("NODE_NAME", call.parent.name);
  const message = texts.message.replaceAll("INTERVAL", formatGoDuration(interval.value));
  return call.add(
    "alert",
    rate,
    [],
    [
      made("id", text(id)),
      made("message", text(message)),
      made("crit", { kind: "lambda", value: dead }),
    ],
  );
}

function tooFew(threshold: number): Expression {
  const position = NOWHERE_IN_SCRIPT;
  return binary(
    "<=",
    { kind: "reference", name: FIELD, position },
    { kind: "float", value: threshold, position },
  );
}

function binary(operator: "AND" | "<=", left: Expression, right: Expression): Expression {
  const position = NOWHERE_IN_SCRIPT;
  return { kind: "binary", operator, left, right, parens: false, multiLine: false, position };
}

function text(value: string): TickValue {
  return { kind: "string", value };
}

function made(name: string, ...args: readonly TickValue[]): PropertyCall {
  return { name, args, calls: [], position: NOWHERE_IN_SCRIPT };
}
