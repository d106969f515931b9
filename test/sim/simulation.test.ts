/**
 * Seeds of the deterministic simulator: all invariants hold, runs repeat exactly, planted bugs are found, and what
 * should have happened did happen.
 *
 * KAPACITOR_SIM_SEEDS and KAPACITOR_SIM_ALERT_SEEDS set how many seeds are run; those with alerts start at a day's own
 * number, so that days differ. The seed of a failure is in its message: `bun test/sim/run.ts SEED --shrink`.
 */

import { describe, expect, test } from "bun:test";
import type { PlantedAlertBug } from "#cluster/ownership/planted.ts";
import type { PlantedBug } from "#cluster/swim/core.ts";
import { runBatch } from "./batch.ts";
import { missingCoverage } from "./coverage.ts";
import { FIXED_SEEDS } from "./fixed-seeds.ts";
import { play, run } from "./simulation.ts";
import { stories } from "./story.ts";

const SEEDS = Number(process.env["KAPACITOR_SIM_SEEDS"] ?? 2_000);
const ALERT_SEEDS = Number(process.env["KAPACITOR_SIM_ALERT_SEEDS"] ?? 150);
/** Seeds within which each planted bug must be found. */
const FIND_WITHIN = 200;
/** Coverage is asked of batches of at least this many. */
const COVERING = 1_000;
const DAY_MS = 24 * 60 * 60 * 1_000;
const TIMEOUT_MS = 20 * 60 * 1_000;

/** The first seed of today's share. */
function today(): number {
  return 1 + (Math.floor(Date.now() / DAY_MS) % 100) * ALERT_SEEDS;
}

test(
  `membership: all invariants hold in seeds 1 to ${SEEDS}`,
  async () => {
    const result = await runBatch([{ theme: "membership", first: 1, last: SEEDS }]);
    expect(result.failed).toEqual([]);
    expect(result.runs).toBe(SEEDS);
    // A batch in which the interesting things did not happen proves nothing.
    if (SEEDS < COVERING) return;
    expect(missingCoverage("membership", result.counters, result.healthPeak)).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  `alerts: all invariants hold in today's ${ALERT_SEEDS} seeds`,
  async () => {
    const first = today();
    const range = { theme: "alerts", first, last: first + ALERT_SEEDS - 1 } as const;
    const result = await runBatch([range]);
    expect(result.failed).toEqual([]);
    if (ALERT_SEEDS < COVERING) return;
    expect(missingCoverage("alerts", result.counters, result.healthPeak)).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  "what must have happened in a batch is missed in a quiet one",
  () => {
    const { counters, healthPeak } = run(1, { theme: "membership" });
    expect(missingCoverage("membership", counters, healthPeak)).not.toEqual([]);
    expect(missingCoverage("alerts", {}, 0)).toContain("takeover: FAILED");
  },
  TIMEOUT_MS,
);

test(
  "a seed gives the same trace twice, and another seed another one",
  () => {
    for (const theme of ["membership", "alerts"] as const) {
      for (const seed of [3, 7, 11]) {
        const [once, again] = [run(seed, { theme }), run(seed, { theme })];
        expect([seed, again.traceHash, again.steps]).toEqual([seed, once.traceHash, once.steps]);
        expect(run(seed + 1, { theme }).traceHash).not.toBe(once.traceHash);
      }
    }
  },
  TIMEOUT_MS,
);

test.each(FIXED_SEEDS)(
  "%s %i: %s",
  (theme, seed) => {
    expect(run(seed, { theme }).failures).toEqual([]);
  },
  TIMEOUT_MS,
);

test.each(stories())(
  "story: %s",
  (_name, { plan, planted, invariant }) => {
    expect(play(plan).failures).toEqual([]);
    if (planted === undefined) return;
    const { failures } = play(plan, { planted: new Set([planted]) });
    expect(failures.join("\n")).toContain(invariant);
  },
  TIMEOUT_MS,
);

describe("planted bugs are found", () => {
  // `stops-probing-on-local-error` needs a lasting fault at one member only; its story is in stories.test.ts.
  const membership: readonly PlantedBug[] = [
    "no-refute",
    "removed-can-return",
    "suspect-beats-newer",
    "forgets-incarnation",
    "no-heal",
    "no-stall-rule",
    "no-replay-check",
    "leaks-relays",
  ];
  const alerts: readonly PlantedAlertBug[] = [
    "no-pull-gate",
    "no-order",
    "ignores-done",
    "no-hold",
    "forgets-batches",
    "no-takeover",
    "older-completion-wins",
    "keeps-copies",
    "everybody-first",
    "no-stall",
  ];

  test.each([
    ...membership.map((bug) => ["membership", bug] as const),
    ...alerts.map((bug) => ["alerts", bug] as const),
  ])(
    "%s: %s",
    (theme, bug) => {
      let found: number | undefined;
      for (let seed = 1; seed <= FIND_WITHIN && found === undefined; seed++) {
        if (run(seed, { theme, planted: new Set([bug]) }).failures.length > 0) found = seed;
      }
      console.log(`${bug} is found by ${theme} seed ${found}`);
      expect(found).toBeDefined();
    },
    TIMEOUT_MS,
  );
});
