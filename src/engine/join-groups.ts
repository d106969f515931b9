/**
 * The state of a join: per group, the sets that wait for inputs.
 *
 * Group objects differ per input; they meet here by key, found once per incoming group. With `on`, all
 * specific groups of one set of on-tags share the inputs' times, and matching points are kept until every
 * input has passed them.
 */

import type { DurationNs } from "#lib/int64.ts";
import { compareTime } from "#lib/time.ts";
import { type Group, groupIdOf } from "#model/group.ts";
import { Point } from "#model/point.ts";
import type { FieldType, FieldValue } from "#model/shape.ts";
import type { GroupState } from "./group-state.ts";
import type { GroupTable } from "./group-table.ts";
import { type JoinBatch, type Joined, JoinOutput } from "./join-output.ts";
import { HELD_MESSAGES_MAX } from "./limits.ts";
import type { NodeContext } from "./node.ts";
import {
  readTime,
  SnapshotError,
  type SnapshotReader,
  type SnapshotWriter,
  savedList,
  savedNumber,
  savedText,
  savedTuple,
} from "./snapshot.ts";

export type JoinFill =
  | { readonly kind: "none" }
  | { readonly kind: "value"; readonly type: FieldType; readonly value: FieldValue };

export interface JoinOptions {
  readonly as: readonly string[];
  readonly delimiter: string;
  readonly on: readonly string[];
  readonly streamName: string;
  readonly tolerance: DurationNs;
  readonly fill: JoinFill;
  readonly deleteAll: boolean;
}

/** The time an input has reached; undefined before its first message. */
interface Head {
  ms: number;
  ns: number;
}

/** Sets of one time, in order. */
interface Moment {
  readonly ms: number;
  readonly ns: number;
  readonly sets: Joined[];
}

/** Groups that share the inputs' times: one group, or with `on` all groups of the same on-tags. */
interface Scope {
  readonly key: string;
  /** Number of its groups. */
  groups: number;
  readonly heads: (Head | undefined)[];
  /** Groups with sets waiting. */
  readonly members: Set<JoinGroup>;
  /** Matching points per input that still may meet a specific one (`on` only), in order of arrival. */
  readonly matches: Match[];
}

interface Match {
  readonly source: number;
  readonly ms: number;
  readonly ns: number;
  readonly item: Point | JoinBatch;
}

interface JoinGroup {
  readonly out: Group;
  readonly scope: Scope;
  /** In order of time. */
  readonly moments: Moment[];
}

/** Points that wait in an item. */
function sizeOf(item: Point | JoinBatch | undefined): number {
  return item === undefined ? 0 : item instanceof Point ? 1 : item.points.length;
}

export class JoinGroups {
  readonly #options: JoinOptions;
  readonly #inputs: number;
  readonly #context: NodeContext;
  readonly #output: JoinOutput;
  readonly #byGroup: GroupState<JoinGroup>;
  readonly #groups = new Map<string, JoinGroup>();
  readonly #scopes = new Map<string, Scope>();
  readonly #outputs: GroupTable;
  #held = 0;
  #unfinished: number;

  constructor(options: JoinOptions, context: NodeContext) {
    this.#options = options;
    this.#inputs = context.parents.length;
    this.#unfinished = this.#inputs;
    this.#context = context;
    this.#output = new JoinOutput(options, context.out);
    this.#byGroup = context.groupState();
    this.#outputs = context.groupTable();
    context.saved({
      save: (out) => this.#save(out),
      load: (saved, from) => this.#load(saved, from),
    });
  }

  /** The group under which results of this incoming group go out. */
  outputOf(group: Group): Group {
    return this.#isMatch(group)
      ? this.#outputs.find(group.name, group.dimensions, group.tagValues)
      : this.#groupOf(group).out;
  }

  /** An input has sent something of this (rounded) time. */
  add(source: number, group: Group, ms: number, ns: number, item: Point | JoinBatch): void {
    if (this.#isMatch(group)) {
      const scope = this.#scopeOf(group);
      this.#addMatch(scope, { source, ms, ns, item });
      this.#reach(scope, source, ms, ns);
      for (const member of [...scope.members]) this.#emit(member);
      this.#dropPassed(scope);
      return;
    }
    const joinGroup = this.#groupOf(group);
    const { scope } = joinGroup;
    this.#put(joinGroup, source, ms, ns, item);
    this.#reach(scope, source, ms, ns);
    if (this.#options.on.length === 0) {
      this.#emit(joinGroup);
      return;
    }
    for (const member of [...scope.members]) this.#emit(member);
    this.#dropPassed(scope);
  }

  /** An input has passed a time without sending (barrier). */
  advance(source: number, group: Group, ms: number, ns: number): void {
    const scope = this.#isMatch(group) ? this.#scopeOf(group) : this.#groupOf(group).scope;
    this.#reach(scope, source, ms, ns);
    for (const member of [...scope.members]) this.#emit(member);
    this.#dropPassed(scope);
  }

  delete(source: number, group: Group): void {
    if (this.#isMatch(group)) {
      const scope = this.#scopes.get(this.#scopeKey(group));
      if (scope !== undefined) this.#forgetHeads(scope, source);
      return;
    }
    const key = keyOf(group);
    const joinGroup = this.#groups.get(key);
    this.#byGroup.delete(group);
    if (joinGroup === undefined) return;
    const { scope, moments } = joinGroup;
    this.#groups.delete(key);
    scope.groups--;
    scope.members.delete(joinGroup);
    for (const { sets } of moments) for (const set of sets) this.#letGo(set);
    moments.length = 0;
    this.#forgetHeads(scope, source);
  }

  /** The group has been deleted below; see `delete`. */
  forget(out: Group): void {
    this.#outputs.remove(out);
  }

  /** One input has ended; after the last everything left goes out. */
  finish(): void {
    if (--this.#unfinished > 0) return;
    for (const group of this.#groups.values()) {
      for (const moment of group.moments.splice(0)) {
        for (const set of moment.sets) {
          this.#letGo(set);
          this.#output.emit(group.out, set, moment.ms, moment.ns);
        }
      }
      group.scope.members.delete(group);
    }
    this.#context.out.finish();
  }

  #forgetHeads(scope: Scope, source: number): void {
    if (this.#options.deleteAll) scope.heads.fill(undefined);
    else scope.heads[source] = undefined;
    const kept = scope.matches.filter((match) => match.source !== source);
    for (const match of scope.matches) if (match.source === source) this.#letGoOf(match.item);
    scope.matches.splice(0, scope.matches.length, ...kept);
    if (scope.groups > 0 || kept.length > 0) return;
    // With `on` the times of the other inputs go on to count.
    const isOver = this.#options.on.length === 0 || scope.heads.every((head) => head === undefined);
    if (isOver) this.#scopes.delete(scope.key);
  }

  /** With `on`: true for groups that have exactly the on-tags. */
  #isMatch(group: Group): boolean {
    const { on } = this.#options;
    return on.length > 0 && group.dimensions.tagNames.length === on.length;
  }

  #groupOf(group: Group): JoinGroup {
    const known = this.#byGroup.get(group);
    if (known !== undefined && this.#groups.get(keyOf(known.out)) === known) return known;
    const key = keyOf(group);
    let joinGroup = this.#groups.get(key);
    if (joinGroup === undefined) {
      const out = this.#outputs.find(group.name, group.dimensions, group.tagValues);
      joinGroup = { out, scope: this.#scopeOf(group), moments: [] };
      joinGroup.scope.groups++;
      this.#groups.set(key, joinGroup);
    }
    return this.#byGroup.set(group, joinGroup);
  }

  #scopeKey(group: Group): string {
    const { on } = this.#options;
    if (on.length === 0) return keyOf(group);
    const { byName, tagNames } = group.dimensions;
    const values = on.map((key) => group.tagValues[tagNames.indexOf(key)] ?? "");
    return groupIdOf(group.name, { byName, tagNames: on }, values);
  }

  #scopeOf(group: Group): Scope {
    const key = this.#scopeKey(group);
    let scope = this.#scopes.get(key);
    if (scope === undefined) {
      const heads = Array.from({ length: this.#inputs }, () => undefined);
      scope = { key, groups: 0, heads, members: new Set(), matches: [] };
      this.#scopes.set(key, scope);
    }
    return scope;
  }

  #reach(scope: Scope, source: number, ms: number, ns: number): void {
    const head = scope.heads[source];
    if (head === undefined) {
      scope.heads[source] = { ms, ns };
    } else {
      head.ms = ms;
      head.ns = ns;
    }
  }

  /** Puts an item into the first set of its time that lacks it; a specific one meets its matches at once. */
  #put(group: JoinGroup, source: number, ms: number, ns: number, item: Point | JoinBatch): void {
    const { sets } = this.#momentOf(group, ms, ns);
    let set = sets.find((waiting) => waiting.items[source] === undefined);
    if (set === undefined) {
      set = { items: new Array(this.#inputs).fill(undefined), count: 0 };
      this.#count();
      sets.push(set);
      for (const match of group.scope.matches) {
        if (match.ms === ms && match.ns === ns) this.#place(set, match.source, match.item);
      }
    }
    this.#place(set, source, item);
    group.scope.members.add(group);
  }

  /** A matching item meets every waiting set of its time, and those that come later. */
  #addMatch(scope: Scope, match: Match): void {
    this.#count();
    this.#context.held.add(sizeOf(match.item));
    scope.matches.push(match);
    for (const member of scope.members) {
      const moment = member.moments.find(({ ms, ns }) => ms === match.ms && ns === match.ns);
      for (const set of moment?.sets ?? []) this.#place(set, match.source, match.item);
    }
  }

  #count(): void {
    if (++this.#held > HELD_MESSAGES_MAX) throw new Error("too many messages held for the join");
  }

  #place(set: Joined, source: number, item: Point | JoinBatch): void {
    if (set.items[source] !== undefined) return;
    this.#context.held.add(sizeOf(item));
    set.items[source] = item;
    set.count++;
  }

  /** A set leaves. */
  #letGo(set: Joined): void {
    this.#held--;
    for (const item of set.items) this.#context.held.release(sizeOf(item));
  }

  #letGoOf(item: Point | JoinBatch): void {
    this.#held--;
    this.#context.held.release(sizeOf(item));
  }

  #momentOf(group: JoinGroup, ms: number, ns: number): Moment {
    const { moments } = group;
    let at = moments.length;
    while (at > 0) {
      const moment = moments[at - 1] as Moment;
      const order = compareTime(moment.ms, moment.ns, ms, ns);
      if (order === 0) return moment;
      if (order < 0) break;
      at--;
    }
    const moment: Moment = { ms, ns, sets: [] };
    if (at === moments.length) moments.push(moment);
    else moments.splice(at, 0, moment);
    return moment;
  }

  /** Lets go of what is decided, oldest first. */
  #emit(group: JoinGroup): void {
    const { moments, scope, out } = group;
    for (;;) {
      const [oldest] = moments;
      if (oldest === undefined) break;
      const { ms, ns, sets } = oldest;
      const passed = scope.heads.every(
        (head) => head !== undefined && compareTime(head.ms, head.ns, ms, ns) > 0,
      );
      let gone = 0;
      for (const set of sets) {
        if (!passed && set.count < this.#inputs) break;
        gone++;
        this.#letGo(set);
        this.#output.emit(out, set, ms, ns);
      }
      if (gone < sets.length) {
        sets.splice(0, gone);
        break;
      }
      moments.shift();
    }
    if (moments.length === 0) scope.members.delete(group);
  }

  /** Forgets matching items that every input has passed. */
  #dropPassed(scope: Scope): void {
    const { matches, heads } = scope;
    const passed = ({ ms, ns }: Match): boolean =>
      heads.every((head) => head !== undefined && compareTime(head.ms, head.ns, ms, ns) > 0);
    for (;;) {
      const [oldest] = matches;
      if (oldest === undefined || !passed(oldest)) break;
      matches.shift();
      this.#letGoOf(oldest.item);
    }
  }

  #save(out: SnapshotWriter): unknown {
    const item = (held: Point | JoinBatch | undefined): unknown => {
      if (held === undefined) return null;
      if (held instanceof Point) return [out.point(held)];
      return [held.name, out.group(held.group), out.points(held.points)];
    };
    const scopes = [...this.#scopes.values()].map(({ key, heads, matches }) => [
      key,
      heads.map((head) => head ?? null),
      matches.map((match) => [match.source, match.ms, match.ns, item(match.item)]),
    ]);
    const groups = [...this.#groups].map(([key, { out: group, scope, moments }]) => [
      key,
      out.group(group),
      scope.key,
      moments.map(({ ms, ns, sets }) => [ms, ns, sets.map(({ items }) => items.map(item))]),
    ]);
    return [scopes, groups];
  }

  #load(saved: unknown, from: SnapshotReader): void {
    const [scopes, groups] = savedTuple(saved, 2);
    for (const scope of savedList(scopes)) this.#loadScope(savedTuple(scope, 3), from);
    for (const group of savedList(groups)) this.#loadGroup(savedTuple(group, 4), from);
  }

  #loadScope([savedKey, heads, matches]: readonly unknown[], from: SnapshotReader): void {
    const key = savedText(savedKey);
    const scope: Scope = {
      key,
      groups: 0,
      heads: savedTuple(heads, this.#inputs).map((head) =>
        head === null ? undefined : { ...readTime(head) },
      ),
      members: new Set(),
      matches: [],
    };
    for (const match of savedList(matches)) {
      const [source, ms, ns, held] = savedTuple(match, 4);
      const item = readItem(held, from);
      if (item === undefined) continue;
      const time = { ms: savedNumber(ms), ns: savedNumber(ns) };
      this.#addMatch(scope, { source: savedNumber(source), ...time, item });
    }
    this.#scopes.set(key, scope);
  }

  #loadGroup([key, number, scopeKey, moments]: readonly unknown[], from: SnapshotReader): void {
    const scope = this.#scopes.get(savedText(scopeKey));
    if (scope === undefined) throw new SnapshotError("a join's group has no scope");
    const group: JoinGroup = { out: from.group(number), scope, moments: [] };
    scope.groups++;
    for (const moment of savedList(moments)) {
      const [ms, ns, sets] = savedTuple(moment, 3);
      const time = { ms: savedNumber(ms), ns: savedNumber(ns) };
      const read = savedList(sets).map((items) => this.#loadSet(items, from));
      group.moments.push({ ...time, sets: read });
    }
    if (group.moments.length > 0) scope.members.add(group);
    this.#groups.set(savedText(key), group);
  }

  #loadSet(items: unknown, from: SnapshotReader): Joined {
    const set: Joined = { items: new Array(this.#inputs).fill(undefined), count: 0 };
    this.#count();
    savedTuple(items, this.#inputs).forEach((held, source) => {
      const item = readItem(held, from);
      if (item !== undefined) this.#place(set, source, item);
    });
    return set;
  }
}

function readItem(saved: unknown, from: SnapshotReader): Point | JoinBatch | undefined {
  if (saved === null) return undefined;
  const parts = savedList(saved);
  if (parts.length === 1) return from.point(parts[0]);
  const [name, group, points] = savedTuple(saved, 3);
  return { name: savedText(name), group: from.group(group), points: from.points(points) };
}

function keyOf(group: Group): string {
  return group.id;
}
