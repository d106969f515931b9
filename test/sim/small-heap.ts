/**
 * Environment for processes that simulate large clusters: their collector is told of a small machine, so that the heap
 * grows by a quarter of what lives before it is collected, not to twice that. Costs some seconds, saves a gigabyte.
 */

/** From this many members on a simulation gets a process with this environment. */
export const LARGE = 300;

export const SMALL_HEAP = { BUN_JSC_forceRAMSize: String(512 * 1024 * 1024) } as const;
