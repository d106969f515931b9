/**
 * Bounds of the language. What exceeds one gets an error that names it; nothing is cut off silently.
 *
 * Syntax trees are walked recursively, so their depth is bounded where they are built: the bounds below
 * are far beyond any script seen and far below what the stack of a worker thread takes.
 */

/** UTF-16 units of a script. The largest scripts in use are some hundred kilobytes. */
export const SCRIPT_LENGTH_MAX = 8 * 1024 * 1024;

/** Parentheses, calls and unary operators inside one another. */
export const NESTING_MAX = 500;

/** Levels of an expression tree; a chain of n binary operators has n. */
export const EXPRESSION_DEPTH_MAX = 2_000;

/** Syntax nodes that lambda vars named in other lambdas may add to one script. */
export const INLINED_NODES_MAX = 100_000;

/** Errors that `parseAll` and `vetScript` collect before they give up. */
export const ERRORS_MAX = 50;

/** Compiled lambdas kept for reuse by expression text; beyond, the table starts anew. */
export const LAMBDAS_MAX = 4_096;

/** Type variants of one lambda that are compiled; further ones are interpreted. */
export const VARIANTS_MAX = 16;

/** Lambdas that may remember results of tag-only sub-expressions in the series (one slot per series each). */
export const MEMO_LAMBDAS_MAX = 64;

/** Compiled regular expressions kept for reuse by pattern. */
export const REGEXES_MAX = 4_096;

/** UTF-16 units of a regular expression; longer ones are refused as too large. */
export const REGEX_LENGTH_MAX = 32_768;

/** Syntax trees of scripts kept for reuse by text, of scripts up to so many UTF-16 units; beyond, the table starts anew. */
export const RECENT_SCRIPTS_MAX = 16;
export const RECENT_SCRIPT_LENGTH_MAX = 16_384;
