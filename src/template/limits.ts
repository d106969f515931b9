/**
 * Bounds of message templates.
 *
 * Templates are written by users and run for every event, so none may eat memory or time without end.
 * Passing a bound is a `TemplateError` at run time, never a truncated text.
 */

/** Characters of template source. */
export const TEMPLATE_SOURCE_MAX = 1_048_576;

/** Characters one execution may print, and the longest string a function may build. */
export const TEMPLATE_OUTPUT_MAX = 4_194_304;

/** Actions and loop turns one execution may run. */
export const TEMPLATE_STEPS_MAX = 1_000_000;

/** `{{template}}` calls inside each other. */
export const TEMPLATE_CALL_DEPTH_MAX = 200;

/** Parentheses and control blocks inside each other in the source. */
export const TEMPLATE_NESTING_MAX = 200;

/** Width or precision of a format verb; beyond it prints `%!(NOVERB)`, `%!(BADWIDTH)` or `%!(BADPREC)`. */
export const FORMAT_WIDTH_MAX = 10_000;

/** Depth to which nested values are printed or encoded; beyond it is an error. */
export const VALUE_DEPTH_MAX = 100;
