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
import type { Point } from "#model/point.ts";
import type { FieldType, FieldValue } from "#model/shape.ts";
import type { GroupState } from "./group-state.ts";
import { GroupTable } from "./grouping.ts";
import { type JoinBatch, type Joined, JoinOutput } from "./join-output.ts";
import { HELD_MESSAGES_MAX } from "./limits.ts";
import type { NodeContext } from "./node.ts";

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

export class JoinGroups {
  readonly #options: JoinOptions;
  readonly #inputs: number;
  readonly #context: NodeContext;
  readonly #output: JoinOutput;
  readonly #byGroup: GroupState<JoinGroup>;
  readonly #groups = new Map<string, JoinGroup>();
  readonly #scopes = new Map<string, Scope>();
  readonly #outputs = new GroupTable();
  #held = 0;
  #unfinished: number;

  constructor(options: JoinOptions, context: NodeContext) {
    this.#options = options;
    this.#inputs = context.parents.length;
    this.#unfinished = this.#inputs;
    this.#context = context;
    this.#output = new JoinOutput(options, context.out);
    this.#byGroup = context.groupState();
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
    this.#groups.delete(key);
    joinGroup.scope.members.delete(joinGroup);
    for (const { sets } of joinGroup.moments) this.#held -= sets.length;
    joinGroup.moments.length = 0;
    this.#forgetHeads(joinGroup.scope, source);
    if (this.#options.on.length === 0) this.#scopes.delete(joinGroup.scope.key);
  }

  /** One input has ended; after the last everything left goes out. */
  finish(): void {
    if (--this.#unfinished > 0) return;
    for (const group of this.#groups.values()) {
      for (const moment of group.moments.splice(0)) {
        for (const set of moment.sets) this.#output.emit(group.out, set, moment.ms, moment.ns);
      }
      group.scope.members.delete(group);
    }
    this.#context.out.finish();
  }

  #forgetHeads(scope: Scope, source: number): void {
    if (this.#options.deleteAll) scope.heads.fill(undefined);
    else scope.heads[source] = undefined;
    const kept = scope.matches.filter((match) => match.source !== source);
    this.#held -= scope.matches.length - kept.length;
    scope.matches.splice(0, scope.matches.length, ...kept);
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
      scope = { key, heads, members: new Set(), matches: [] };
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
      this.#hold();
      sets.push(set);
      for (const match of group.scope.matches) {
        if (match.ms === ms && match.ns === ns) place(set, match.source, match.item);
      }
    }
    place(set, source, item);
    group.scope.members.add(group);
  }

  /** A matching item meets every waiting set of its time, and those that come later. */
  #addMatch(scope: Scope, match: Match): void {
    this.#hold();
    scope.matches.push(match);
    for (const member of scope.members) {
      const moment = member.moments.find(({ ms, ns }) => ms === match.ms && ns === match.ns);
      for (const set of moment?.sets ?? []) place(set, match.source, match.item);
    }
  }

  #hold(): void {
    if (++this.#held > HELD_MESSAGES_MAX) throw new Error("too many messages held for the join");
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
        this.#held--;
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
    while (matches[0] !== undefined && passed(matches[0])) {
      matches.shift();
      this.#held--;
    }
  }
}

function place(set: Joined, source: number, item: Point | JoinBatch): void {
  if (set.items[source] !== undefined) return;
  set.items[source] = item;
  set.count++;
}

function keyOf(group: Group): string {
  return group.id;
}
