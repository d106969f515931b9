/**
 * Match conditions of topic handlers: lambda bodies about an alert event instead of a point.
 *
 * `changed() level() name() taskName() alertDuration()` and `duration()` without arguments describe the
 * event; `OK INFO WARNING CRITICAL` are level numbers; references are the event's tags. Stateful functions and
 * chance make no sense here and stay undefined. Source: reference alerts.md §7.1; `duration()` is
 * accepted because the documentation names it.
 */

import type { DurationNs } from "#lib/int64.ts";
import type { Binary, Call, Expression, Unary } from "../ast.ts";
import { TickError } from "../diagnostic.ts";
import { builtins } from "../functions/builtins.ts";
import type { CallContext, FunctionSpec, LambdaServices } from "../functions/spec.ts";
import { FunctionState } from "../functions/state.ts";
import { referencesOf } from "../inspect.ts";
import { parseExpression } from "../parser.ts";
import { interpret, type Surroundings } from "./interpreter.ts";
import { wrongType } from "./operators.ts";
import { LambdaError, type LambdaType, type LambdaValue } from "./value.ts";

/** What a condition may ask about an event. */
export interface MatchScope {
  /** 0 OK … 3 CRITICAL. */
  readonly level: number;
  /** The level differs from this event ID's previous one in the topic. */
  readonly changed: boolean;
  /** Measurement. */
  readonly name: string;
  readonly taskName: string;
  readonly duration: DurationNs;
  tag(name: string): string | undefined;
}

export interface Match {
  readonly text: string;
  /** Throws `LambdaError`, for example when a tag is missing; the event is then not handled. */
  evaluate(scope: MatchScope): boolean;
}

const LEVELS: Readonly<Record<string, number>> = { OK: 0, INFO: 1, WARNING: 2, CRITICAL: 3 };

/**
 * Reads a condition. Throws `TickError` with the parser's text, or `unknown identifier "x"`. Unknown functions
 * and bad types show only when an event comes. Without services there is no `now()`.
 */
export function compileMatch(text: string, services?: LambdaServices): Match {
  const expression = withLevels(parseExpression(text), text);
  const references = referencesOf(expression);
  const event: { scope: MatchScope } = { scope: NO_EVENT };
  const context: CallContext = { services: services ?? NO_SERVICES, state: new FunctionState() };
  const around: Surroundings = {
    functions: functionsFor(event, services !== undefined),
    context,
    contextOf: () => context,
    references,
  };
  return {
    text,
    evaluate(scope) {
      event.scope = scope;
      return evaluateMatch(expression, scope, around);
    },
  };
}

function evaluateMatch(expression: Expression, scope: MatchScope, around: Surroundings): boolean {
  for (const name of around.references) {
    if (scope.tag(name) === undefined) throw new LambdaError(`no tag exists for ${name}`);
  }
  const tags = { typeOf: (): LambdaType => "string", valueOf: tagOf };
  const { type, value } = interpret(expression, tags, around);
  if (type !== "boolean") throw new LambdaError(wrongType(type, "boolean"));
  return value === true;

  function tagOf(name: string): string {
    return scope.tag(name) ?? "";
  }
}

/** The clock is never asked: `now()` is not offered without services. */
const NO_SERVICES: LambdaServices = { now: () => ({ ms: 0, ns: 0 }) };

const NO_EVENT: MatchScope = {
  ...{ level: 0, changed: false, name: "", taskName: "", duration: 0 },
  tag: () => undefined,
};

/** The stateless functions, and those about the event at hand. */
function functionsFor(
  event: { readonly scope: MatchScope },
  hasClock: boolean,
): ReadonlyMap<string, FunctionSpec> {
  const offered = [...builtins.values()].filter(
    ({ name, pure }) => pure || (hasClock && name === "now"),
  );
  const functions = new Map(offered.map((spec) => [spec.name, spec]));
  const add = (name: string, result: LambdaType, call: () => LambdaValue): void => {
    const known = functions.get(name);
    const own = { kind: "plain", params: [], result, call } as const;
    functions.set(name, {
      ...{ name, doc: "", examples: [], mayFail: false, pure: false },
      ...known,
      signatures: [own, ...(known?.signatures ?? [])],
    });
  };
  add("level", "int", () => event.scope.level);
  add("changed", "boolean", () => event.scope.changed);
  add("name", "string", () => event.scope.name);
  add("taskName", "string", () => event.scope.taskName);
  add("alertDuration", "duration", () => event.scope.duration);
  add("duration", "duration", () => event.scope.duration);
  return functions;
}

/** The expression with level names replaced by their numbers. */
function withLevels(node: Expression, script: string): Expression {
  const replace = (inner: Expression): Expression => withLevels(inner, script);
  switch (node.kind) {
    case "identifier": {
      const value = LEVELS[node.name];
      if (value !== undefined) {
        return { kind: "int", value, octal: false, position: node.position };
      }
      throw new TickError(`unknown identifier "${node.name}"`, { script, position: node.position });
    }
    case "unary":
      return { ...node, operand: replace(node.operand) } satisfies Unary;
    case "binary":
      return { ...node, left: replace(node.left), right: replace(node.right) } satisfies Binary;
    case "call":
      return { ...node, args: node.args.map(replace) } satisfies Call;
    default:
      return node;
  }
}
