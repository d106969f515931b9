/**
 * A CPU profile as the runtime gives it (a tree of calls with the samples that hit each, the form in which
 * browsers' developer tools load it), and as samples with stacks.
 */

import type { Frame, Profile, Sample } from "./pprof.ts";

export interface CallNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    /** From 0; −1 is unknown. */
    readonly lineNumber: number;
  };
  /** Samples whose innermost call this is. */
  readonly hitCount?: number | undefined;
  readonly children?: readonly number[] | undefined;
  /** The lines, from 1, on which those samples were. */
  readonly positionTicks?: readonly { readonly line: number; readonly ticks: number }[] | undefined;
}

export interface CpuProfile {
  readonly nodes: readonly CallNode[];
  /** Microseconds. */
  readonly startTime: number;
  readonly endTime: number;
}

/** `intervalUs`: the time between two samples, microseconds. `startMs`: wall time, milliseconds since 1970. */
export function profileOf(
  cpu: CpuProfile,
  { intervalUs, startMs }: { readonly intervalUs: number; readonly startMs: number },
): Profile {
  const intervalNs = intervalUs * 1000;
  const samples: Sample[] = [];
  for (const [stack, node] of stacks(cpu.nodes)) {
    for (const { line, ticks } of ticksOf(node)) {
      const [innermost, ...callers] = stack;
      if (innermost === undefined) continue;
      const values = [ticks, ticks * intervalNs];
      samples.push({
        stack: [line === 0 ? innermost : { ...innermost, line }, ...callers],
        values,
      });
    }
  }
  return {
    types: [
      { type: "samples", unit: "count" },
      { type: "cpu", unit: "nanoseconds" },
    ],
    samples,
    startMs,
    durationMs: (cpu.endTime - cpu.startTime) / 1000,
    period: { type: "cpu", unit: "nanoseconds", value: intervalNs },
    comments: [],
  };
}

/** Samples of a node by line; those without a known line have line 0. */
function ticksOf({ hitCount = 0, positionTicks = [] }: CallNode) {
  const known = positionTicks.reduce((sum, { ticks }) => sum + ticks, 0);
  const rest = hitCount - known;
  return rest > 0 ? [...positionTicks, { line: 0, ticks: rest }] : positionTicks;
}

/** Every node that was hit with its stack, innermost first. The root stands for no call. */
function* stacks(nodes: readonly CallNode[]): Generator<readonly [readonly Frame[], CallNode]> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const callers = new Map<number, CallNode>();
  for (const node of nodes) for (const child of node.children ?? []) callers.set(child, node);
  const frames = new Map(nodes.map((node) => [node.id, frameOf(node)]));
  for (const node of byId.values()) {
    if ((node.hitCount ?? 0) === 0) continue;
    const stack: Frame[] = [];
    let at: CallNode | undefined = node;
    // No deeper than there are nodes, should the runtime ever give a ring.
    while (at !== undefined && stack.length < nodes.length) {
      const caller = callers.get(at.id);
      const frame = frames.get(at.id);
      if (frame !== undefined && (caller !== undefined || at.callFrame.functionName !== ROOT))
        stack.push(frame);
      at = caller;
    }
    yield [stack, node];
  }
}

const ROOT = "(root)";

function frameOf({ callFrame }: CallNode): Frame {
  const { functionName, url, lineNumber } = callFrame;
  return {
    name: functionName === "" ? "(anonymous)" : functionName,
    file: fileOf(url),
    line: Math.max(0, lineNumber + 1),
  };
}

/** Sources are named from the folder in which the binary was built, however that folder lay. */
function fileOf(url: string): string {
  return url.replace(/^file:\/\//, "").replace(/^(\.\.\/)+/, "");
}
