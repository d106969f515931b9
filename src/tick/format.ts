/**
 * Prints syntax trees in the one standard layout (`kapacitor fmt`, scripts shown by the API, error texts).
 *
 * Formatting its own output changes nothing, and no comment is lost: comments of a node are printed on lines
 * of their own before the line on which the node begins. Line breaks inside calls and between operands are
 * kept where the author put one.
 */

import type {
  Binary,
  Call,
  Chain,
  CommentBlock,
  Expression,
  List,
  Program,
  Statement,
} from "./ast.ts";
import { plainFloat } from "./go-text.ts";
import { parseScript } from "./parser.ts";

const STEP = 4;

/** The script in its standard layout. Throws `TickError` when it does not parse. */
export function formatScript(script: string): string {
  return formatProgram(parseScript(script));
}

/** Statements with one blank line between them, each ending in a newline. */
export function formatProgram(program: Program): string {
  const { statements, trailing } = program;
  const parts: string[] = [];
  let next = "";
  // From the last to the first: how a statement must end hangs on how the next one begins.
  for (let i = statements.length - 1; i >= 0; i--) {
    const statement = statements[i] as Statement;
    next = withGuardedEnd(statement, bodyText(statement, statements[i - 1]), next);
    parts.unshift(`${blocks(statementComments(statement), 0)}${next}\n`);
  }
  if (trailing.length > 0) parts.push(`${blocks(trailing, 0)}\n`);
  return parts.join("\n");
}

/** An expression as it stands in a script; `indent` is that of its first line, which is not indented here. */
export function formatExpression(node: Expression, indent = 0): string {
  return layout(node, indent).text;
}

/** The text of an expression, and the newlines in it before the place by which line breaks are judged. */
interface Layout {
  readonly text: string;
  /** More than 0 only for a binary whose left side takes several lines: its operator is what counts. */
  readonly breakAt: number;
}

function layout(node: Expression, indent: number): Layout {
  return node.kind === "binary"
    ? binaryLayout(node, indent)
    : { text: otherText(node, indent), breakAt: 0 };
}

function otherText(node: Exclude<Expression, Binary>, indent: number): string {
  switch (node.kind) {
    case "bool":
      return node.value ? "TRUE" : "FALSE";
    case "int":
      return node.octal ? `0${node.value.toString(8)}` : String(node.value);
    case "float":
      return floatText(node.value);
    case "duration":
      return node.text;
    case "string":
      return stringText(node.value, node.triple);
    case "regex":
      return `/${node.value.replaceAll("/", "\\/")}/`;
    case "star":
      return "*";
    case "reference":
      return referenceText(node.name);
    case "identifier":
      return node.name;
    case "unary":
      return node.operator + formatExpression(node.operand, indent);
    case "call":
      return callText(node, indent);
    case "lambda":
      return `lambda: ${formatExpression(node.body, indent)}`;
    case "list":
      return listText(node);
    case "chain":
      return chainText(node, indent);
  }
}

function statementComments(node: Statement): readonly CommentBlock[] {
  switch (node.kind) {
    case "var":
      return [...(node.comments ?? []), ...leadingComments(node.value)];
    case "typedVar":
    case "dbrp":
      return node.comments ?? [];
    default:
      return leadingComments(node);
  }
}

/** A statement without its comments. */
function bodyText(node: Statement, before: Statement | undefined): string {
  switch (node.kind) {
    case "var":
      return `var ${node.name} = ${formatExpression(node.value)}`;
    case "typedVar":
      return `var ${node.name} ${node.type}`;
    case "dbrp":
      return `dbrp ${referenceText(node.db)}.${referenceText(node.rp)}`;
    default:
      return expressionStatement(node, before);
  }
}

/**
 * A statement that is only a value keeps parentheses that it needs: without a terminator, `-x` or `*` after a
 * value would be read as an operator, and a slash as a division or comment.
 */
function expressionStatement(node: Expression, before: Statement | undefined): string {
  let first = node;
  while (first.kind === "binary" && !first.parens) first = first.left;
  const likeOperator = first.kind === "star" || (first.kind === "unary" && first.operator === "-");
  const guarded = first.kind === "regex" || (likeOperator && takesOperators(before));
  if (!guarded) return formatExpression(node);
  return node.kind === "binary"
    ? formatExpression({ ...node, parens: true })
    : `(${formatExpression(node)})`;
}

/** True when an operator after the statement would belong to it. */
function takesOperators(before: Statement | undefined): boolean {
  const value = before?.kind === "var" ? before.value : before;
  switch (value?.kind) {
    case undefined:
    case "typedVar":
    case "dbrp":
    case "chain":
    case "list":
      return false;
    default:
      return true;
  }
}

/** Puts a last identifier into parentheses when the next statement's would make it a call. */
function withGuardedEnd(node: Statement, text: string, next: string): string {
  if (!next.startsWith("(") || node.kind === "typedVar" || node.kind === "dbrp") return text;
  let last: Expression = node.kind === "var" ? node.value : node;
  for (;;) {
    if (last.kind === "binary" && !last.parens) last = last.right;
    else if (last.kind === "unary") last = last.operand;
    else if (last.kind === "lambda") last = last.body;
    else break;
  }
  if (last.kind !== "identifier" || !text.endsWith(last.name)) return text;
  return `${text.slice(0, -last.name.length)}(${last.name})`;
}

function layoutBeforeOperator(node: Expression, indent: number): Layout {
  if (operatorCanFollow(node)) return layout(node, indent);
  if (node.kind === "binary") return layout({ ...node, parens: true }, indent);
  return { text: `(${layout(node, indent).text})`, breakAt: 0 };
}

/** Behind `*` and a pattern only AND and OR are read as operators. */
function operatorCanFollow(node: Expression): boolean {
  switch (node.kind) {
    case "star":
    case "regex":
      return false;
    case "unary":
      return operatorCanFollow(node.operand);
    case "binary":
      return node.parens || operatorCanFollow(node.right);
    default:
      return true;
  }
}

/** Comments that stand before the first token of an expression. */
function leadingComments(root: Expression): readonly CommentBlock[] {
  const found: CommentBlock[] = [];
  let node: Expression | undefined = root;
  while (node !== undefined) {
    if (node.kind !== "chain" && node.comments !== undefined) found.push(...node.comments);
    node = firstChild(node);
  }
  return found;
}

function firstChild(node: Expression): Expression | undefined {
  switch (node.kind) {
    case "unary":
      return node.operand;
    case "binary":
    case "chain":
      return node.left;
    case "lambda":
      return node.body;
    default:
      return undefined;
  }
}

/** Comment blocks with a blank line between them; then the indent of the line that follows. */
function blocks(comments: readonly CommentBlock[] | undefined, indent: number): string {
  if (comments === undefined || comments.length === 0) return "";
  const pad = " ".repeat(indent);
  const texts = comments.map((block) => block.map((line) => `//${blank(line)}`).join(`\n${pad}`));
  return `${texts.join(`\n\n${pad}`)}\n${pad}`;
}

const blank = (line: string): string => (line === "" ? "" : ` ${line}`);

/**
 * Breaks after the operator where the author did, and where the parts as printed would make a reader of the
 * output see a break anyway: that keeps formatting stable.
 */
function binaryLayout(node: Binary, indent: number): Layout {
  const inner = node.parens ? indent + STEP : indent;
  const isWord = node.operator === "AND" || node.operator === "OR";
  const left = isWord ? layout(node.left, inner) : layoutBeforeOperator(node.left, inner);
  const right = layout(node.right, inner);
  const comments = leadingComments(node.right);
  const breakAt = newlines(left.text);
  const apart = breakAt + right.breakAt !== left.breakAt;
  const broken = node.multiLine || apart || comments.length > 0;
  const gap = broken ? `\n${" ".repeat(inner)}` : " ";
  const text = `${left.text} ${node.operator}${gap}${blocks(comments, inner)}${right.text}`;
  return { text: node.parens ? `(${text})` : text, breakAt };
}

function callText(node: Call, indent: number): string {
  const inner = indent + STEP;
  const comments = node.args.map(leadingComments);
  const layouts = node.args.map((arg) => layout(arg, inner));
  const args = layouts.map(({ text }, i) => blocks(comments[i], inner) + text);
  const apart = layouts.slice(0, -1).some(({ text }) => text.includes("\n"));
  const broken = node.multiLine || apart || (layouts.at(-1)?.breakAt ?? 0) > 0;
  if (!broken && comments.every((own) => own.length === 0)) {
    return `${node.name}(${args.join(", ")})`;
  }
  const pad = " ".repeat(inner);
  return `${node.name}(\n${pad}${args.join(`,\n${pad}`)}\n${" ".repeat(indent)})`;
}

function newlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

function listText(node: List): string {
  return `[${node.items.map((item) => formatExpression(item)).join(", ")}]`;
}

function chainText(node: Chain, indent: number): string {
  const links: Chain[] = [];
  let left: Expression = node;
  while (left.kind === "chain") {
    links.push(left);
    left = left.left;
  }
  let text = formatExpression(left, indent);
  for (const link of links.reverse()) {
    const at = indent + (link.operator === "." ? 2 * STEP : STEP);
    const pad = " ".repeat(at);
    const right = formatExpression(link.right, at);
    text += `\n${pad}${blocks(link.comments, at)}${link.operator}${right}`;
  }
  return text;
}

/** Shortest digits, with `.0` when integral. */
function floatText(value: number): string {
  const text = plainFloat(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

function stringText(value: string, triple: boolean): string {
  return triple ? `'''${value}'''` : `'${value.replaceAll("'", "\\'")}'`;
}

function referenceText(name: string): string {
  return `"${name.replaceAll('"', '\\"')}"`;
}
