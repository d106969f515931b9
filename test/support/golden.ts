/**
 * Runs golden cases on the real engine with a virtual clock.
 *
 * `in` is line protocol whose times may be offsets from 1970 (`10s`, `1m`), plus directives on lines of their own:
 * `@advance 10s` moves the wall clock, `@from db rp` changes where following lines are written, `@running` at the end
 * leaves out the drain, `@status 500` is what posts are answered from then on. `batch` has batches as recordings have them, one JSON object a line, with the same
 * directives; `@query 1` says which query of the script gets the following ones (0 is the first). `files` are
 * those of sideload, a path and a JSON object a line. Sections of the case say what is checked: `out` what leaves the last nodes, `groups` the
 * groups it had, `asked` the texts of queries, `written` the lines for InfluxDB, `posts` what was posted, `events`, `errors` (log lines), `stats` (counters named), `json` (httpOut endpoints), `error` (why the
 * task was refused or died).
 */

import type { AlertEvent } from "#alert/event.ts";
import { levelName } from "#alert/level.ts";
import { BatchGroups } from "#engine/batch-groups.ts";
import { type AnyNodeSpec, defineNode } from "#engine/node.ts";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import type { PostRequest } from "#engine/outside-ports.ts";
import type { BatchBegin, Receiver } from "#engine/receiver.ts";
import { formatGoDuration, formatTickDuration, parseInfluxDuration } from "#lib/duration.ts";
import { errorMessage } from "#lib/errors.ts";
import { fromBigInt } from "#lib/int64.ts";
import { encodeJson } from "#lib/json.ts";
import { timeToNanos } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { FieldType, FieldValue } from "#model/shape.ts";
import { readBatches } from "#tasks/recording-file.ts";
import type { NodeDefinition, NodeType, ScriptResult, TickEnvironment } from "#tick/environment.ts";
import { evaluateScript } from "#tick/evaluate.ts";
import { TestEngine, taskOf } from "./engine.ts";
import { type GoldenCase, parseCase, type Section } from "./golden-case.ts";

/** The sections that a run writes, with their text. Only those that the case has. */
export async function runCase(golden: GoldenCase): Promise<ReadonlyMap<Section, string>> {
  const run = new Run();
  await run.execute(golden);
  const sections = new Map<Section, string>();
  for (const name of golden.sections.keys()) {
    const text = run.section(name, golden.sections.get(name) ?? "");
    if (text !== undefined) sections.set(name, text);
  }
  return sections;
}

/** The case with its outputs as they are now. */
export async function updateCase(text: string): Promise<GoldenCase> {
  const golden = parseCase(text);
  const sections = new Map(golden.sections);
  for (const [name, body] of await runCase(golden)) sections.set(name, body);
  return { ...golden, sections };
}

const CAPTURE = "(capture)";

class Run {
  readonly #out: string[] = [];
  readonly #groups = new Set<string>();
  readonly #specs = new Map<string, AnyNodeSpec>([...NODE_SPECS, [CAPTURE, this.#captureSpec()]]);
  readonly #test = new TestEngine({ specs: this.#specs });
  #refused = "";
  #drains = true;
  readonly #fed = new BatchGroups();
  #json: Record<string, unknown> = {};
  #stats: Readonly<Record<string, Readonly<Record<string, number>>>> = {};

  async execute(golden: GoldenCase): Promise<void> {
    const { engine, environment } = this.#test;
    const script = golden.sections.get("task") ?? "";
    let result: ScriptResult;
    try {
      result = evaluateScript(script, { environment });
    } catch (error) {
      this.#refused = errorMessage(error);
      return;
    }
    this.#readFiles(golden.sections.get("files") ?? "");
    const task = taskOf("t", script, {}, result.type);
    const outcome = engine.startScript(task, this.#captured(result, environment));
    if (outcome.kind === "refused") {
      this.#refused = outcome.error;
      return;
    }
    await this.#feed(golden.sections.get("batch") ?? "");
    await this.#feed(golden.sections.get("in") ?? "");
    await this.#end();
  }

  /** The section's text after the run; `undefined` for inputs. */
  section(name: Section, expected: string): string | undefined {
    switch (name) {
      case "out":
        return lines(this.#out);
      case "groups":
        return lines([...this.#groups]);
      case "asked":
        return lines(this.#test.outside.queries.asked);
      case "written":
        return lines(this.#test.outside.points.lines);
      case "posts":
        return lines(this.#test.outside.posts.requests.map(postLine));
      case "events":
        return lines(this.#test.alerts.events.map(eventLine));
      case "errors":
        return lines(this.#test.errors());
      case "error": {
        const [dead] = this.#test.failed;
        return lines([dead?.error ?? this.#refused].filter((text) => text !== ""));
      }
      case "json":
        return `${encodeJson(this.#json)}\n`;
      case "stats":
        return this.#statLines(expected);
      default:
        return undefined;
    }
  }

  async #feed(input: string): Promise<void> {
    const { clock, outside } = this.#test;
    let where = { db: "db", rp: "rp" };
    let query = 0;
    for (const line of input.split("\n")) {
      if (line === "" || line.startsWith("#")) continue;
      const [directive, first = "", second = ""] = line.split(" ");
      if (directive === "@advance") clock.advance(Number(nanosOf(first)) / 1e6);
      else if (directive === "@from") where = { db: first, rp: second };
      else if (directive === "@running") this.#drains = false;
      else if (directive === "@query") query = Number(first);
      else if (directive === "@status") {
        outside.posts.answer = async () => ({ status: Number(first), body: "said" });
      } else if (line.startsWith("{")) this.#pushBatch(query, line);
      else await this.#write(line, where);
      await turns();
    }
  }

  async #end(): Promise<void> {
    const { engine } = this.#test;
    this.#json = Object.fromEntries(
      engine.endpoints().map((name) => {
        const endpoint = name.slice(2);
        return [endpoint, engine.endpoint("t", endpoint)];
      }),
    );
    this.#stats = engine.stats("t")?.nodeStats ?? {};
    if (this.#drains) await engine.stop("t");
  }

  #readFiles(text: string): void {
    for (const line of text.split("\n")) {
      const at = line.indexOf(" ");
      if (at > 0)
        this.#test.outside.sideloads.files.set(line.slice(0, at), JSON.parse(line.slice(at)));
    }
  }

  #pushBatch(query: number, json: string): void {
    for (const { name, tags, byName, tmax, points } of readBatches(encoder.encode(json), "batch")) {
      const begin = { name, tmaxMs: tmax.ms, tmaxNs: tmax.ns, sizeHint: points.length };
      const group = this.#fed.find(name, tags, byName);
      this.#test.engine.pushBatch("t", query, { group, begin, points });
    }
  }

  async #write(line: string, where: { readonly db: string; readonly rp: string }): Promise<void> {
    const at = line.lastIndexOf(" ");
    const time = line.slice(at + 1);
    const nanos = /^-?\d+[a-zµ]+$/.test(time) ? String(nanosOf(time)) : time;
    const outcome = await this.#test.write(`${line.slice(0, at)} ${nanos}\n`, where);
    if (outcome.kind !== "written") throw new Error(`bad input line: ${line}`);
  }

  /** Adds a capturing node under every node that has no child. */
  #captured(script: ScriptResult, environment: TickEnvironment): ScriptResult {
    const parents = new Set(
      script.nodes.flatMap((node) => (node.type.observesParent === true ? [] : node.parents)),
    );
    const type = environment.nodes.get(CAPTURE) as NodeType;
    const leaves = script.nodes.filter(
      (node) => !parents.has(node) && node.type.provides !== "none" && node.type.method !== "noop",
    );
    const captures = leaves.map(
      (leaf, i): NodeDefinition => ({
        id: 1_000 + i,
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
      point: (group, point) => put(group, pointLine(point)),
      beginBatch: (group, begin) => put(group, batchLine(group, begin)),
      batchPoint: (group, point) => put(group, `  ${pointLine(point)}`),
      endBatch() {},
      barrier: (group, ms, ns) => put(group, `barrier ${group.id} ${offset(ms, ns)}`),
      deleteGroup: (group) => put(group, `delete ${group.id}`),
      finish() {},
    };
  }

  /** The counters that the expected text names, with their values now. */
  #statLines(expected: string): string {
    const named = expected.split("\n").filter((line) => line !== "");
    return lines(
      named.map((line) => {
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

const encoder = new TextEncoder();

/** Lets what was promised happen. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

function postLine({ url, headers, body, timeoutMs }: PostRequest): string {
  const named = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const limit = timeoutMs === 0 ? [] : [`${timeoutMs}ms`];
  return [url, ...limit, ...named, body.trimEnd()].join(" | ");
}

function lines(items: readonly string[]): string {
  return items.map((item) => `${item}\n`).join("");
}

function nanosOf(duration: string): bigint {
  const negative = duration.startsWith("-");
  const parsed = parseInfluxDuration(negative ? duration.slice(1) : duration);
  if (parsed === undefined) throw new Error(`bad duration "${duration}"`);
  return negative ? -BigInt(parsed) : BigInt(parsed);
}

function offset(ms: number, ns: number): string {
  const nanos = timeToNanos(ms, ns);
  if (nanos % 1_000_000_000n === 0n) return `${nanos / 1_000_000_000n}s`;
  return formatTickDuration(fromBigInt(nanos));
}

function eventLine(event: AlertEvent): string {
  const { topic, id, level, time, duration, message } = event;
  return `${topic} ${id} ${levelName(level)} ${offset(time.ms, time.ns)} ${formatGoDuration(duration)} ${message}`;
}

function batchLine(group: Group, begin: BatchBegin): string {
  return `batch ${key(begin.name, group.series.tags())} ${offset(begin.tmaxMs, begin.tmaxNs)}`;
}

function pointLine({ series, shape, values, timeMs, timeNs }: Point): string {
  const fields = shape.names
    .map((name, slot) => `${name}=${fieldText(shape.types[slot], values[slot])}`)
    .join(",");
  return `${key(series.name, series.tags())} ${fields} ${offset(timeMs, timeNs)}`;
}

function key(name: string, tags: Readonly<Record<string, string>>): string {
  return [name, ...Object.entries(tags).map(([tag, held]) => `${tag}=${held}`)].join(",");
}

function fieldText(type: FieldType | undefined, held: FieldValue | undefined): string {
  switch (type) {
    case "int":
      return `${held}i`;
    case "uint":
      return `${held}u`;
    case "string":
      return JSON.stringify(held);
    case "duration":
      return formatTickDuration(held as number | bigint);
    default:
      return String(held);
  }
}
