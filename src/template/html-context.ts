/**
 * Where in an HTML document a piece of template text ends: the state machine behind contextual escaping.
 *
 * The text of a template is read like a browser would read it, as far as it matters for safety: elements,
 * attributes, comments, and inside them addresses, JavaScript and CSS. The machine is deliberately coarse; what
 * it cannot be sure about is an error at parse time, never an unescaped value.
 */

export type HtmlState =
  | "text"
  | "tag"
  | "attributeName"
  | "afterName"
  | "beforeValue"
  | "comment"
  | "rcdata"
  | "attribute"
  | "url"
  | "srcset"
  | JsState
  | CssState;

type JsState =
  | "js"
  | "jsDouble"
  | "jsSingle"
  | "jsTemplate"
  | "jsRegexp"
  | "jsBlockComment"
  | "jsLineComment";

type CssState =
  | "css"
  | "cssDouble"
  | "cssSingle"
  | "cssDoubleUrl"
  | "cssSingleUrl"
  | "cssUrl"
  | "cssBlockComment"
  | "cssLineComment";

export interface HtmlContext {
  readonly state: HtmlState;
  /** What ends the attribute value we are in; "" outside of one. */
  readonly delimiter: "" | '"' | "'" | "space";
  /** How far into an address we are. */
  readonly urlPart: "start" | "path" | "query" | "unknown";
  /** What a `/` in JavaScript would be. */
  readonly slash: "regexp" | "divide" | "unknown";
  /** What the value of the current attribute is. */
  readonly attribute: AttributeKind;
  /** The element whose content needs care: being opened, or that we are in. */
  readonly element: "" | "script" | "style" | "textarea" | "title";
}

/** `type` and `meaning` are plain text, but say what the element is, so their names are never taken from data. */
export type AttributeKind = "plain" | "type" | "meaning" | "script" | "style" | "url" | "srcset";

export const HTML_TEXT: HtmlContext = {
  state: "text",
  delimiter: "",
  urlPart: "start",
  slash: "regexp",
  attribute: "plain",
  element: "",
};

/** Text that cannot be read safely; the escaping pass adds the position. */
export class ContextError extends Error {
  override name = "ContextError";
}

const URL_ATTRIBUTES = new Set([
  ...["action", "archive", "background", "cite", "classid", "codebase", "data", "formaction"],
  ...["href", "icon", "longdesc", "manifest", "poster", "profile", "src", "usemap", "xmlns"],
]);

const MEANING_ATTRIBUTES = new Set(["rel", "http-equiv", "content", "charset", "language"]);

/** What the value of an attribute is, by its name. */
export function attributeKind(given: string): AttributeKind {
  let name = given.toLowerCase();
  if (name.startsWith("data-")) name = name.slice(5);
  else if (name.includes(":")) {
    if (name.startsWith("xmlns:")) return "url";
    name = name.slice(name.indexOf(":") + 1);
  }
  if (name === "style") return "style";
  if (name === "type") return "type";
  if (MEANING_ATTRIBUTES.has(name)) return "meaning";
  if (name === "srcset") return "srcset";
  if (URL_ATTRIBUTES.has(name)) return "url";
  if (name.startsWith("on")) return "script";
  return /src|uri|url/.test(name) ? "url" : "plain";
}

const VALUE_STATES: Readonly<Record<AttributeKind, HtmlState>> = {
  plain: "attribute",
  type: "attribute",
  meaning: "attribute",
  script: "js",
  style: "css",
  url: "url",
  srcset: "srcset",
};

/** The context an action stands in when text ended here: a value or a name may begin with it. */
export function beforeAction(context: HtmlContext): HtmlContext {
  switch (context.state) {
    case "tag":
      return { ...context, state: "attributeName" };
    case "beforeValue":
      return valueContext(context, "space");
    case "afterName":
      return { ...context, state: "attributeName", attribute: "plain" };
    default:
      return context;
  }
}

function valueContext(context: HtmlContext, delimiter: HtmlContext["delimiter"]): HtmlContext {
  const state = VALUE_STATES[context.attribute];
  const attribute = context.attribute === "type" ? "type" : "plain";
  return { ...context, state, delimiter, attribute, urlPart: "start", slash: "regexp" };
}

export interface ReadText {
  readonly context: HtmlContext;
  /** The text to write: comments dropped, stray `<` escaped. */
  readonly text: string;
}

/** Reads a whole piece of template text. Throws `ContextError`. */
export function readText(start: HtmlContext, source: string): ReadText {
  let context = start;
  let at = 0;
  let text = "";
  while (at < source.length) {
    const step =
      context.delimiter === "" ? readContent(context, source, at) : readValue(context, source, at);
    text += written(context, step.context, source.slice(at, step.at));
    context = step.context;
    at = step.at;
  }
  return { context, text };
}

interface Step {
  readonly context: HtmlContext;
  readonly at: number;
}

const isComment = (state: HtmlState): boolean => state === "comment" || state.endsWith("Comment");

/** The part of a step's text that is kept. */
function written(from: HtmlContext, to: HtmlContext, piece: string): string {
  if (from.delimiter !== "" || to.delimiter !== "") return piece;
  if (isComment(from.state)) {
    if (from.state === "comment") return "";
    if (from.state.endsWith("LineComment")) return /[\n\r\u2028\u2029]$/.exec(piece)?.[0] ?? "";
    return isComment(to.state) ? "" : /[\n\r\u2028\u2029]/.test(piece) ? "\n" : " ";
  }
  let kept = piece;
  if (isComment(to.state)) kept = piece.slice(0, to.state === "comment" ? -4 : -2);
  if (from.state !== "text" && from.state !== "rcdata") return kept;
  const tag = to.state === from.state || isComment(to.state) ? kept.length : kept.lastIndexOf("<");
  const plain = kept.slice(0, tag < 0 ? kept.length : tag);
  return plain.replace(/<(?!!doctype)/gi, "&lt;") + kept.slice(plain.length);
}

/** Outside attribute values. */
function readContent(context: HtmlContext, source: string, at: number): Step {
  const end = endTag(context, source, at);
  if (end === at) return { context: { ...HTML_TEXT, state: "text" }, at: skipEndTag(source, at) };
  const limit = end ?? source.length;
  switch (context.state) {
    case "text":
      return readHtml(context, source, at);
    case "tag":
      return readTag(context, source, at);
    case "attributeName":
      return readName(context, source, at, context.attribute);
    case "afterName":
      return readAfterName(context, source, at);
    case "beforeValue":
      return readBeforeValue(context, source, at);
    case "comment": {
      const close = source.indexOf("-->", at);
      return close < 0 ? { context, at: source.length } : { context: HTML_TEXT, at: close + 3 };
    }
    case "rcdata":
      return { context, at: limit };
    default:
      return readCode(context, source.slice(0, limit), at);
  }
}

/** Where the element we are in is closed; `undefined` when nowhere in this text. */
function endTag(context: HtmlContext, source: string, at: number): number | undefined {
  const inContent = context.state === "rcdata" || /^(js|css)/.test(context.state);
  if (context.element === "" || !inContent) return undefined;
  const pattern = new RegExp(`</${context.element}(?=[ \\t\\n\\f\\r/>])`, "gi");
  pattern.lastIndex = at;
  return pattern.exec(source)?.index;
}

/** A closing tag has nothing worth reading; its own end is found as a tag. */
function skipEndTag(source: string, at: number): number {
  const close = source.indexOf(">", at);
  return close < 0 ? source.length : close + 1;
}

function readHtml(context: HtmlContext, source: string, at: number): Step {
  const pattern = /<!--|<(\/?)([a-zA-Z][a-zA-Z0-9:-]*)/g;
  pattern.lastIndex = at;
  const match = pattern.exec(source);
  if (match === null) return { context, at: source.length };
  const after = match.index + match[0].length;
  if (match[0] === "<!--") return { context: { ...context, state: "comment" }, at: after };
  const name = (match[2] ?? "").toLowerCase();
  const element = match[1] === "" && isSpecial(name) ? name : "";
  return { context: { ...HTML_TEXT, state: "tag", element }, at: after };
}

function isSpecial(name: string): name is "script" | "style" | "textarea" | "title" {
  return name === "script" || name === "style" || name === "textarea" || name === "title";
}

const skipSpace = (source: string, at: number): number => {
  let i = at;
  while (/[ \t\n\f\r]/.test(source.charAt(i))) i++;
  return i;
};

const CONTENT: Readonly<Record<HtmlContext["element"], HtmlState>> = {
  "": "text",
  script: "js",
  style: "css",
  textarea: "rcdata",
  title: "rcdata",
};

function readTag(context: HtmlContext, source: string, at: number): Step {
  const i = skipSpace(source, at);
  const char = source.charAt(i);
  if (char === "") return { context, at: i };
  if (char === ">") {
    return {
      context: { ...HTML_TEXT, element: context.element, state: CONTENT[context.element] },
      at: i + 1,
    };
  }
  if (char === "/") return { context, at: i + 1 };
  return readName(context, source, i, undefined);
}

/** An attribute name; `known` is its kind when an action began it. */
function readName(
  context: HtmlContext,
  source: string,
  at: number,
  known: AttributeKind | undefined,
): Step {
  let i = at;
  while (i < source.length && !/[ \t\n\f\r=>/]/.test(source.charAt(i))) {
    if (/['"<]/.test(source.charAt(i))) {
      throw new ContextError(
        `${JSON.stringify(source.charAt(i))} in attribute name: ${JSON.stringify(source.slice(at, at + 32))}`,
      );
    }
    i++;
  }
  if (i === at && known === undefined && source.charAt(i) === "=") {
    throw new ContextError(
      `expected space, attr name, or end of tag, but got ${JSON.stringify(source.slice(at, at + 32))}`,
    );
  }
  const attribute = known ?? attributeKind(source.slice(at, i));
  const state = i === source.length ? "attributeName" : "afterName";
  return { context: { ...context, state, attribute }, at: i };
}

function readAfterName(context: HtmlContext, source: string, at: number): Step {
  const i = skipSpace(source, at);
  if (i === source.length) return { context, at: i };
  if (source.charAt(i) !== "=")
    return { context: { ...context, state: "tag", attribute: "plain" }, at: i };
  return { context: { ...context, state: "beforeValue" }, at: i + 1 };
}

function readBeforeValue(context: HtmlContext, source: string, at: number): Step {
  const i = skipSpace(source, at);
  const char = source.charAt(i);
  if (char === "") return { context, at: i };
  if (char === '"' || char === "'") return { context: valueContext(context, char), at: i + 1 };
  if (char === ">") return { context: { ...context, state: "tag", attribute: "plain" }, at: i };
  return { context: valueContext(context, "space"), at: i };
}

/** Inside an attribute value: its text is code after entities are resolved. */
function readValue(context: HtmlContext, source: string, at: number): Step {
  const end = valueEnd(context, source, at);
  let inner = context;
  const value = decodeEntities(source.slice(at, end ?? source.length));
  for (let i = 0; i < value.length; ) {
    const step = readCode(inner, value, i);
    inner = step.context;
    i = step.at;
  }
  if (end === undefined) return { context: inner, at: source.length };
  const after = context.delimiter === "space" ? end : end + 1;
  const element = holdsOther(context, value) ? "" : context.element;
  return { context: { ...HTML_TEXT, state: "tag", element }, at: after };
}

const SCRIPT_TYPE =
  /^(module|(application|text)\/((x-)?(java|ecma)script[0-9.]*|jscript|livescript|(ld\+)?json))?$/;

/** Is this the type of a script that is none, such as a template for the browser? It is read like a document. */
function holdsOther({ element, attribute }: HtmlContext, value: string): boolean {
  if (element !== "script" || attribute !== "type") return false;
  const [type = ""] = value.split(";");
  return !SCRIPT_TYPE.test(type.trim().toLowerCase());
}

function valueEnd(context: HtmlContext, source: string, at: number): number | undefined {
  if (context.delimiter !== "space") {
    const end = source.indexOf(context.delimiter, at);
    return end < 0 ? undefined : end;
  }
  for (let i = at; i < source.length; i++) {
    const char = source.charAt(i);
    if (/[ \t\n\f\r>]/.test(char)) return i;
    if (/["'<=`]/.test(char)) {
      throw new ContextError(
        `${JSON.stringify(char)} in unquoted attr: ${JSON.stringify(source.slice(at, at + 32))}`,
      );
    }
  }
  return undefined;
}

const ENTITIES: Readonly<Record<string, string>> = {
  ...{ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" },
  ...{ colon: ":", sol: "/", lpar: "(", rpar: ")", num: "#", quest: "?", Tab: "\t", NewLine: "\n" },
};

function decodeEntities(value: string): string {
  if (!value.includes("&")) return value;
  return value.replace(
    /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]+));?/g,
    (all, dec, hex, name) => {
      if (name !== undefined) return ENTITIES[name] ?? all;
      const code = dec === undefined ? Number.parseInt(hex, 16) : Number(dec);
      return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)
        ? String.fromCodePoint(code)
        : "\ufffd";
    },
  );
}

/** Addresses, JavaScript and CSS, in an element or in an attribute value. Consumes at least one character. */
function readCode(context: HtmlContext, source: string, at: number): Step {
  switch (context.state) {
    case "attribute":
    case "srcset":
      return { context, at: source.length };
    case "url":
      return readUrl(context, source, at);
    case "js":
      return readJs(context, source, at);
    case "jsDouble":
    case "jsSingle":
    case "jsTemplate":
      return readJsString(context, source, at);
    case "jsRegexp":
      return readJsRegexp(context, source, at);
    case "jsBlockComment":
    case "cssBlockComment":
      return readBlockComment(context, source, at);
    case "jsLineComment":
      return readLineComment(context, source, { at, end: /[\n\r\u2028\u2029]/, code: "js" });
    case "cssLineComment":
      return readLineComment(context, source, { at, end: /[\n\f\r]/, code: "css" });
    case "css":
      return readCss(context, source, at);
    default:
      return readCssString(context, source, at);
  }
}

function readLineComment(
  context: HtmlContext,
  source: string,
  how: { readonly at: number; readonly end: RegExp; readonly code: "js" | "css" },
): Step {
  const end = source.slice(how.at).search(how.end);
  if (end < 0) return { context, at: source.length };
  return { context: { ...context, state: how.code }, at: how.at + end + 1 };
}

function readUrl(context: HtmlContext, source: string, at: number): Step {
  const piece = source.slice(at);
  const urlPart = /[#?]/.test(piece)
    ? "query"
    : piece.trim() !== "" && context.urlPart === "start"
      ? "path"
      : context.urlPart;
  return { context: { ...context, urlPart }, at: source.length };
}

function readJs(context: HtmlContext, source: string, at: number): Step {
  const pattern = /["'`/]|<!--|-->/g;
  pattern.lastIndex = at;
  const match = pattern.exec(source);
  const before = source.slice(at, match?.index ?? source.length);
  const slash = slashAfter(before, context.slash);
  if (match === null) return { context: { ...context, slash }, at: source.length };
  const to = (state: HtmlState, length: number): Step => ({
    context: { ...context, state, slash: "regexp" },
    at: match.index + length,
  });
  switch (match[0]) {
    case '"':
      return to("jsDouble", 1);
    case "'":
      return to("jsSingle", 1);
    case "`":
      return to("jsTemplate", 1);
    case "<!--":
    case "-->":
      return to("jsLineComment", match[0].length);
  }
  const next = source.charAt(match.index + 1);
  if (next === "/") return to("jsLineComment", 2);
  if (next === "*") return to("jsBlockComment", 2);
  if (slash === "unknown") {
    throw new ContextError(
      `'/' could start a division or regexp: ${JSON.stringify(source.slice(match.index, match.index + 32))}`,
    );
  }
  return slash === "regexp" ? to("jsRegexp", 1) : to("js", 1);
}

const BEFORE_REGEXP =
  /(?:^|[^\p{L}\p{Nd}_$])(?:break|case|continue|delete|do|else|finally|in|instanceof|return|throw|try|typeof|void)$/u;

/** What a `/` after this JavaScript would be; `before` when the text is blank. */
function slashAfter(code: string, before: HtmlContext["slash"]): HtmlContext["slash"] {
  const text = code.trimEnd();
  if (text === "") return before;
  if (/\+\+$|--$/.test(text)) {
    const signs = /([+-])\1*$/.exec(text)?.[0].length ?? 0;
    return signs % 2 === 0 ? "divide" : "regexp";
  }
  if (/\.$/.test(text)) return /\d\.$/.test(text) ? "divide" : "regexp";
  if (/[)\]]$/.test(text)) return "divide";
  if (/[^\p{L}\p{Nd}_$]$/u.test(text)) return "regexp";
  return BEFORE_REGEXP.test(text) ? "regexp" : "divide";
}

function readJsString(context: HtmlContext, source: string, at: number): Step {
  const quote = context.state === "jsDouble" ? '"' : context.state === "jsSingle" ? "'" : "`";
  for (let i = at; i < source.length; i++) {
    const char = source.charAt(i);
    if (char === "\\") i++;
    else if (char === quote)
      return { context: { ...context, state: "js", slash: "divide" }, at: i + 1 };
  }
  return { context, at: source.length };
}

function readJsRegexp(context: HtmlContext, source: string, at: number): Step {
  let inSet = false;
  for (let i = at; i < source.length; i++) {
    const char = source.charAt(i);
    if (char === "\\") i++;
    else if (char === "[") inSet = true;
    else if (char === "]") inSet = false;
    else if (char === "/" && !inSet)
      return { context: { ...context, state: "js", slash: "divide" }, at: i + 1 };
  }
  if (inSet)
    throw new ContextError(
      `unfinished JS regexp charset: ${JSON.stringify(source.slice(at, at + 32))}`,
    );
  return { context, at: source.length };
}

function readBlockComment(context: HtmlContext, source: string, at: number): Step {
  const end = source.indexOf("*/", at);
  if (end < 0) return { context, at: source.length };
  return {
    context: { ...context, state: context.state === "jsBlockComment" ? "js" : "css" },
    at: end + 2,
  };
}

function readCss(context: HtmlContext, source: string, at: number): Step {
  const pattern = /["']|\/\*|\/\/|\burl\(\s*(["']?)/gi;
  pattern.lastIndex = at;
  const match = pattern.exec(source);
  if (match === null) return { context, at: source.length };
  const after = match.index + match[0].length;
  const to = (state: HtmlState): Step => ({
    context: { ...context, state, urlPart: "start" },
    at: after,
  });
  if (match[0] === '"') return to("cssDouble");
  if (match[0] === "'") return to("cssSingle");
  if (match[0] === "/*") return to("cssBlockComment");
  // No comment by the standard, but by some preprocessors: treated as one, because it may hold a lone quote.
  if (match[0] === "//") return to("cssLineComment");
  return to(match[1] === '"' ? "cssDoubleUrl" : match[1] === "'" ? "cssSingleUrl" : "cssUrl");
}

const CSS_ENDS: Readonly<Partial<Record<HtmlState, RegExp>>> = {
  cssDouble: /"/,
  cssSingle: /'/,
  cssDoubleUrl: /"/,
  cssSingleUrl: /'/,
  cssUrl: /[\s)]/,
};

function readCssString(context: HtmlContext, source: string, at: number): Step {
  const end = CSS_ENDS[context.state] ?? /"/;
  for (let i = at; i < source.length; i++) {
    const char = source.charAt(i);
    if (char === "\\") i++;
    else if (end.test(char)) return { context: { ...context, state: "css" }, at: i + 1 };
  }
  return { context: readUrl(context, source, at).context, at: source.length };
}
