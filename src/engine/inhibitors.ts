/**
 * Which alerts hold others back, across all tasks of an engine.
 *
 * An alert group with `.inhibit('category', tags…)` is active while it last triggered non-OK. An event of
 * that category is inhibited when its values of the listed tags equal those of an active group; a missing
 * tag equals the empty string. Active groups are counted per category, tag list and values, so a check costs
 * one look-up per distinct tag list.
 */

/** One `.inhibit(category, tags…)`. */
export interface InhibitRule {
  readonly category: string;
  readonly tags: readonly string[];
}

interface TagList {
  readonly tags: readonly string[];
  /** Joined values → number of active groups. */
  readonly active: Map<string, number>;
}

export class Inhibitors {
  readonly #categories = new Map<string, TagList[]>();

  /** A group becomes active. Pair every call with `deactivate`. */
  activate(rule: InhibitRule, tag: (key: string) => string | undefined): void {
    const list = this.#listOf(rule);
    const key = valuesOf(rule.tags, tag);
    list.active.set(key, (list.active.get(key) ?? 0) + 1);
  }

  deactivate(rule: InhibitRule, tag: (key: string) => string | undefined): void {
    const list = this.#listOf(rule);
    const key = valuesOf(rule.tags, tag);
    const count = (list.active.get(key) ?? 0) - 1;
    if (count > 0) list.active.set(key, count);
    else list.active.delete(key);
  }

  isInhibited(category: string, tag: (key: string) => string | undefined): boolean {
    const lists = this.#categories.get(category);
    if (lists === undefined) return false;
    return lists.some((list) => list.active.size > 0 && list.active.has(valuesOf(list.tags, tag)));
  }

  #listOf(rule: InhibitRule): TagList {
    let lists = this.#categories.get(rule.category);
    if (lists === undefined) {
      lists = [];
      this.#categories.set(rule.category, lists);
    }
    const name = JSON.stringify(rule.tags);
    let list = lists.find((known) => JSON.stringify(known.tags) === name);
    if (list === undefined) {
      list = { tags: rule.tags, active: new Map() };
      lists.push(list);
    }
    return list;
  }
}

function valuesOf(tags: readonly string[], tag: (key: string) => string | undefined): string {
  return JSON.stringify(tags.map((key) => tag(key) ?? ""));
}
