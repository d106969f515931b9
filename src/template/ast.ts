/**
 * The syntax tree of templates: plain data. Offsets are UTF-16 positions in the source; `describe` prints an
 * expression the way Go's error texts quote it.
 */

import type { Int64 } from "#lib/int64.ts";
import type { Escaper } from "./html-escapers.ts";
import type { GoFloat } from "./values.ts";

export type TemplateNode =
  | { readonly kind: "text"; readonly text: string; readonly at: number }
  | ActionNode
  | BranchNode
  | {
      readonly kind: "template";
      readonly name: string;
      readonly pipe: Pipe | undefined;
      readonly at: number;
    }
  | { readonly kind: "break" | "continue"; readonly at: number };

export interface ActionNode {
  readonly kind: "action";
  readonly pipe: Pipe;
  readonly at: number;
  /** Escapers of the HTML context the action stands in; empty in text templates. */
  readonly escapers: readonly Escaper[];
}

export interface BranchNode {
  readonly kind: "if" | "with" | "range";
  readonly pipe: Pipe;
  readonly body: readonly TemplateNode[];
  readonly otherwise: readonly TemplateNode[];
  readonly at: number;
}

export interface Pipe {
  /** Slots of the variables this pipeline sets; for range they receive index and element. */
  readonly variables: readonly { readonly name: string; readonly slot: number }[];
  /** `:=` makes new variables, `=` sets existing ones. */
  readonly assigns: boolean;
  readonly commands: readonly Command[];
  readonly at: number;
}

export interface Command {
  /** The first is what is evaluated or called, the rest are its arguments. Never empty. */
  readonly operands: readonly Operand[];
  readonly at: number;
}

export type Operand =
  | { readonly kind: "dot"; readonly at: number }
  | { readonly kind: "nil"; readonly at: number }
  | { readonly kind: "bool"; readonly value: boolean; readonly at: number }
  | {
      readonly kind: "string";
      readonly value: string;
      readonly source: string;
      readonly at: number;
    }
  | {
      readonly kind: "number";
      readonly value: Int64 | GoFloat;
      readonly source: string;
      readonly at: number;
    }
  | { readonly kind: "field"; readonly names: readonly string[]; readonly at: number }
  | {
      readonly kind: "variable";
      readonly name: string;
      readonly slot: number;
      readonly names: readonly string[];
      readonly at: number;
    }
  | { readonly kind: "function"; readonly name: string; readonly at: number }
  | {
      readonly kind: "chain";
      readonly of: Operand;
      readonly names: readonly string[];
      readonly at: number;
    }
  | { readonly kind: "pipe"; readonly pipe: Pipe; readonly at: number };

/** The source form of an operand, as error texts quote it. */
export function describeOperand(operand: Operand): string {
  switch (operand.kind) {
    case "dot":
      return ".";
    case "nil":
      return "nil";
    case "bool":
      return String(operand.value);
    case "string":
    case "number":
      return operand.source;
    case "field":
      return operand.names.map((name) => `.${name}`).join("");
    case "variable":
      return [operand.name, ...operand.names].join(".");
    case "function":
      return operand.name;
    case "chain": {
      const names = operand.names.map((name) => `.${name}`).join("");
      const inner = describeOperand(operand.of);
      return inner + names;
    }
    case "pipe":
      return `(${describePipe(operand.pipe)})`;
  }
}

export function describeCommand(command: Command): string {
  return command.operands.map(describeOperand).join(" ");
}

export function describePipe(pipe: Pipe): string {
  const names = pipe.variables.map((v) => v.name).join(", ");
  const set = names === "" ? "" : `${names} ${pipe.assigns ? "=" : ":="} `;
  return set + pipe.commands.map(describeCommand).join(" | ");
}
