/** Byte counts for people, in SI units with one decimal only below 10: `358 B`, `1.2 kB`, `12 kB`. */

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** Negative sizes (an unknown size is −1) print as the unsigned number they would be in 64 bits. */
export function formatSize(bytes: number): string {
  let size = bytes < 0 ? 2 ** 64 + bytes : bytes;
  if (size < 10) return `${size} B`;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  const rounded = Math.floor(size * 10 + 0.5) / 10;
  const shown = rounded < 10 ? rounded.toFixed(1) : rounded.toFixed(0);
  return `${shown} ${UNITS[unit]}`;
}
