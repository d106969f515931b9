/**
 * Stories: plans that once failed, made small and kept with a sentence (`test/sim/stories/*.json`). They run for ever;
 * a seed alone would tell another tale after the next change.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Plan } from "./plan.ts";
import type { AnyBug } from "./simulation.ts";

export interface Story {
  /** What happens, and what went wrong when it was found. */
  readonly sentence: string;
  /** The invariant that failed. */
  readonly invariant: string;
  /** A deliberate fault with which it still fails; absent when the fault was a real one, now repaired. */
  readonly planted?: AnyBug;
  readonly plan: Plan;
}

const FOLDER = join(import.meta.dir, "stories");

export function stories(): readonly (readonly [string, Story])[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => [file.slice(0, -5), JSON.parse(readFileSync(join(FOLDER, file), "utf8"))]);
}

export function storeStory(name: string, story: Story): string {
  const path = join(FOLDER, `${name}.json`);
  writeFileSync(path, `${JSON.stringify(story, undefined, 1)}\n`);
  return path;
}
