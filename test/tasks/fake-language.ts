/**
 * A stand-in for the language, so that tests of definitions and of the API need no node registry.
 *
 * It knows `stream|a()|b()` chains, `dbrp "d"."r"`, `var x = 5` and `var x int`, and fails on the words
 * `BROKEN` (parser) and `nothing` (evaluation) with the texts of the real one.
 */

import type { Dbrp } from "#model/dbrp.ts";
import type { Language, VarsJson } from "#tasks/ports.ts";
import type {
  NodeDefinition,
  NodeType,
  ScriptResult,
  TaskType,
  TickValue,
  Var,
  VarType,
} from "#tick/environment.ts";

export const fakeLanguage: Language = {
  taskType,
  evaluate: (script, vars) => evaluate(script, vars, false),
  evaluateTemplate: (script) => evaluate(script, {}, true),
  format(script) {
    checkParses(script);
    return `${script.trim().replaceAll("|", "\n    |")}\n`;
  },
  parseVars,
  varsToJson,
};

function checkParses(script: string): void {
  const at = script.indexOf("BROKEN");
  if (at >= 0) {
    throw new Error(
      `parser: unexpected EOF line 1 char ${at + 1} in "BROKEN". expected: "identifier"`,
    );
  }
}

function taskType(script: string): TaskType | undefined {
  checkParses(script);
  const stream = /\bstream\b/.test(script);
  const batch = /\bbatch\b/.test(script);
  if (stream === batch) return undefined;
  return stream ? "stream" : "batch";
}

function evaluate(
  script: string,
  given: Readonly<Record<string, Var>>,
  template: boolean,
): ScriptResult {
  const type = taskType(script) ?? "stream";
  const at = script.indexOf("nothing");
  if (at >= 0) {
    const where = `line 1 char ${at + 1}`;
    throw new Error(`${where}: no method or property "nothing" on *pipeline.StreamNode`);
  }
  return {
    type,
    nodes: nodesOf(script, type),
    dbrps: dbrpsOf(script),
    vars: varsOf(script, given, template),
  };
}

function nodesOf(script: string, type: TaskType): NodeDefinition[] {
  const chain = /\b(?:stream|batch)\b(.*)/s.exec(script)?.[1] ?? "";
  const nodes: NodeDefinition[] = [node(0, type, [])];
  for (const [, name = ""] of chain.matchAll(/\|(\w+)/g)) {
    nodes.push(node(nodes.length, name, nodes.slice(-1)));
  }
  return nodes;
}

function node(id: number, method: string, parents: readonly NodeDefinition[]): NodeDefinition {
  const type: NodeType = {
    goType: "*pipeline.FakeNode",
    properties: [],
    method,
    desc: method,
    params: [],
    wants: "either",
    provides: "same",
    doc: "",
  };
  return { id, name: `${method}${id}`, type, args: [], parents, calls: [], position: undefined };
}

function dbrpsOf(script: string): Dbrp[] {
  return [...script.matchAll(/dbrp "(\w+)"\."(\w+)"/g)].map(([, db = "", rp = ""]) => ({ db, rp }));
}

function varsOf(
  script: string,
  given: Readonly<Record<string, Var>>,
  template: boolean,
): Map<string, Var> {
  const vars = new Map<string, Var>();
  for (const [, name = "", digits, word] of script.matchAll(/var (\w+) (?:= (\d+)|(\w+))/g)) {
    const supplied = given[name];
    const type: VarType = digits === undefined ? varType(word) : "int";
    if (supplied !== undefined && supplied.type !== type) {
      throw new Error(`invalid type supplied for ${name}, got ${supplied.type} exp ${type}`);
    }
    if (supplied === undefined && digits === undefined && !template) {
      throw new Error(`missing value for var "${name}".`);
    }
    const own: TickValue | undefined =
      digits === undefined ? undefined : { kind: "int", value: Number(digits) };
    vars.set(name, { type, value: supplied?.value ?? own, description: "" });
  }
  return vars;
}

const TYPES: readonly VarType[] = ["bool", "int", "float", "string", "duration", "star", "list"];

function varType(word: string | undefined): VarType {
  const type = TYPES.find((known) => known === word);
  if (type === undefined) throw new Error(`invalid var type "${word}"`);
  return type;
}

function parseVars(input: unknown): Readonly<Record<string, Var>> {
  if (typeof input !== "object" || input === null) throw new Error("vars must be an object");
  const entries = Object.entries(input).map(([name, raw]): [string, Var] => {
    const fields = new Map<string, unknown>(Object.entries(Object(raw)));
    const type = varType(String(fields.get("type")));
    const description = String(fields.get("description") ?? "");
    return [name, { type, value: readValue(type, fields.get("value")), description }];
  });
  return Object.fromEntries(entries);
}

function readValue(type: VarType, value: unknown): TickValue {
  if (type === "int" && (Number.isSafeInteger(value) || typeof value === "bigint")) {
    return { kind: "int", value: typeof value === "bigint" ? value : Number(value) };
  }
  if (type === "string" && typeof value === "string") return { kind: "string", value };
  if (type === "star") return { kind: "star" };
  throw new Error(`bad value for ${type}`);
}

function varsToJson(vars: Readonly<Record<string, Var>>): VarsJson {
  return Object.fromEntries(
    Object.entries(vars).map(([name, { type, value, description }]) => {
      const shown = value === undefined || !("value" in value) ? null : value.value;
      return [name, { type, value: shown, description }];
    }),
  );
}
