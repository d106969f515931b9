/** A table of commands that are ours: columns as wide as their longest cell, the last one open. */

import { columnWidth, left } from "./output.ts";

/** Heads and rows as lines. Every row has as many cells as there are heads. */
export function tableLines(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const all = [heads, ...rows];
  const widths = heads.map((_, column) => {
    const cells = all.map((row) => row[column] ?? "");
    return column === heads.length - 1 ? 0 : columnWidth(cells, 0);
  });
  return all.map((row) => row.map((cell, column) => left(cell, widths[column] ?? 0)).join(""));
}
