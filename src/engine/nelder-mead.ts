/**
 * Finds a minimum of a function of several variables without derivatives.
 *
 * A simplex of n + 1 points crawls downhill by reflecting, stretching and shrinking.
 * Source: Nelder and Mead, "A simplex method for function minimization" (1965), usual coefficients.
 */

export interface Minimum {
  readonly at: readonly number[];
  readonly value: number;
}

/** Steps at most; the best point so far is returned then. */
const STEPS_MAX = 1_000;
const REFLECT = 1;
const EXPAND = 2;
const CONTRACT = 0.5;
const SHRINK = 0.5;

/** Searches from `start` until the values of the simplex differ by less than `epsilon`. */
export function minimize(
  f: (at: readonly number[]) => number,
  start: readonly number[],
  epsilon: number,
): Minimum {
  const point = (at: readonly number[]): Minimum => ({ at, value: f(at) });
  const simplex = [point(start)];
  start.forEach((x, i) => {
    simplex.push(point(start.with(i, x === 0 ? 0.00025 : x * 1.05)));
  });
  for (let step = 0; step < STEPS_MAX; step++) {
    simplex.sort((a, b) => a.value - b.value);
    const best = simplex[0] as Minimum;
    const worst = simplex[simplex.length - 1] as Minimum;
    if (worst.value - best.value < epsilon) break;
    const centre = start.map(
      (_, i) =>
        simplex.slice(0, -1).reduce((sum, { at }) => sum + (at[i] as number), 0) / start.length,
    );
    const along = (scale: number): Minimum =>
      point(centre.map((c, i) => c + scale * (c - (worst.at[i] as number))));
    replaceWorst(simplex, along, point);
  }
  simplex.sort((a, b) => a.value - b.value);
  return simplex[0] as Minimum;
}

function replaceWorst(
  simplex: Minimum[],
  along: (scale: number) => Minimum,
  point: (at: readonly number[]) => Minimum,
): void {
  const last = simplex.length - 1;
  const best = simplex[0] as Minimum;
  const worst = simplex[last] as Minimum;
  const nextWorst = simplex[last - 1] as Minimum;
  const reflected = along(REFLECT);
  if (reflected.value < best.value) {
    const expanded = along(EXPAND);
    simplex[last] = expanded.value < reflected.value ? expanded : reflected;
    return;
  }
  if (reflected.value < nextWorst.value) {
    simplex[last] = reflected;
    return;
  }
  const contracted = along(reflected.value < worst.value ? CONTRACT : -CONTRACT);
  if (contracted.value < Math.min(reflected.value, worst.value)) {
    simplex[last] = contracted;
    return;
  }
  for (let i = 1; i <= last; i++) {
    const at = (simplex[i] as Minimum).at;
    simplex[i] = point(
      at.map((x, j) => (best.at[j] as number) + SHRINK * (x - (best.at[j] as number))),
    );
  }
}
