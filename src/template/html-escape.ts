/**
 * Gives every action of a template the escapers of the place it stands in.
 *
 * The trees are walked once at parse time with the HTML context as state. Branches must end in the same context;
 * a called template is escaped once per context it is called from, under a derived name. Mistakes are
 * `TemplateError`s in Go's form (`html/template:name:1:5: …`).
 */

import { type ActionNode, type BranchNode, describePipe, type TemplateNode } from "./ast.ts";
import {
  attributeKind,
  beforeAction,
  ContextError,
  HTML_TEXT,
  type HtmlContext,
  readText,
} from "./html-context.ts";
import {
  comment,
  cssString,
  cssValue,
  type Escaper,
  htmlAttribute,
  htmlName,
  htmlText,
  htmlUnquoted,
  jsRegexp,
  jsString,
  jsValue,
  srcset,
  urlEscape,
  urlFilter,
  urlNormalize,
} from "./html-escapers.ts";
import { TEMPLATE_CALL_DEPTH_MAX } from "./limits.ts";
import type { Trees } from "./parse.ts";
import { quoteGo } from "./quote.ts";
import { positionOf, TemplateError } from "./template-error.ts";

/** The same templates with escapers; the main one keeps its name. Throws `TemplateError`. */
export function escapeTrees(name: string, source: string, trees: Trees): Trees {
  return new HtmlEscaping(name, source, trees).all();
}

interface Escaped {
  readonly nodes: TemplateNode[];
  readonly context: HtmlContext;
}

/** Contexts that `break` and `continue` leave a loop body with. */
type Exits = { readonly context: HtmlContext; readonly at: number }[];

class HtmlEscaping {
  readonly #name: string;
  readonly #source: string;
  readonly #trees: Trees;
  readonly #done = new Map<string, readonly TemplateNode[]>();
  /** Context at the end of each derived template; the start context while it is still being read (recursion). */
  readonly #ends = new Map<string, HtmlContext>();

  constructor(name: string, source: string, trees: Trees) {
    this.#name = name;
    this.#source = source;
    this.#trees = trees;
  }

  all(): Trees {
    const main = this.#list(this.#trees.get(this.#name) ?? [], HTML_TEXT, []);
    if (main.context.state !== "text") {
      throw this.#error(this.#source.length, `ends in a non-text context: ${show(main.context)}`);
    }
    this.#done.set(this.#name, main.nodes);
    return this.#done;
  }

  #list(nodes: readonly TemplateNode[], start: HtmlContext, exits: Exits): Escaped {
    let context = start;
    const out: TemplateNode[] = [];
    for (const node of nodes) {
      const step = this.#node(node, context, exits);
      out.push(...step.nodes);
      context = step.context;
      if (node.kind === "break" || node.kind === "continue") break;
    }
    return { nodes: out, context };
  }

  #node(node: TemplateNode, context: HtmlContext, exits: Exits): Escaped {
    switch (node.kind) {
      case "text": {
        const read = this.#guard(node.at, () => readText(context, node.text));
        return { nodes: [{ ...node, text: read.text }], context: read.context };
      }
      case "action":
        return this.#action(node, context);
      case "if":
      case "with":
      case "range":
        return this.#branch(node, context, exits);
      case "template":
        return this.#call(node, context);
      case "break":
      case "continue":
        exits.push({ context, at: node.at });
        return { nodes: [node], context };
    }
  }

  #action(node: ActionNode, given: HtmlContext): Escaped {
    if (node.pipe.variables.length > 0) return { nodes: [node], context: given };
    const context = beforeAction(given);
    const escapers = this.#guard(node.at, () => escapersFor(context, describePipe(node.pipe)));
    return {
      nodes: [this.#withoutOwnEscaping({ ...node, escapers }, context)],
      context: context.state === "js" ? { ...context, slash: "divide" } : context,
    };
  }

  /** `html` and `urlquery` at the end of a pipeline do what the context does anyway; elsewhere they would spoil it. */
  #withoutOwnEscaping(node: ActionNode, context: HtmlContext): ActionNode {
    const { commands } = node.pipe;
    const last = commands.length - 1;
    const replaced = commands.map((command, i) => {
      const [first, ...rest] = command.operands;
      if (first?.kind !== "function" || !(first.name === "html" || first.name === "urlquery")) {
        return command;
      }
      const unquoted = context.delimiter === "space" && first.name === "html";
      if (i < last || unquoted) {
        throw this.#error(
          node.at,
          `predefined escaper ${quoteGo(first.name)} disallowed in template`,
        );
      }
      const equal =
        first.name === "html"
          ? node.escapers.includes(htmlText)
          : node.escapers.includes(urlEscape) || node.escapers.includes(urlNormalize);
      return equal ? { ...command, operands: [{ ...first, name: "print" }, ...rest] } : command;
    });
    return { ...node, pipe: { ...node.pipe, commands: replaced } };
  }

  #branch(node: BranchNode, start: HtmlContext, exits: Exits): Escaped {
    const inner: Exits = node.kind === "range" ? [] : exits;
    const body = this.#list(node.body, start, inner);
    const otherwise = this.#list(node.otherwise, start, exits);
    let end = this.#join(node, body.context, otherwise.context);
    if (node.kind === "range") {
      for (const exit of inner) end = this.#join(node, end, exit.context);
      // The body may run again after itself, so it must also be right from where it ends.
      if (!same(start, body.context)) {
        end = this.#join(node, end, this.#list(node.body, body.context, []).context);
      }
    }
    return { nodes: [{ ...node, body: body.nodes, otherwise: otherwise.nodes }], context: end };
  }

  #join(node: BranchNode, a: HtmlContext, b: HtmlContext): HtmlContext {
    if (same(a, b)) return a;
    const urlPart = a.urlPart === b.urlPart ? a.urlPart : "unknown";
    const slash = a.slash === b.slash ? a.slash : "unknown";
    if (same({ ...a, urlPart, slash }, { ...b, urlPart, slash })) return { ...a, urlPart, slash };
    const [x, y] = [beforeAction(a), beforeAction(b)];
    if (same(x, y)) return x;
    throw this.#error(
      node.at,
      `{{${node.kind}}} branches end in different contexts: ${show(a)}, ${show(b)}`,
    );
  }

  #call(node: TemplateNode & { readonly kind: "template" }, context: HtmlContext): Escaped {
    const body = this.#trees.get(node.name);
    if (body === undefined) throw this.#error(node.at, `no such template ${quoteGo(node.name)}`);
    const name = `${node.name}$${JSON.stringify(context)}`;
    const known = this.#ends.get(name);
    if (known !== undefined) return { nodes: [{ ...node, name }], context: known };
    if (this.#ends.size >= TEMPLATE_CALL_DEPTH_MAX) {
      throw this.#error(node.at, "templates are called from too many contexts");
    }
    this.#ends.set(name, context);
    const escaped = this.#list(body, context, []);
    this.#done.set(name, escaped.nodes);
    this.#ends.set(name, escaped.context);
    return { nodes: [{ ...node, name }], context: escaped.context };
  }

  #guard<T>(at: number, run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw error instanceof ContextError ? this.#error(at, error.message) : error;
    }
  }

  #error(at: number, text: string): TemplateError {
    const { line, column } = positionOf(this.#source, at);
    return new TemplateError(
      `html/template:${this.#name}:${line}:${column}: ${text}`,
      line,
      column,
    );
  }
}

function same(a: HtmlContext, b: HtmlContext): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function show(context: HtmlContext): string {
  const parts = [context.state, context.delimiter, context.element].filter((part) => part !== "");
  return `{${parts.join(" ")}}`;
}

const nameFilter = htmlName((name) => attributeKind(name) === "plain");

/** The escapers of one place, in the order they are applied. Throws `ContextError`. */
function escapersFor(context: HtmlContext, shown: string): Escaper[] {
  const inner = innerEscapers(context, shown);
  if (context.delimiter === "") return inner;
  return [...inner, context.delimiter === "space" ? htmlUnquoted : htmlAttribute];
}

function innerEscapers(context: HtmlContext, shown: string): Escaper[] {
  switch (context.state) {
    case "text":
    case "rcdata":
      return [htmlText];
    case "tag":
    case "attributeName":
    case "afterName":
    case "beforeValue":
      return [nameFilter];
    case "attribute":
      return [];
    case "srcset":
      return [srcset];
    case "js":
      return [jsValue];
    case "jsDouble":
    case "jsSingle":
      return [jsString];
    case "jsTemplate":
      throw new ContextError(`${shown} appears in a JS template literal`);
    case "jsRegexp":
      return [jsRegexp];
    case "css":
      return [cssValue];
    case "comment":
    case "jsBlockComment":
    case "jsLineComment":
    case "cssBlockComment":
    case "cssLineComment":
      return [comment];
    default:
      return urlEscapers(context, shown);
  }
}

/** Addresses, and CSS strings, which may become addresses. */
function urlEscapers(context: HtmlContext, shown: string): Escaper[] {
  const inString = context.state === "cssDouble" || context.state === "cssSingle";
  const plain = inString ? cssString : urlNormalize;
  switch (context.urlPart) {
    case "start":
      return [urlFilter, plain];
    case "path":
      return [plain];
    case "query":
      return [urlEscape];
    case "unknown":
      throw new ContextError(`{{${shown}}} appears in an ambiguous context within a URL`);
  }
}
