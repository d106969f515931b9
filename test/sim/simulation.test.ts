/**
 * Seeds of the deterministic simulator: all invariants hold, runs repeat exactly, planted bugs are found, and what
 * should have happened did happen.
 *
 * The first seeds are fixed and must pass; a share that differs from day to day looks further, and fails the run only
 * where failures are rare enough to be news (see `MEASURED`). KAPACITOR_SIM_SEEDS and KAPACITOR_SIM_ALERT_SEEDS set how
 * many fixed seeds are run. The seed of a failure is in its message: `bun test/sim/run.ts SEED --shrink`.
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

/** Seeds of each theme that are drawn from the day. */
const ROTATING = 50;
/** Where those begin: no big run has been there. */
const ROTATING_FROM = 20_001;
const DAYS = 1_000;
/**
 * The last big runs. One failure in 5,000 runs would make one day in a hundred red through nobody's fault; above that a
 * failing seed of the day is printed and looked at, and fails nothing.
 */
const MEASURED = {
  membership: { runs: 3_000, failed: 0 },
  alerts: { runs: 2_000, failed: 1 },
} as const;
const RARE = 5_000;

function isRare(theme: keyof typeof MEASURED): boolean {
  const { runs, failed } = MEASURED[theme];
  return runs >= RARE && failed * RARE < runs;
}

/** Today's share. */
function today(): { readonly first: number; readonly last: number } {
  const first = ROTATING_FROM + (Math.floor(Date.now() / DAY_MS) % DAYS) * ROTATING;
  return { first, last: first + ROTATING - 1 };
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
  `alerts: all invariants hold in seeds 1 to ${ALERT_SEEDS}`,
  async () => {
    const result = await runBatch([{ theme: "alerts", first: 1, last: ALERT_SEEDS }]);
    expect(result.failed).toEqual([]);
    expect(result.runs).toBe(ALERT_SEEDS);
    if (ALERT_SEEDS < COVERING) return;
    expect(missingCoverage("alerts", result.counters, result.healthPeak)).toEqual([]);
  },
  TIMEOUT_MS,
);

test.each(["membership", "alerts"] as const)(
  "%s: seeds of the day",
  async (theme) => {
    const { failed, runs } = await runBatch([{ theme, ...today() }]);
    for (const { seed, failure } of failed) console.log(`new failing seed: ${seed}: ${failure}`);
    expect(runs).toBe(ROTATING);
    if (isRare(theme)) expect(failed).toEqual([]);
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
  // `silence-is-gone` needs one cut between the detection of silence and the delay; its story has it.
  const alerts: readonly PlantedAlertBug[] = [
    "no-pull-gate",
    "no-order",
    "ignores-done",
    "no-hold",
    "forgets-batches",
    "trusts-first-word",
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
