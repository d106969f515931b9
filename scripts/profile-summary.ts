/**
 * A CPU profile and a heap in a few lines of text.
 *
 * Shares are of all processor time of the process, so that what no function shows (the runtime itself, its collector and
 * compiler threads, the kernel) is seen beside the functions; time in which the process slept is left out. The profiler
 * goes by the clock: functions that wait, for the disk or because the machine is busy, may take more than there was; shares
 * are of what they took then.
 */

const TOP = 25;
/** `src/engine/nodes`, `node_modules/elysia`. */
const FOLDER_DEPTH = 3;
/** A sample comes every half millisecond while there is work; what is longer the process slept, ms. */
const GAP_MS_MAX = 2;

export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

export interface Heap {
  readonly heapSize: number;
  readonly heapCapacity: number;
  readonly extraMemorySize: number;
  readonly objectCount: number;
  readonly rss: number;
  readonly objectTypeCounts: Readonly<Record<string, number>>;
}

type Frame = CpuProfile["nodes"][number]["callFrame"];

/** Functions by the time that they took by themselves; paths are shown from `root` on. */
export function profileLines(profile: CpuProfile, cpuSeconds: number, root: string): string[] {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const selfMs = summed(profile, (id) => {
    const frame = frames.get(id);
    return frame === undefined ? undefined : label(frame, root);
  });
  return shareLines(selfMs, cpuSeconds);
}

/** The same by folder of the sources; what the runtime does for a function counts as its own. */
export function folderLines(profile: CpuProfile, cpuSeconds: number, root: string): string[] {
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)),
  );
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const folders = new Map<number, string>();
  const folderOf = (id: number): string => {
    const known = folders.get(id);
    if (known !== undefined) return known;
    const path = pathOf(frames.get(id), root);
    const parent = parents.get(id);
    const folder = isOfSources(path)
      ? path.split("/").slice(0, -1).slice(0, FOLDER_DEPTH).join("/")
      : parent === undefined
        ? "(runtime)"
        : folderOf(parent);
    folders.set(id, folder);
    return folder;
  };
  return shareLines(summed(profile, folderOf), cpuSeconds);
}

function isOfSources(path: string): boolean {
  return path.startsWith("src/") || path.startsWith("node_modules/");
}

/** Milliseconds by what `keyOf` makes of a sample's node. */
function summed(
  { nodes, samples, timeDeltas }: CpuProfile,
  keyOf: (id: number) => string | undefined,
): ReadonlyMap<string, number> {
  // The profiler's name for everything outside the program, sleep included.
  const outside = nodes.filter(({ callFrame: { functionName, url } }) => functionName + url === "");
  const skipped = new Set(outside.map(({ id }) => id));
  const sums = new Map<string, number>();
  for (const [i, id] of samples.entries()) {
    const key = skipped.has(id) ? undefined : keyOf(id);
    if (key === undefined) continue;
    const ms = Math.min(GAP_MS_MAX, Math.max(0, timeDeltas[i] ?? 0) / 1000);
    sums.set(key, (sums.get(key) ?? 0) + ms);
  }
  return sums;
}

function shareLines(sums: ReadonlyMap<string, number>, cpuSeconds: number): string[] {
  const inFunctionsMs = sums.values().reduce((sum, ms) => sum + ms, 0);
  const totalMs = Math.max(cpuSeconds * 1000, inFunctionsMs);
  const most = [...sums].toSorted(([, a], [, b]) => b - a).slice(0, TOP);
  const restMs = cpuSeconds * 1000 - inFunctionsMs;
  const rest: readonly [string, number] =
    restMs >= 0
      ? ["(outside functions: runtime, collector, compiler, kernel)", restMs]
      : ["(in functions more than the processor worked: they waited)", -restMs];
  return [rest, ...most].map(([name, ms]) => {
    const share = `${((ms / totalMs) * 100).toFixed(1)} %`;
    return `${share.padStart(7)}  ${ms.toFixed(0).padStart(6)} ms  ${name}`;
  });
}

function pathOf(frame: Frame | undefined, root: string): string {
  return (frame?.url ?? "").replace(/^file:\/\//, "").replace(`${root}/`, "");
}

function label(frame: Frame, root: string): string {
  const file = pathOf(frame, root);
  const place = file === "" ? "" : `  ${file}:${frame.lineNumber + 1}`;
  return `${frame.functionName === "" ? "(anonymous)" : frame.functionName}${place}`;
}

/** Sizes, and the types of which there are most. */
export function heapLines({ objectTypeCounts, ...sizes }: Heap): string[] {
  const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const head =
    `heap after a collection: ${mib(sizes.heapSize)} of ${mib(sizes.heapCapacity)}, ` +
    `${mib(sizes.extraMemorySize)} outside it, resident ${mib(sizes.rss)}, ${sizes.objectCount} objects`;
  const most = Object.entries(objectTypeCounts).toSorted(([, a], [, b]) => b - a);
  const types = most.slice(0, TOP).map(([type, count]) => `${String(count).padStart(9)}  ${type}`);
  return [head, ...types];
}
