/**
 * Runs one test case on the real engine with a clock that stands still, and writes down what came out.
 *
 * `in` is line protocol whose times may be offsets from 1970 (`10s`); `batch` is batches as JSON, as recordings
 * have them; `data` names recordings. Lines that start with `@` are orders: `@advance 10s` moves the wall clock,
 * `@from db rp` changes where following points are written, `@query 1` which query following batches are of,
 * `@running` leaves out the drain at the end; in `data` `@start 1971-01-01T00:00:00Z` moves all times so that the
 * first point falls there and `@precision s` tells their unit.
 * The other sections say what is checked, see `section`.
 */

import { encodeAlertData } from "#alert/data.ts";
import { GroupTable } from "#engine/group-table.ts";
import { type AnyNodeSpec, defineNode } from "#engine/node.ts";
import type { BatchBegin, Receiver } from "#engine/receiver.ts";
import { nodeTypeOf } from "#engine/tick-environment.ts";
import { errorMessage } from "#lib/errors.ts";
import { encodeJson, parseJson } from "#lib/json.ts";
import { parseTime, type Time } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import { type LinePrecision, PRECISION_NS } from "#model/line-protocol-format.ts";
import type { Point } from "#model/point.ts";
import type { NodeDefinition, ScriptResult, TickValue } from "#tick/environment.ts";
import { evaluateScript } from "#tick/evaluate.ts";
import { varsFromJson } from "#tick/vars.ts";
import { readBatches } from "../recording-file.ts";
import { CaseError, type CaseFile, CHECKS, type Section } from "./case-file.ts";
import {
  OFFLINE_TASK,
  OfflineEngine,
  type OfflineOptions,
  type OfflineSurroundings,
  type RaisedEvent,
} from "./offline-engine.ts";
import { postLine } from "./offline-outside.ts";
import { queriesOf } from "./offline-script.ts";
import { openRecording, pushBatch, type RecordingFeed } from "./recording-feed.ts";
import { batchLine, eventLine, nanosOf, pointLine, timeText } from "./text-forms.ts";

/** Reads a file that a case names, by its path relative to the case. Throws when it cannot be read. */
export type ReadCaseFile = (path: string) => Uint8Array;

/** What is run around a case. */
export interface CaseSurroundings extends OfflineSurroundings {
  readonly readFile: ReadCaseFile;
}

/**
 * The sections that a run writes, with their text, of those that the case has. Throws `CaseError` for input that
 * cannot be fed.
 */
export async function runCase(
  testCase: CaseFile,
  surroundings: CaseSurroundings,
): Promise<ReadonlyMap<Section, string>> {
  const run = new CaseRun(testCase, surroundings);
  await run.execute();
  const sections = new Map<Section, string>();
  for (const name of CHECKS) {
    const expected = testCase.sections.get(name);
    if (expected !== undefined) sections.set(name, run.section(name, expected));
  }
  return sections;
}

/** The case with its outputs as they are now. */
export async function updateCase(
  testCase: CaseFile,
  surroundings: CaseSurroundings,
): Promise<CaseFile> {
  const sections = new Map(testCase.sections);
  for (const [name, body] of await runCase(testCase, surroundings)) sections.set(name, body);
  return { ...testCase, sections };
}

const CAPTURE = "(capture)";
/** Where points are written, and what the task listens to, unless the case says otherwise. */
const HOME = { db: "db", rp: "rp" };
/** IDs of capturing nodes, behind those of any script. */
const CAPTURE_ID = 1_000_000;

class CaseRun {
  readonly #sections: ReadonlyMap<Section, string>;
  readonly #surroundings: CaseSurroundings;
  readonly #out: string[] = [];
  readonly #groups = new Set<string>();
  #offline: OfflineEngine | undefined;
  #refused = "";
  #json: Readonly<Record<string, unknown>> = {};
  #stats: Readonly<Record<string, Readonly<Record<string, number>>>> = {};

  constructor({ sections }: CaseFile, surroundings: CaseSurroundings) {
    this.#sections = sections;
    this.#surroundings = surroundings;
  }

  async execute(): Promise<void> {
    const text = this.#sections.get("task") ?? "";
    const vars = this.#vars();
    let script: ScriptResult;
    try {
      script = evaluateScript(text, { environment: this.#surroundings.environment, vars });
    } catch (error) {
      this.#refused = errorMessage(error);
      return;
    }
    const recording = this.#recording(script);
    const { specs } = this.#surroundings;
    const capture = this.#captureSpec();
    const options: OfflineOptions = {
      isStrict: true,
      takesBatches: recording !== undefined,
      ...(recording === undefined ? {} : { start: recording.start }),
    };
    const offline = new OfflineEngine(
      { ...this.#surroundings, specs: new Map([...specs, [CAPTURE, capture]]) },
      options,
    );
    this.#offline = offline;
    this.#readFiles(offline);
    const dbrps = script.dbrps.length > 0 ? script.dbrps : [HOME, ...(recording?.dbrps ?? [])];
    const { type } = script;
    const task = { id: OFFLINE_TASK, type, script: text, dbrps, vars };
    const outcome = offline.engine.startScript(task, captured(script, capture));
    if (outcome.kind === "refused") {
      this.#refused = outcome.error;
      return;
    }
    recording?.feed(offline, OFFLINE_TASK);
    await this.#feed(offline, script);
  }

  /** The section's text after the run. `expected` names the counters of `stats`. */
  section(name: Section, expected: string): string {
    switch (name) {
      case "out":
        return lines(this.#out);
      case "groups":
        return lines([...this.#groups]);
      case "asked":
        return lines(this.#offline?.outside.queries.asked ?? []);
      case "written":
        return lines(this.#offline?.outside.points.lines ?? []);
      case "posts":
        return lines(this.#offline?.outside.posts.requests.map(postLine) ?? []);
      case "events":
        return lines(this.#offline?.events.map(({ event }) => eventLine(event)) ?? []);
      case "told":
        return lines(this.#offline?.events.flatMap(toldLines) ?? []);
      case "errors":
        return lines(
          this.#offline?.errors.map((each) => `${each.node}: ${each.message}: ${each.error}`) ?? [],
        );
      case "error":
        return lines([this.#offline?.died ?? this.#refused].filter((text) => text !== ""));
      case "json":
        return `${encodeJson(this.#json)}\n`;
      case "stats":
        return this.#statLines(expected);
      default:
        return expected;
    }
  }

  #vars(): Readonly<Record<string, TickValue>> {
    const text = this.#sections.get("vars");
    if (text === undefined) return {};
    const parsed = parseJson(text);
    if (!parsed.ok) throw new CaseError(`vars: ${parsed.error}`);
    return varsFromJson(parsed.value);
  }

  #recording(script: ScriptResult): RecordingFeed | undefined {
    const text = this.#sections.get("data");
    if (text === undefined) return undefined;
    const files: Uint8Array[] = [];
    let from: Time | undefined;
    let precision: LinePrecision = "ns";
    for (const line of linesOf(text)) {
      const [order, given = ""] = line.split(" ");
      if (order === "@start") from = timeOf(given);
      else if (order === "@precision") precision = precisionOf(given);
      else files.push(this.#surroundings.readFile(line));
    }
    const recording = openRecording(script.type, files, { from, precision });
    const queries = queriesOf(script);
    if (queries !== recording.queries) {
      throw new CaseError(`the task has ${queries} queries, the data ${recording.queries}`);
    }
    return recording;
  }

  #readFiles({ outside }: OfflineEngine): void {
    for (const line of linesOf(this.#sections.get("files") ?? "")) {
      const at = line.indexOf(" ");
      const parsed = parseJson(line.slice(at + 1));
      if (at < 0 || !parsed.ok || typeof parsed.value !== "object" || parsed.value === null) {
        throw new CaseError(`a file is a path and a JSON object: ${line}`);
      }
      outside.sideloads.files.set(line.slice(0, at), { ...parsed.value });
    }
  }

  async #feed(offline: OfflineEngine, script: ScriptResult): Promise<void> {
    const { engine } = offline;
    const feeder = new Feeder(offline, queriesOf(script));
    await feeder.batches(this.#sections.get("batch") ?? "");
    await feeder.lines(this.#sections.get("in") ?? "");
    this.#look(offline);
    if (!feeder.drains) return;
    await offline.settle(engine.drain(OFFLINE_TASK));
    this.#look(offline);
    await offline.settle(engine.stop(OFFLINE_TASK));
  }

  /** Endpoints and statistics as they are; those of a task that died are the last ones seen. */
  #look({ engine }: OfflineEngine): void {
    const stats = engine.stats(OFFLINE_TASK)?.nodeStats;
    if (stats === undefined) return;
    this.#stats = stats;
    const endpoints = engine.endpoints().map((name) => name.slice(OFFLINE_TASK.length + 1));
    this.#json = Object.fromEntries(
      endpoints.map((name) => [name, engine.endpoint(OFFLINE_TASK, name)]),
    );
  }

  #captureSpec(): AnyNodeSpec {
    return defineNode({
      method: CAPTURE,
      goType: "*test.CaptureNode",
      wants: "either",
      provides: "same",
      hidden: true,
      doc: "Writes down what passes.",
      options: ({ name }) => name,
      start: (prefix) => this.#capture(prefix),
    });
  }

  #capture(prefix: string): Receiver {
    const put = (group: Group, text: string): void => {
      this.#groups.add(group.id === "" ? "(none)" : group.id.replaceAll("\n", "\\n"));
      this.#out.push(prefix + text);
    };
    return {
      point: (group: Group, point: Point) => put(group, pointLine(point)),
      points(groups, points, count) {
        for (let i = 0; i < count; i++) put(groups[i] as Group, pointLine(points[i] as Point));
      },
      beginBatch: (group: Group, begin: BatchBegin) => put(group, batchLine(group, begin)),
      batchPoint: (group: Group, point: Point) => put(group, `  ${pointLine(point)}`),
      endBatch() {},
      barrier: (group, ms, ns) => put(group, `barrier ${group.id} ${timeText(ms, ns)}`),
      deleteGroup: (group) => put(group, `delete ${group.id}`),
      finish() {},
    };
  }

  /** The counters that the expected text names, with their values now. */
  #statLines(expected: string): string {
    return lines(
      linesOf(expected).map((line) => {
        const [node = "", ...counters] = line.split(" ");
        const values = counters.map((counter) => {
          const name = counter.split("=")[0] ?? "";
          return `${name}=${this.#stats[node]?.[name]}`;
        });
        return [node, ...values].join(" ");
      }),
    );
  }
}

/** Adds a capturing node under every node that has no child. */
function captured(script: ScriptResult, spec: AnyNodeSpec): ScriptResult {
  const parents = new Set(
    script.nodes.flatMap((node) => (node.type.observesParent === true ? [] : node.parents)),
  );
  const type = nodeTypeOf(spec);
  const leaves = script.nodes.filter(
    (node) => !parents.has(node) && node.type.provides !== "none" && node.type.method !== "noop",
  );
  const captures = leaves.map(
    (leaf, i): NodeDefinition => ({
      id: CAPTURE_ID + i,
      name: leaves.length === 1 ? "" : `${leaf.name}: `,
      type,
      args: [],
      parents: [leaf],
      calls: [],
      position: undefined,
    }),
  );
  return { ...script, nodes: [...script.nodes, ...captures] };
}

/** Reads the input sections and carries out their orders. */
class Feeder {
  drains = true;
  readonly #offline: OfflineEngine;
  readonly #tables: readonly GroupTable[];

  constructor(offline: OfflineEngine, queries: number) {
    this.#offline = offline;
    this.#tables = Array.from({ length: queries }, () => new GroupTable());
  }

  async lines(text: string): Promise<void> {
    let where = HOME;
    let body: string[] = [];
    const send = async (): Promise<void> => {
      const lines = body;
      body = [];
      if (lines.length > 0) await this.#write(lines, where);
    };
    for (const line of linesOf(text)) {
      if (!line.startsWith("@")) {
        body.push(withTime(line));
        continue;
      }
      await send();
      const [order, first = "", second = ""] = line.split(" ");
      if (order === "@from") where = { db: first, rp: second };
      else await this.#order(line);
    }
    await send();
  }

  async batches(text: string): Promise<void> {
    let query = 0;
    for (const line of linesOf(text)) {
      if (line.startsWith("@query ")) query = Number(line.slice(7));
      else if (line.startsWith("@")) await this.#order(line);
      else await this.#push(query, line);
    }
  }

  async #push(query: number, line: string): Promise<void> {
    const table = this.#tables[query];
    if (table === undefined) throw new CaseError(`the task has no query ${query}`);
    for (const batch of readBatches(new TextEncoder().encode(line), "the batches")) {
      pushBatch(this.#offline, { task: OFFLINE_TASK, query, batch, table, shift: 0 });
      await this.#offline.turn();
    }
  }

  async #order(line: string): Promise<void> {
    const [order, given = ""] = line.split(" ");
    const { clock, outside } = this.#offline;
    if (order === "@running") {
      this.drains = false;
    } else if (order === "@status") {
      outside.posts.answer = { status: Number(given), body: "said" };
    } else if (order === "@advance") {
      const nanos = nanosOf(given);
      if (nanos === undefined) throw new CaseError(`bad duration in "${line}"`);
      clock.advance(Number(nanos) / 1e6);
    } else {
      throw new CaseError(`unknown order "${line}"`);
    }
    await this.#offline.turn();
  }

  async #write(lines: readonly string[], where: { db: string; rp: string }): Promise<void> {
    const body = new TextEncoder().encode(lines.join("\n"));
    const { engine } = this.#offline;
    const written = engine.write({ ...where, precision: "ns", body });
    const outcome = await this.#offline.settle(written);
    await this.#offline.turn();
    if (outcome.kind === "malformed") throw new CaseError(`bad input: ${outcome.errors[0]}`);
    if (outcome.kind !== "written") throw new CaseError("the input is too large for one write");
  }
}

/** The line with its time in nanoseconds when it is an offset. */
function withTime(line: string): string {
  const at = line.lastIndexOf(" ");
  const time = line.slice(at + 1);
  if (!/^-?\d+[a-zµ]+$/.test(time)) return line;
  const nanos = nanosOf(time);
  return nanos === undefined ? line : `${line.slice(0, at)} ${nanos}`;
}

/** What each handler was told: its kind and its JSON. */
function toldLines({ event, previousLevel, handlers }: RaisedEvent): readonly string[] {
  const told = handlers.length === 0 ? ["(nobody)"] : handlers;
  const data = encodeAlertData({ event, previousLevel });
  return told.map((handler) => `${event.topic} ${handler} ${data}`);
}

/** Lines that say something. */
function linesOf(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

function lines(items: readonly string[]): string {
  return items.map((item) => `${item}\n`).join("");
}

function timeOf(text: string): Time {
  const time = parseTime(text);
  if (time === undefined) throw new CaseError(`bad time "${text}"`);
  return time;
}

function precisionOf(text: string): LinePrecision {
  const known = Object.keys(PRECISION_NS).find((unit) => unit === text);
  if (known === undefined) throw new CaseError(`unknown precision "${text}"`);
  return known as LinePrecision;
}
