/**
 * Finds and runs test cases, and scripts over recordings, without a daemon: the door to `kapacitor test`.
 *
 * What scripts may call is made once for all cases; each case gets an engine of its own. Cases run one after the
 * other in order of their paths.
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import { HANDLER_KINDS } from "#handlers/registry.ts";
import { errorMessage } from "#lib/errors.ts";
import { type CaseFile, formatCase, parseCase, type Section } from "#tasks/case/case-file.ts";
import { diffLines } from "#tasks/case/diff.ts";
import type { OfflineSurroundings } from "#tasks/case/offline-engine.ts";
import { runCase } from "#tasks/case/run-case.ts";
import { offlineEnvironment } from "./offline.ts";

/** How one case went. */
export interface CaseOutcome {
  readonly file: string;
  /** Why it could not be run at all; empty when it was. */
  readonly problem: string;
  /** What did not come out as told; empty when all did. */
  readonly differences: readonly CaseDifference[];
  /** The case with what came out in place of what was told. */
  readonly updated: string;
}

export interface CaseDifference {
  readonly section: Section;
  /** With a sign in front: − was told and is missing, + came out and was not told. */
  readonly lines: readonly string[];
}

/** Parts for offline runs; build them once. Times are in UTC whatever the machine's zone is. */
export function offlineSurroundings(): OfflineSurroundings {
  return { kinds: HANDLER_KINDS, environment: offlineEnvironment(), specs: NODE_SPECS };
}

/** Runs all cases at and below the paths. Throws when a path does not exist. */
export async function* runCases(paths: readonly string[]): AsyncGenerator<CaseOutcome> {
  const surroundings = offlineSurroundings();
  for (const file of paths.flatMap(caseFiles)) yield await outcomeOf(file, surroundings);
}

const CASE_END = ".case";

/** The bytes of a file. Throws `Error` in the words of Go's errors, which people of this tool know. */
export function readBytes(path: string): Uint8Array {
  return named(path, () => readFileSync(path));
}

function named<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const reason = code === "ENOENT" ? "no such file or directory" : errorMessage(error);
    throw new Error(`open ${path}: ${reason}`, { cause: error });
  }
}

/** A file itself, or all `*.case` files below a directory. */
function caseFiles(path: string): readonly string[] {
  if (!named(path, () => statSync(path)).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(CASE_END))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

async function outcomeOf(file: string, surroundings: OfflineSurroundings): Promise<CaseOutcome> {
  let text = "";
  try {
    text = readFileSync(file, "utf8");
    const testCase = parseCase(text);
    const folder = dirname(resolve(file));
    const readFile = (path: string): Uint8Array => readBytes(resolve(folder, path));
    return compared(file, testCase, await runCase(testCase, { ...surroundings, readFile }));
  } catch (error) {
    return { file, problem: errorMessage(error), differences: [], updated: text };
  }
}

function compared(
  file: string,
  testCase: CaseFile,
  actual: ReadonlyMap<Section, string>,
): CaseOutcome {
  const differences: CaseDifference[] = [];
  const sections = new Map(testCase.sections);
  for (const [section, body] of actual) {
    const lines = diffLines(sections.get(section) ?? "", body);
    if (lines.length === 0) continue;
    differences.push({ section, lines });
    sections.set(section, body);
  }
  return { file, problem: "", differences, updated: formatCase({ ...testCase, sections }) };
}
