/**
 * What the stateful functions of one expression remember: one instance of each per expression and group, so
 * two `sigma()` calls in one lambda share their numbers.
 */

export class FunctionState {
  /** `count()`: calls so far. */
  count = 0;
  /** `sigma()`: Welford's running mean and sum of squares. */
  sigmaCount = 0;
  sigmaMean = 0;
  sigmaSquares = 0;
  /** `spread()`. */
  spreadMin = Number.POSITIVE_INFINITY;
  spreadMax = Number.NEGATIVE_INFINITY;

  /** The state as plain numbers, for snapshots. Infinite bounds (nothing seen yet) become null. */
  save(): readonly (number | null)[] {
    const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
    const { count, sigmaCount, sigmaMean, sigmaSquares, spreadMin, spreadMax } = this;
    return [count, sigmaCount, sigmaMean, sigmaSquares, spreadMin, spreadMax].map(finite);
  }

  /** Takes back what `save` gave; anything else leaves the state as it is and returns false. */
  load(saved: unknown): boolean {
    if (!Array.isArray(saved) || saved.length !== 6) return false;
    if (!saved.every((value) => value === null || typeof value === "number")) return false;
    const at = (i: number, fallback: number): number => (saved[i] as number | null) ?? fallback;
    this.count = at(0, 0);
    this.sigmaCount = at(1, 0);
    this.sigmaMean = at(2, Number.NaN);
    this.sigmaSquares = at(3, Number.NaN);
    this.spreadMin = at(4, Number.POSITIVE_INFINITY);
    this.spreadMax = at(5, Number.NEGATIVE_INFINITY);
    return true;
  }
}
