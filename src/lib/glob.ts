/**
 * Shell globs for IDs, as list requests and commands use them.
 *
 * `*` matches any run of characters but `/`, `?` any one character but `/`, `[a-z]` and `[^a-z]` a set,
 * `\` takes the next character literally. The whole text must match. The pattern is read once into
 * tokens and matched by moving a set of reachable positions, so the time is at most tokens × text
 * length whatever the pattern is; nothing backtracks.
 * Source: the public documentation of Go's path.Match, whose meaning clients rely on.
 */

/** Longest pattern in characters; a longer one counts as malformed. IDs are far shorter. */
export const GLOB_LENGTH_MAX = 1024;

/** The pattern is malformed: the caller's fault, retrying is useless. */
export class GlobError extends Error {
  override name = "GlobError";

  constructor() {
    super("syntax error in pattern");
  }
}

export type Glob = (text: string) => boolean;

type Token =
  | { readonly kind: "star" }
  | { readonly kind: "any" }
  | { readonly kind: "literal"; readonly char: string }
  | { readonly kind: "set"; readonly negated: boolean; readonly ranges: readonly Range[] };

interface Range {
  readonly from: string;
  readonly to: string;
}

/** Reads a pattern; throws `GlobError` when it is malformed. The empty pattern matches everything. */
export function compileGlob(pattern: string): Glob {
  if (pattern === "" || pattern === "*") return pattern === "" ? () => true : noSlash;
  const chars = [...pattern];
  if (chars.length > GLOB_LENGTH_MAX) throw new GlobError();
  const tokens = readTokens(chars);
  if (tokens.every((token) => token.kind === "literal")) {
    const wanted = tokens.map((token) => token.char).join("");
    return (text) => text === wanted;
  }
  return (text) => matches(tokens, [...text]);
}

function noSlash(text: string): boolean {
  return !text.includes("/");
}

function readTokens(chars: readonly string[]): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < chars.length; ) {
    const char = chars[at] as string;
    if (char === "[") {
      at = readSet(chars, at + 1, tokens);
    } else if (char === "\\") {
      tokens.push({ kind: "literal", char: escaped(chars, at) });
      at += 2;
    } else {
      if (char === "*") tokens.push({ kind: "star" });
      else if (char === "?") tokens.push({ kind: "any" });
      else tokens.push({ kind: "literal", char });
      at++;
    }
  }
  return tokens;
}

/** Reads `^a-z…]` from `at`, appends the set and returns the position behind it. */
function readSet(chars: readonly string[], at: number, tokens: Token[]): number {
  const negated = chars[at] === "^";
  const ranges: Range[] = [];
  let i = negated ? at + 1 : at;
  while (chars[i] !== "]" || ranges.length === 0) {
    const from = setChar(chars, i);
    i = from.next;
    let to = from;
    if (chars[i] === "-") {
      to = setChar(chars, i + 1);
      i = to.next;
    }
    ranges.push({ from: from.char, to: to.char });
  }
  tokens.push({ kind: "set", negated, ranges });
  return i + 1;
}

function setChar(chars: readonly string[], at: number): { char: string; next: number } {
  const char = chars[at];
  if (char === undefined || char === "-" || char === "]") throw new GlobError();
  return char === "\\" ? { char: escaped(chars, at), next: at + 2 } : { char, next: at + 1 };
}

function escaped(chars: readonly string[], at: number): string {
  const char = chars[at + 1];
  if (char === undefined) throw new GlobError();
  return char;
}

function matches(tokens: readonly Token[], text: readonly string[]): boolean {
  // reachable[i]: the tokens so far can match exactly the first i characters.
  let reachable = new Array<boolean>(text.length + 1).fill(false);
  reachable[0] = true;
  for (const token of tokens) {
    const next = new Array<boolean>(text.length + 1).fill(false);
    let some = false;
    for (let i = 0; i <= text.length; i++) {
      const before = i === 0 ? undefined : (text[i - 1] as string);
      next[i] =
        token.kind === "star"
          ? reachable[i] === true ||
            (before !== undefined && before !== "/" && next[i - 1] === true)
          : before !== undefined && reachable[i - 1] === true && takes(token, before);
      some ||= next[i] === true;
    }
    if (!some) return false;
    reachable = next;
  }
  return reachable[text.length] === true;
}

function takes(token: Exclude<Token, { kind: "star" }>, char: string): boolean {
  if (token.kind === "literal") return token.char === char;
  if (token.kind === "any") return char !== "/";
  const code = char.codePointAt(0) ?? 0;
  const inside = token.ranges.some(
    (range) => code >= (range.from.codePointAt(0) ?? 0) && code <= (range.to.codePointAt(0) ?? 0),
  );
  return inside !== token.negated;
}
