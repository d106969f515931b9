/** Syntax tree of TICKscript. Positions are 1-based lines and 1-based byte columns. */

import type { Position } from "./environment.ts";

/** An expression as it may stand inside a lambda. */
export interface Expression {
  readonly kind: string;
  readonly position: Position;
}
