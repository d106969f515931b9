/**
 * Tokens: what the lexer makes of a script's text, named as error messages name them.
 */

import type { CommentBlock } from "./ast.ts";
import type { Position } from "./environment.ts";

/** Kinds are spelled as in `unexpected <kind>` and in lists of expected tokens. */
export type TokenKind =
  | "EOF"
  | "error"
  | "identifier"
  | "reference"
  | "duration"
  | "number"
  | "string"
  | "regex"
  | "lambda"
  | "var"
  | "dbrp"
  | "TRUE"
  | "FALSE"
  | "AND"
  | "OR"
  | "+"
  | "-"
  | "*"
  | "/"
  | "%"
  | "=="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "=~"
  | "!~"
  | "="
  | "!"
  | "("
  | ")"
  | "["
  | "]"
  | ","
  | "."
  | "|"
  | "@";

export interface Token {
  readonly kind: TokenKind;
  /** Source text of the token; the message of an `error` token; the content of strings without quotes. */
  readonly text: string;
  /** UTF-16 index of its first character. */
  readonly offset: number;
  readonly position: Position;
  /** Comment blocks between the token before and this one. */
  readonly comments: readonly CommentBlock[];
  /** A string written between triple quotes. */
  readonly triple: boolean;
}
