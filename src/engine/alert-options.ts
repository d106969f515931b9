/**
 * Reads an alert node's definition: levels, suppression, outputs, and its inline handlers.
 *
 * Handlers open objects that inherit the alert's properties, so a call such as `.post('u').crit(…)` is recorded
 * inside the handler. Calls of inherited properties are lifted out here: a property belongs to the handler
 * only when it is the handler's own.
 */

import type { DurationNs } from "#lib/int64.ts";
import type { NodeDefinition, PropertyCall, PropertySpec } from "#tick/environment.ts";
import type { FlappingRule } from "./alert-history.ts";
import type { LevelExpressions } from "./alert-judge.ts";
import { type AlertTemplates, DEFAULT_TEMPLATES } from "./alert-texts.ts";
import { argument, Calls, strings } from "./calls.ts";
import type { InhibitRule } from "./inhibitors.ts";
import { QUIET } from "./node.ts";
import { flag, list, method, value } from "./properties.ts";

export interface AlertOptions {
  readonly templates: AlertTemplates;
  readonly levels: LevelExpressions;
  readonly resets: LevelExpressions;
  readonly topic: string;
  readonly category: string;
  readonly inhibits: readonly InhibitRule[];
  readonly all: boolean;
  readonly noRecoveries: boolean;
  /** `undefined` = every non-OK point; 0 = only changes; else also repeats after this time. */
  readonly stateChangesOnly: DurationNs | undefined;
  readonly flapping: FlappingRule | undefined;
  readonly levelTag: string;
  readonly levelField: string;
  readonly messageField: string;
  readonly durationField: string;
  readonly idTag: string;
  readonly idField: string;
  /** Inline handlers in script order, with their own calls only. */
  readonly handlers: readonly PropertyCall[];
}

const HISTORY_DEFAULT = 21;
const HISTORY_MIN = 2;
/** Levels kept for judging flapping, per group. */
const HISTORY_MAX = 10_000;

/** The alert's own properties; handlers are added by `makeTickEnvironment`. */
export const ALERT_PROPERTIES: readonly PropertySpec[] = [
  value("id", "string", "Template of the event ID."),
  value("message", "string", "Template of the message."),
  value("details", "string", "HTML template of the details."),
  value("info", "lambda", "When the level is INFO."),
  value("warn", "lambda", "When the level is WARNING."),
  value("crit", "lambda", "When the level is CRITICAL."),
  value("infoReset", "lambda", "When INFO may be left."),
  value("warnReset", "lambda", "When WARNING may be left."),
  value("critReset", "lambda", "When CRITICAL may be left."),
  value("topic", "string", "Topic that events go to."),
  value("category", "string", "Category, for alerts that inhibit."),
  {
    ...list("inhibit", "string", "Holds back alerts of a category whose tags are equal."),
    params: ["string"],
  },
  flag("all", "On batches: the level is that of the least severe point."),
  flag("noRecoveries", "No events for the return to OK."),
  {
    name: "stateChangesOnly",
    params: [],
    rest: "duration",
    doc: "Events only when the level changes, and repeats after the given time.",
  },
  method("flapping", ["float", "float"], "Holds events back while the level changes too often."),
  value("history", "int", "Number of levels remembered for flapping."),
  value("levelTag", "string", "Tag that gets the level."),
  value("levelField", "string", "Field that gets the level."),
  value("messageField", "string", "Field that gets the message."),
  value("durationField", "string", "Field that gets the duration in nanoseconds."),
  value("idTag", "string", "Tag that gets the ID."),
  value("idField", "string", "Field that gets the ID."),
  QUIET,
];

const OWN = new Set(ALERT_PROPERTIES.map(({ name }) => name));

export function readAlertOptions(definition: NodeDefinition): AlertOptions {
  const { own, handlers } = split(definition);
  const calls = new Calls(own);
  const text = (name: string): string => calls.string(name) ?? "";
  return {
    templates: {
      id: calls.string("id") ?? DEFAULT_TEMPLATES.id,
      message: calls.string("message") ?? DEFAULT_TEMPLATES.message,
      details: calls.string("details") ?? DEFAULT_TEMPLATES.details,
    },
    levels: [undefined, calls.lambda("info"), calls.lambda("warn"), calls.lambda("crit")],
    resets: [
      undefined,
      calls.lambda("infoReset"),
      calls.lambda("warnReset"),
      calls.lambda("critReset"),
    ],
    topic: text("topic"),
    category: text("category"),
    inhibits: calls.all("inhibit").map((args) => {
      const [category = "", ...tags] = strings(args);
      return { category, tags };
    }),
    all: calls.flag("all"),
    noRecoveries: calls.flag("noRecoveries"),
    stateChangesOnly: readStateChangesOnly(calls),
    flapping: readFlapping(calls),
    levelTag: text("levelTag"),
    levelField: text("levelField"),
    messageField: text("messageField"),
    durationField: text("durationField"),
    idTag: text("idTag"),
    idField: text("idField"),
    handlers,
  };
}

function readStateChangesOnly(calls: Calls): DurationNs | undefined {
  const args = calls.last("stateChangesOnly");
  if (args === undefined) return undefined;
  if (args.length > 1) throw new Error("stateChangesOnly takes at most one argument");
  return args.length === 0 ? 0 : argument(args, 0, "duration").value;
}

function readFlapping(calls: Calls): FlappingRule | undefined {
  const history = calls.count("history") ?? HISTORY_DEFAULT;
  if (history > HISTORY_MAX) throw new Error(`alert history must be at most ${HISTORY_MAX}`);
  const args = calls.last("flapping");
  if (args === undefined) return undefined;
  return {
    low: argument(args, 0, "float").value,
    high: argument(args, 1, "float").value,
    history: Math.max(HISTORY_MIN, history),
  };
}

interface Split {
  readonly own: readonly PropertyCall[];
  readonly handlers: readonly PropertyCall[];
}

/** Sorts calls into the alert's own and handlers, lifting inherited ones out of handlers. */
function split(definition: NodeDefinition): Split {
  const own: PropertyCall[] = [];
  const handlers: PropertyCall[] = [];
  const visit = (call: PropertyCall): void => {
    if (OWN.has(call.name)) {
      own.push(call);
      return;
    }
    const lifted = inheritedNames(definition, call.name);
    const kept = call.calls.filter(({ name }) => !lifted.has(name));
    handlers.push({ ...call, calls: kept });
    for (const inner of call.calls) if (lifted.has(inner.name)) visit(inner);
  };
  definition.calls.forEach(visit);
  return { own, handlers };
}

/** By the alert's properties, then by handler: an environment has one list of properties for all its tasks. */
const inherited = new WeakMap<readonly PropertySpec[], Map<string, ReadonlySet<string>>>();

function inheritedNames(definition: NodeDefinition, handler: string): ReadonlySet<string> {
  const { properties } = definition.type;
  let known = inherited.get(properties);
  if (known === undefined) {
    known = new Map();
    inherited.set(properties, known);
  }
  let names = known.get(handler);
  if (names === undefined) {
    names = findInherited(properties, handler);
    known.set(handler, names);
  }
  return names;
}

/** Properties that a handler's object has from the alert: the very same specs. */
function findInherited(properties: readonly PropertySpec[], handler: string): ReadonlySet<string> {
  const opened = properties.find(({ name }) => name === handler)?.opens?.properties ?? [];
  const alert = new Set(properties);
  return new Set(opened.filter((spec) => alert.has(spec)).map(({ name }) => name));
}
