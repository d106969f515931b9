/**
 * The state of a task's nodes as plain data, and the way back.
 *
 * A node hands out one codec per state it keeps (`NodeContext.groupState`) and may save what it keeps besides
 * (`NodeContext.saved`). Groups, series and shapes are written once and referred to by number. Each node's part
 * carries the version of its own form; a part of another version is left out, so the node starts empty. On the way
 * back groups come first, as the same objects that their nodes will find again, then the states in them.
 * All values are JSON-able: int64s beyond 2^53 and floats that JSON lacks are wrapped.
 */

import type { Time } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import { Point } from "#model/point.ts";
import { Series } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape, type Shape } from "#model/shape.ts";
import type { GroupState } from "./group-state.ts";
import type { GroupTable } from "./group-table.ts";
import type { BatchBegin } from "./receiver.ts";

/** Plain data. Its form is told by `version`; another one is not read. */
export interface TaskSnapshot {
  readonly version: number;
  /** Names of all nodes in order: it is restored only when they still match. */
  readonly nodes: readonly string[];
  readonly dimensions: readonly SavedDimensions[];
  readonly groups: readonly SavedGroup[];
  readonly series: readonly SavedSeries[];
  readonly shapes: readonly SavedShape[];
  readonly states: readonly SavedNode[];
}

export const SNAPSHOT_VERSION = 1;

type SavedDimensions = readonly [byName: boolean, tagNames: readonly string[]];
/** `table` is the place of the group's table among all tables of the task; −1 is the task's own group. */
type SavedGroup = readonly [
  table: number,
  name: string,
  dimensions: number,
  tagValues: readonly string[],
];
type SavedSeries = readonly [
  db: string,
  rp: string,
  name: string,
  tagKeys: readonly string[],
  tagValues: readonly string[],
];
type SavedShape = readonly [names: readonly string[], types: readonly FieldType[]];

export interface SavedNode {
  readonly version: number;
  /** Per group state of the node, in order: group and state. */
  readonly groups: readonly (readonly (readonly [group: number, state: unknown])[])[];
  readonly parts: readonly unknown[];
}

/** The snapshot is damaged or of another form. Nothing should be taken from it. */
export class SnapshotError extends Error {
  override name = "SnapshotError";
}

/** How one state of a group is saved. */
export interface StateCodec<S> {
  save(state: S, out: SnapshotWriter): unknown;
  /** `undefined` leaves the group without state. Throws `SnapshotError`. */
  load(saved: unknown, group: Group, from: SnapshotReader): S | undefined;
}

/** What a node keeps besides the states of groups. */
export interface SavedPart {
  save(out: SnapshotWriter): unknown;
  load(saved: unknown, from: SnapshotReader): void;
}

/** What a node has registered, in order. */
export interface NodeStates {
  readonly version: number;
  readonly groups: readonly RegisteredState[];
  readonly parts: readonly SavedPart[];
}

/** A state with its codec; its type is known to the node alone. */
export interface RegisteredState {
  readonly state: GroupState<unknown>;
  readonly codec: StateCodec<unknown> | undefined;
}

/** The cast is the one spot where a state's type is forgotten: its codec is only ever given its own states. */
export function registered<S>(
  state: GroupState<S>,
  codec: StateCodec<S> | undefined,
): RegisteredState {
  return {
    state: state as GroupState<unknown>,
    codec: codec as StateCodec<unknown> | undefined,
  };
}

/** Everything of a task that a snapshot is made of. */
export interface SnapshotSources {
  readonly names: readonly string[];
  /** In the order of the nodes. */
  readonly tables: readonly GroupTable[];
  /** Groups that no table has. */
  readonly loose: readonly Group[];
  readonly nodes: readonly NodeStates[];
}

const LOOSE = -1;

export function takeSnapshot(sources: SnapshotSources): TaskSnapshot {
  return new SnapshotWriter(sources).write();
}

/** Fills tables and states of a task that has not started. Throws `SnapshotError`; the task is of no use then. */
export function restoreSnapshot(saved: TaskSnapshot, sources: SnapshotSources): void {
  new SnapshotReader(saved, sources).read();
}

/** True when the snapshot is of these nodes. */
export function snapshotFits(saved: TaskSnapshot, names: readonly string[]): boolean {
  if (saved.version !== SNAPSHOT_VERSION || !Array.isArray(saved.nodes)) return false;
  return saved.nodes.length === names.length && saved.nodes.every((name, i) => name === names[i]);
}

/** Numbers things in order of first sight. */
class Numbered<T> {
  readonly items: T[] = [];
  readonly #numbers = new Map<T, number>();

  numberOf(item: T): number {
    let number = this.#numbers.get(item);
    if (number === undefined) {
      number = this.items.length;
      this.items.push(item);
      this.#numbers.set(item, number);
    }
    return number;
  }

  known(item: T): number | undefined {
    return this.#numbers.get(item);
  }
}

export class SnapshotWriter {
  readonly #sources: SnapshotSources;
  readonly #groups = new Numbered<Group>();
  readonly #dimensions = new Numbered<Group["dimensions"]>();
  readonly #series = new Numbered<Series>();
  readonly #shapes = new Numbered<Shape>();

  constructor(sources: SnapshotSources) {
    this.#sources = sources;
  }

  write(): TaskSnapshot {
    const { names, tables, loose, nodes } = this.#sources;
    const groups: SavedGroup[] = [];
    const add = (group: Group, table: number): void => {
      this.#groups.numberOf(group);
      const dimensions = this.#dimensions.numberOf(group.dimensions);
      groups.push([table, group.name, dimensions, group.tagValues]);
    };
    for (const group of loose) add(group, LOOSE);
    tables.forEach((table, i) => {
      for (const group of table.groups()) add(group, i);
    });
    const states = nodes.map((node) => this.#node(node));
    return {
      version: SNAPSHOT_VERSION,
      nodes: names,
      dimensions: this.#dimensions.items.map(({ byName, tagNames }) => [byName, tagNames]),
      groups,
      series: this.#series.items.map((s) => [s.db, s.rp, s.name, s.tagKeys, s.tagValues]),
      shapes: this.#shapes.items.map(({ names: fields, types }) => [fields, types]),
      states,
    };
  }

  #node({ version, groups, parts }: NodeStates): SavedNode {
    return {
      version,
      groups: groups.map(({ state, codec }) =>
        codec === undefined ? [] : this.#all(state, codec),
      ),
      parts: parts.map((part) => part.save(this)),
    };
  }

  #all(
    state: GroupState<unknown>,
    codec: StateCodec<unknown>,
  ): readonly (readonly [number, unknown])[] {
    const saved: (readonly [number, unknown])[] = [];
    if (state.size === 0) return saved;
    this.#groups.items.forEach((group, number) => {
      const held = state.get(group);
      if (held !== undefined) saved.push([number, codec.save(held, this)]);
    });
    return saved;
  }

  /** The group's number; −1 when it is not known to its task any more. */
  group(group: Group): number {
    return this.#groups.known(group) ?? -1;
  }

  series(series: Series): number {
    return this.#series.numberOf(series);
  }

  point({ series, shape, values, timeMs, timeNs }: Point): unknown {
    const numbers = [this.#series.numberOf(series), this.#shapes.numberOf(shape)];
    return [...numbers, values.map(saveValue), timeMs, timeNs];
  }

  points(points: readonly Point[]): unknown {
    return points.map((point) => this.point(point));
  }
}

export class SnapshotReader {
  readonly #saved: TaskSnapshot;
  readonly #sources: SnapshotSources;
  readonly #groups: Group[] = [];
  readonly #series: Series[] = [];
  readonly #shapes: Shape[] = [];

  constructor(saved: TaskSnapshot, sources: SnapshotSources) {
    this.#saved = saved;
    this.#sources = sources;
  }

  read(): void {
    try {
      this.#readTables();
      this.#sources.nodes.forEach((node, i) => this.#readNode(node, this.#saved.states[i]));
    } catch (error) {
      if (error instanceof SnapshotError) throw error;
      throw new SnapshotError("the snapshot is damaged", { cause: error });
    }
  }

  /** Throws `SnapshotError` for a number that is none. */
  group(number: unknown): Group {
    return this.#at(this.#groups, number, "group");
  }

  series(number: unknown): Series {
    return this.#at(this.#series, number, "series");
  }

  point(saved: unknown): Point {
    const [series, shape, values, ms, ns] = savedTuple(saved, 5);
    const known = this.#at(this.#shapes, shape, "shape");
    const held = savedList(values).map(loadValue);
    if (held.length !== known.names.length) throw new SnapshotError("a point lacks values");
    return new Point(this.series(series), known, held, savedNumber(ms), savedNumber(ns));
  }

  points(saved: unknown): readonly Point[] {
    return savedList(saved).map((point) => this.point(point));
  }

  #readTables(): void {
    const { dimensions, groups, series, shapes } = this.#saved;
    const { tables, loose } = this.#sources;
    const known = dimensions.map(([byName, tagNames]) => ({ byName, tagNames }));
    let nextLoose = 0;
    for (const [table, name, at, tagValues] of groups) {
      const group =
        table === LOOSE
          ? loose[nextLoose++]
          : tables[table]?.find(name, this.#at(known, at, "dimensions"), tagValues);
      if (group === undefined) throw new SnapshotError("a group has no table");
      this.#groups.push(group);
    }
    for (const [db, rp, name, keys, values] of series) {
      this.#series.push(new Series(db, rp, name, keys, values));
    }
    for (const [names, types] of shapes) this.#shapes.push(internShape(names, types));
  }

  #readNode({ version, groups, parts }: NodeStates, saved: SavedNode | undefined): void {
    if (saved === undefined || saved.version !== version) return;
    groups.forEach(({ state, codec }, i) => {
      if (codec === undefined) return;
      for (const [number, held] of saved.groups[i] ?? []) {
        const group = this.group(number);
        const loaded = codec.load(held, group, this);
        if (loaded !== undefined) state.set(group, loaded);
      }
    });
    parts.forEach((part, i) => {
      const held = saved.parts[i];
      if (held !== undefined && held !== null) part.load(held, this);
    });
  }

  #at<T>(items: readonly T[], number: unknown, what: string): T {
    const item = typeof number === "number" ? items[number] : undefined;
    if (item === undefined) throw new SnapshotError(`no ${what} ${String(number)}`);
    return item;
  }
}

/** A list of exactly this many values. Throws `SnapshotError`. */
export function savedTuple(saved: unknown, length: number): readonly unknown[] {
  const items = savedList(saved);
  if (items.length !== length) throw new SnapshotError(`${length} values wanted`);
  return items;
}

export function savedList(saved: unknown): readonly unknown[] {
  if (!Array.isArray(saved)) throw new SnapshotError("a list wanted");
  return saved;
}

export function savedNumber(saved: unknown): number {
  if (typeof saved !== "number") throw new SnapshotError("a number wanted");
  return saved;
}

export function savedText(saved: unknown): string {
  if (typeof saved !== "string") throw new SnapshotError("a text wanted");
  return saved;
}

/** A field's value, or a number of any sort, as JSON keeps it. */
export function saveValue(value: FieldValue): unknown {
  if (typeof value === "bigint") return { $i: String(value) };
  if (typeof value !== "number") return value;
  if (Number.isFinite(value) && !Object.is(value, -0)) return value;
  return { $f: Object.is(value, -0) ? "-0" : String(value) };
}

export function loadValue(saved: unknown): FieldValue {
  switch (typeof saved) {
    case "number":
    case "string":
    case "boolean":
      return saved;
    case "object": {
      if (saved === null) return null;
      const { $i, $f } = saved as { readonly $i?: unknown; readonly $f?: unknown };
      if (typeof $i === "string") return BigInt($i);
      if (typeof $f === "string") return Number($f);
      break;
    }
    default:
  }
  throw new SnapshotError("a value wanted");
}

/** The head of a batch, saved as it is. */
export function readBegin(saved: unknown): BatchBegin {
  if (typeof saved !== "object" || saved === null) throw new SnapshotError("a batch wanted");
  const { name, tmaxMs, tmaxNs, sizeHint } = saved as Readonly<Record<string, unknown>>;
  return {
    name: savedText(name),
    tmaxMs: savedNumber(tmaxMs),
    tmaxNs: savedNumber(tmaxNs),
    sizeHint: savedNumber(sizeHint),
  };
}

/** A time, saved as it is. */
export function readTime(saved: unknown): Time {
  if (typeof saved !== "object" || saved === null) throw new SnapshotError("a time wanted");
  const { ms, ns } = saved as Readonly<Record<string, unknown>>;
  return { ms: savedNumber(ms), ns: savedNumber(ns) };
}
