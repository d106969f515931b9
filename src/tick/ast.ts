/**
 * Syntax tree of TICKscript.
 *
 * Plain readonly data tagged `kind`. Positions are 1-based lines and 1-based byte columns; a binary
 * expression is positioned at its operator, a chain link at its operator, a call at its name (error texts and
 * the formatter's line breaking depend on it). Comments hang on the node they stand before.
 */

import type { Int64 } from "#lib/int64.ts";
import type { Position } from "./environment.ts";

/** Lines of one block of `//` comments, without the slashes and the one blank after them. */
export type CommentBlock = readonly string[];

export type UnaryOperator = "-" | "!";

export type MathOperator = "+" | "-" | "*" | "/" | "%";
export type ComparisonOperator = "==" | "!=" | "<" | "<=" | ">" | ">=" | "=~" | "!~";
export type LogicalOperator = "AND" | "OR";
export type BinaryOperator = MathOperator | ComparisonOperator | LogicalOperator;

interface Base {
  readonly position: Position;
  /** Blocks before the node, in order. Absent when there are none. */
  readonly comments?: readonly CommentBlock[];
}

export interface BoolLiteral extends Base {
  readonly kind: "bool";
  readonly value: boolean;
}

export interface IntLiteral extends Base {
  readonly kind: "int";
  readonly value: Int64;
  /** Written in octal; the formatter keeps it so. */
  readonly octal: boolean;
}

export interface FloatLiteral extends Base {
  readonly kind: "float";
  readonly value: number;
}

export interface DurationLiteral extends Base {
  readonly kind: "duration";
  /** Nanoseconds. */
  readonly value: Int64;
  /** As written, or the largest exact unit when generated. */
  readonly text: string;
}

export interface StringLiteral extends Base {
  readonly kind: "string";
  readonly value: string;
  /** Written between triple quotes. */
  readonly triple: boolean;
}

export interface RegexLiteral extends Base {
  readonly kind: "regex";
  /** RE2 pattern; `\/` of the source is a plain `/` here. */
  readonly value: string;
}

export interface StarLiteral extends Base {
  readonly kind: "star";
}

/** `"name"`: a field or tag of the point. */
export interface Reference extends Base {
  readonly kind: "reference";
  readonly name: string;
}

export interface Identifier extends Base {
  readonly kind: "identifier";
  readonly name: string;
}

export interface Unary extends Base {
  readonly kind: "unary";
  readonly operator: UnaryOperator;
  readonly operand: Expression;
}

export interface Binary extends Base {
  readonly kind: "binary";
  readonly operator: BinaryOperator;
  readonly left: Expression;
  readonly right: Expression;
  /** Written between parentheses. */
  readonly parens: boolean;
  /** The source breaks the line between the operands. */
  readonly multiLine: boolean;
}

/** `name(args)`: a global or lambda function, or the right side of a chain link. */
export interface Call extends Base {
  readonly kind: "call";
  readonly name: string;
  readonly args: readonly Expression[];
  /** The source breaks the line between the name and the last argument. */
  readonly multiLine: boolean;
}

export interface LambdaExpression extends Base {
  readonly kind: "lambda";
  readonly body: Expression;
}

export interface List extends Base {
  readonly kind: "list";
  readonly items: readonly (Identifier | StringLiteral | StarLiteral)[];
}

export type ChainOperator = "|" | "." | "@";

/** One link: `left |call(…)`, `left .call(…)`, `left .name`, `left @call(…)`. Long chains nest to the left. */
export interface Chain extends Base {
  readonly kind: "chain";
  readonly operator: ChainOperator;
  readonly left: Expression;
  readonly right: Identifier | Call;
}

/** Anything with a value. Inside a lambda there are no chains, lists or (once created) identifiers. */
export type Expression =
  | BoolLiteral
  | IntLiteral
  | FloatLiteral
  | DurationLiteral
  | StringLiteral
  | RegexLiteral
  | StarLiteral
  | Reference
  | Identifier
  | Unary
  | Binary
  | Call
  | LambdaExpression
  | List
  | Chain;

/** `var name = value` */
export interface VarDeclaration extends Base {
  readonly kind: "var";
  readonly name: string;
  readonly value: Expression;
  /** The comment block directly above. */
  readonly description: string;
}

/** `var name type`: a variable that the task must be given. */
export interface TypedVarDeclaration extends Base {
  readonly kind: "typedVar";
  readonly name: string;
  readonly type: string;
  readonly description: string;
}

/** `dbrp "db"."rp"` */
export interface DbrpStatement extends Base {
  readonly kind: "dbrp";
  readonly db: string;
  readonly rp: string;
}

export type Statement = VarDeclaration | TypedVarDeclaration | DbrpStatement | Expression;

export interface Program {
  readonly statements: readonly Statement[];
  /** Comments after the last statement. */
  readonly trailing: readonly CommentBlock[];
}
