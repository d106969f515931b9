/** Alert levels: OK < INFO < WARNING < CRITICAL. Numbers 0 … 3 inside, names outside. */

export type Level = 0 | 1 | 2 | 3;

export const OK: Level = 0;
export const INFO: Level = 1;
export const WARNING: Level = 2;
export const CRITICAL: Level = 3;

export const LEVEL_NAMES = ["OK", "INFO", "WARNING", "CRITICAL"] as const;
export type LevelName = (typeof LEVEL_NAMES)[number];

export function levelName(level: Level): LevelName {
  return LEVEL_NAMES[level];
}

const JOINED = LEVEL_NAMES.join("");
const STARTS = [0, 2, 6, 13];

/**
 * Reads a level as the API does: case-insensitive, any prefix (`crit`, `w`, "" = OK). `undefined` when unknown.
 * Source: reference alerts.md §2 (looked up inside the joined names, from a level's start).
 */
export function parseLevel(text: string): Level | undefined {
  const wanted = text.toUpperCase();
  const at = STARTS.indexOf(JOINED.indexOf(wanted));
  return at < 0 ? undefined : (at as Level);
}
