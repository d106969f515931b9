/**
 * Translates the harmless part of RE2's syntax to the built-in engine, which is several times faster.
 *
 * Harmless means two things. The meaning is the same: literals, `.`, classes, anchors at the ends,
 * alternation, groups without a quantifier, quantifiers on single characters; classes are written out because
 * the two languages disagree on `\s` and `.`. And the time is linear: at most one unbounded quantifier, which
 * either follows an anchored beginning or ends the pattern, and few ways through the bounded rest, so a
 * search costs at most `PATHS_MAX` steps per character and pattern element.
 * Anything that is not plainly harmless gives `undefined`; correctness never depends on this file.
 */

/** Ways through a pattern that the built-in engine may have to try from one place. */
const PATHS_MAX = 64;
const REPEAT_MAX = 100;
const DEPTH_MAX = 20;
const PATTERN_MAX = 1_000;

/** A part of the pattern: its translation and what a search with it may cost. */
interface Part {
  readonly source: string;
  readonly paths: number;
  /** Unbounded quantifiers on the worst way through. */
  readonly unbounded: number;
}

/** The translated pattern, or `undefined` when it must run on RE2. */
export function simpleRegex(pattern: string): RegExp | undefined {
  if (pattern.length > PATTERN_MAX) return undefined;
  const foldCase = pattern.startsWith("(?i)");
  const parser = new SubsetParser(foldCase ? pattern.slice(4) : pattern, foldCase);
  const source = parser.parse();
  return source === undefined ? undefined : new RegExp(source, foldCase ? "iu" : "u");
}

const CLASSES: Readonly<Record<string, string>> = {
  d: "0-9",
  w: "0-9A-Za-z_",
  s: "\\t\\n\\f\\r ",
};
const CONTROLS: Readonly<Record<string, string>> = {
  ...{ t: "\t", n: "\n", r: "\r", f: "\f", v: "\v", a: "\u0007" },
};

class NotSimple extends Error {}

class SubsetParser {
  readonly #chars: readonly string[];
  readonly #foldCase: boolean;
  #at = 0;

  constructor(pattern: string, foldCase: boolean) {
    this.#chars = [...pattern];
    this.#foldCase = foldCase;
  }

  parse(): string | undefined {
    try {
      const branches = [this.#branch()];
      while (this.#eat("|")) branches.push(this.#branch());
      if (this.#at < this.#chars.length) return undefined;
      const paths = branches.reduce((sum, branch) => sum + branch.paths, 0);
      return paths > PATHS_MAX ? undefined : branches.map((branch) => branch.source).join("|");
    } catch (error) {
      if (error instanceof NotSimple) return undefined;
      throw error;
    }
  }

  #peek(): string {
    return this.#chars[this.#at] ?? "";
  }

  #eat(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at++;
    return true;
  }

  /** One top-level alternative with its anchors. */
  #branch(): Part {
    const anchored = this.#eat("^");
    const parts = this.#sequence(0);
    const ended = this.#eat("$");
    const body = joined(parts);
    const last = parts.at(-1);
    const endsOpen = last !== undefined && !ended && last.unbounded === body.unbounded;
    const isAtom = last !== undefined && !last.source.endsWith(")");
    if (body.unbounded > 1) throw new NotSimple();
    if (body.unbounded === 1 && !anchored && !(endsOpen && isAtom)) throw new NotSimple();
    return { ...body, source: `${anchored ? "^" : ""}${body.source}${ended ? "$" : ""}` };
  }

  #sequence(depth: number): readonly Part[] {
    const parts: Part[] = [];
    while (
      this.#peek() !== "" &&
      this.#peek() !== "|" &&
      this.#peek() !== ")" &&
      this.#peek() !== "$"
    ) {
      parts.push(this.#element(depth));
    }
    return parts;
  }

  #element(depth: number): Part {
    if (this.#peek() === "(") return this.#group(depth);
    if (this.#peek() === "\\" && /[bB]/.test(this.#chars[this.#at + 1] ?? "")) {
      if (this.#foldCase) throw new NotSimple();
      this.#at += 2;
      return { source: `\\${this.#chars[this.#at - 1]}`, paths: 1, unbounded: 0 };
    }
    return this.#quantified(this.#atom());
  }

  #group(depth: number): Part {
    if (depth >= DEPTH_MAX) throw new NotSimple();
    this.#at++;
    if (this.#eat("?") && !this.#eat(":")) throw new NotSimple();
    const branches = [joined(this.#sequence(depth + 1))];
    while (this.#eat("|")) branches.push(joined(this.#sequence(depth + 1)));
    if (!this.#eat(")") || "*+?{".includes(this.#peek() || " ")) throw new NotSimple();
    return {
      source: `(?:${branches.map((branch) => branch.source).join("|")})`,
      paths: branches.reduce((sum, branch) => sum + branch.paths, 0),
      unbounded: Math.max(...branches.map((branch) => branch.unbounded)),
    };
  }

  /** Something that matches exactly one character. */
  #atom(): string {
    const char = this.#peek();
    this.#at++;
    switch (char) {
      case ".":
        if (this.#foldCase) throw new NotSimple();
        return "[^\\n]";
      case "[":
        return this.#class();
      case "\\":
        return this.#escape();
      default:
        if ("^*+?{}]".includes(char)) throw new NotSimple();
        return this.#literal(char);
    }
  }

  #literal(char: string): string {
    if (this.#foldCase && char > "\u007f") throw new NotSimple();
    return escaped(char);
  }

  #escape(): string {
    const char = this.#peek();
    this.#at++;
    const control = CONTROLS[char];
    if (control !== undefined) return control;
    const members = CLASSES[char.toLowerCase()];
    if (members !== undefined) {
      if (this.#foldCase) throw new NotSimple();
      return char === char.toLowerCase() ? `[${members}]` : `[^${members}]`;
    }
    return escaped(punctuation(char));
  }

  #class(): string {
    if (this.#foldCase) throw new NotSimple();
    let source = this.#eat("^") ? "[^" : "[";
    if (this.#peek() === "]") throw new NotSimple();
    while (!this.#eat("]")) source += this.#classMember();
    return `${source}]`;
  }

  #classMember(): string {
    if (this.#peek() === "\\") {
      const members = CLASSES[this.#chars[this.#at + 1] ?? ""];
      if (members !== undefined) {
        this.#at += 2;
        if (this.#peek() === "-") throw new NotSimple();
        return members;
      }
    }
    const first = this.#classChar();
    const next = this.#chars[this.#at + 1];
    if (this.#peek() !== "-" || next === "]" || next === undefined) return escaped(first);
    this.#at++;
    const last = this.#classChar();
    if ((first.codePointAt(0) ?? 0) > (last.codePointAt(0) ?? 0)) throw new NotSimple();
    return `${escaped(first)}-${escaped(last)}`;
  }

  #classChar(): string {
    const char = this.#peek();
    this.#at++;
    if (char === "" || char === "[") throw new NotSimple();
    if (char !== "\\") return char;
    const symbol = this.#peek();
    this.#at++;
    return CONTROLS[symbol] ?? punctuation(symbol);
  }

  #quantified(atom: string): Part {
    const [minimum, maximum, source] = this.#quantifier();
    if ("*+?{".includes(this.#peek() || " ")) throw new NotSimple();
    const bounded = Number.isFinite(maximum);
    return {
      source: atom + source,
      paths: bounded ? maximum - minimum + 1 : 1,
      unbounded: bounded ? 0 : 1,
    };
  }

  #quantifier(): readonly [minimum: number, maximum: number, source: string] {
    if (this.#eat("*")) return [0, Number.POSITIVE_INFINITY, "*"];
    if (this.#eat("+")) return [1, Number.POSITIVE_INFINITY, "+"];
    if (this.#eat("?")) return [0, 1, "?"];
    if (!this.#eat("{")) return [1, 1, ""];
    const from = this.#at;
    while (this.#peek() !== "" && this.#peek() !== "}") this.#at++;
    const text = this.#chars.slice(from, this.#at).join("");
    const match = /^(\d{1,3})(,(\d{0,3}))?$/.exec(text);
    if (!this.#eat("}") || match === null) throw new NotSimple();
    const minimum = Number(match[1]);
    const open = match[2] !== undefined && match[3] === "";
    const maximum = match[2] === undefined ? minimum : Number(match[3]);
    if (minimum > REPEAT_MAX || maximum > REPEAT_MAX || (!open && maximum < minimum)) {
      throw new NotSimple();
    }
    return [minimum, open ? Number.POSITIVE_INFINITY : maximum, `{${text}}`];
  }
}

function joined(parts: readonly Part[]): Part {
  return {
    source: parts.map((part) => part.source).join(""),
    paths: parts.reduce((product, part) => product * part.paths, 1),
    unbounded: parts.reduce((sum, part) => sum + part.unbounded, 0),
  };
}

/** The character of an escape that RE2 takes literally. */
function punctuation(char: string): string {
  if (!/^[!-/:-@[-`{-~]$/.test(char)) throw new NotSimple();
  return char;
}

function escaped(char: string): string {
  return /^[\^$\\.*+?()[\]{}|/-]$/.test(char)
    ? `\\x${(char.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`
    : char;
}
