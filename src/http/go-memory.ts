/** Memory under the names that readers of Go's statistics look for, as far as this runtime knows them. */

import type { ProcessMemory } from "./services.ts";

/** In the order of Go's `memstats`, bytes; what this runtime does not know is zero. */
export function goMemory({ rss, heapTotal, heapUsed }: ProcessMemory) {
  return {
    Alloc: heapUsed,
    TotalAlloc: heapUsed,
    Sys: rss,
    Lookups: 0,
    Mallocs: 0,
    Frees: 0,
    HeapAlloc: heapUsed,
    HeapSys: heapTotal,
    HeapIdle: Math.max(0, heapTotal - heapUsed),
    HeapInuse: heapUsed,
    HeapReleased: 0,
    HeapObjects: 0,
    PauseTotalNs: 0,
    NumGC: 0,
  };
}
