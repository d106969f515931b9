/**
 * The acceptance scenarios over some seeds; KAPACITOR_SIM_SCENARIO_SEEDS sets how many, and the first one changes from day
 * to day. All: `bun test/sim/run.ts scenarios`.
 */

import { expect, test } from "bun:test";
import { playScenario, SCENARIOS } from "./scenarios.ts";

const SEEDS = Number(process.env["KAPACITOR_SIM_SCENARIO_SEEDS"] ?? 10);
const DAY_MS = 24 * 60 * 60 * 1_000;
const TIMEOUT_MS = 10 * 60 * 1_000;
/** Scenarios of a thousand changes take seconds each. */
const LONG = new Set([1, 16, 19]);

const first = 1 + (Math.floor(Date.now() / DAY_MS) % 10) * 20;

test.each(SCENARIOS)(
  "$number. $name: $expected",
  (scenario) => {
    const seeds = LONG.has(scenario.number) ? Math.max(1, Math.floor(SEEDS / 10)) : SEEDS;
    for (let seed = first; seed < first + seeds; seed++) {
      expect([seed, playScenario(scenario, seed)]).toEqual([seed, []]);
    }
  },
  TIMEOUT_MS,
);
