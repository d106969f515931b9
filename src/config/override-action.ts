/**
 * One request to change the configuration, and which stored overrides it makes of those there are.
 *
 * `set` and `delete` change one element, `add` and `remove` the list; a request does one or the other. Pure: the
 * result is a list of overrides to store or forget. Texts: http-api §8.2.
 */

import { isTable } from "./decode.ts";
import type { Section } from "./section.ts";
import { overrideKey, type StoredOverride } from "./stored-override.ts";

export interface UpdateAction {
  readonly set: Readonly<Record<string, unknown>>;
  readonly delete: readonly string[];
  readonly add: Readonly<Record<string, unknown>>;
  readonly remove: readonly string[];
}

/** Where a request points: `/config/smtp/` is the element "", `/config/influxdb` has no element. */
export interface Target {
  readonly section: string;
  readonly element: string | undefined;
}

/** An action that makes no sense; the sender's fault. The text stands behind `failed to apply update: `. */
export class ActionError extends Error {
  override name = "ActionError";
}

/** Key → what is stored from now on; `undefined` forgets it. */
export type OverrideChanges = ReadonlyMap<string, StoredOverride | undefined>;

const NAME = /^[-\w+]+$/;

/** An action from JSON; a text says what is wrong with it. */
export function readAction(input: unknown): UpdateAction | string {
  if (input === null) return { set: {}, delete: [], add: {}, remove: [] };
  if (!isTable(input)) return mismatch(input, "value of type client.ConfigUpdateAction");
  const fields = new Map(Object.entries(input));
  const problem =
    wrongTable(fields, "set") ??
    wrongTexts(fields, "delete") ??
    wrongTable(fields, "add") ??
    wrongTexts(fields, "remove");
  return (
    problem ?? {
      set: tableOf(fields.get("set")),
      delete: textsOf(fields.get("delete")),
      add: tableOf(fields.get("add")),
      remove: textsOf(fields.get("remove")),
    }
  );
}

function wrongTable(fields: ReadonlyMap<string, unknown>, name: string): string | undefined {
  const value = fields.get(name) ?? null;
  if (value === null || isTable(value)) return undefined;
  return mismatch(value, `struct field ConfigUpdateAction.${name} of type map[string]interface {}`);
}

function wrongTexts(fields: ReadonlyMap<string, unknown>, name: string): string | undefined {
  const value = fields.get(name) ?? null;
  if (value === null) return undefined;
  const place = `struct field ConfigUpdateAction.${name} of type`;
  if (!Array.isArray(value)) return mismatch(value, `${place} []string`);
  const strange: unknown = value.find((item) => typeof item !== "string");
  return strange === undefined ? undefined : mismatch(strange, `${place} string`);
}

function mismatch(value: unknown, place: string): string {
  const isPlain = typeof value === "string" || typeof value === "number";
  const kind = Array.isArray(value)
    ? "array"
    : typeof value === "boolean"
      ? "bool"
      : isPlain
        ? typeof value
        : typeof value === "bigint"
          ? "number"
          : "object";
  return `json: cannot unmarshal ${kind} into Go ${place}`;
}

function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  return isTable(value) ? value : {};
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** Throws `ActionError` when the action does not fit its target. */
export function checkAction(target: Target, action: UpdateAction): void {
  const changes = Object.keys(action.set).length > 0 || action.delete.length > 0;
  const adds = Object.keys(action.add).length > 0;
  const removes = action.remove.length > 0;
  const problem = actionProblem({ changes, adds, removes }, target);
  if (problem !== undefined) throw new ActionError(`invalid update action: ${problem}`);
}

interface Parts {
  readonly changes: boolean;
  readonly adds: boolean;
  readonly removes: boolean;
}

function actionProblem({ changes, adds, removes }: Parts, target: Target): string | undefined {
  if (!NAME.test(target.section)) return `invalid section name ${JSON.stringify(target.section)}`;
  if (changes && (adds || removes))
    return "cannot provide both set/delete and add/remove actions in the same update";
  const named = target.element !== undefined && target.element !== "";
  if (adds && named) return "must not provide an element name when adding an a new override";
  if (removes && named) return "must not provide element when removing an override";
  if (!adds && !removes && target.element === undefined)
    return "element not specified, are you missing a trailing '/'?";
  return undefined;
}

/** The options of one element after `set` and `delete`; an override that says nothing any more is forgotten. */
export function changedElement(
  target: { readonly section: string; readonly element: string },
  action: UpdateAction,
  stored: StoredOverride | undefined,
): OverrideChanges {
  const options: Record<string, unknown> = { ...stored?.options, ...action.set };
  for (const name of action.delete) delete options[name];
  const create = stored?.create ?? false;
  const { section, element } = target;
  const left = create || Object.keys(options).length > 0;
  const key = overrideKey(section, element);
  return new Map([[key, left ? { section, element, options, create } : undefined]]);
}

/** What `add` and `remove` make of a list's overrides. Throws `ActionError`. */
export function changedList(
  section: Section,
  action: UpdateAction,
  isKnown: (element: string) => boolean,
): OverrideChanges {
  const adds = Object.keys(action.add).length > 0;
  const { list } = section;
  if (list === undefined) {
    const what = adds ? "add new" : "remove";
    throw new ActionError(
      `section ${JSON.stringify(section.name)} is not a list, cannot ${what} element`,
    );
  }
  const changes = new Map<string, StoredOverride | undefined>();
  for (const element of action.remove) changes.set(overrideKey(section.name, element), undefined);
  if (!adds) return changes;
  const element = addedName(list.key, action.add);
  if (isKnown(element) && !action.remove.includes(element))
    throw new ActionError(
      `element ${JSON.stringify(element)} of section ${JSON.stringify(section.name)} already exists`,
    );
  const added = { section: section.name, element, options: action.add, create: true };
  return changes.set(overrideKey(section.name, element), added);
}

function addedName(key: string, add: Readonly<Record<string, unknown>>): string {
  const name = Object.hasOwn(add, key) ? add[key] : undefined;
  if (name === undefined) throw new ActionError(`missing key ${JSON.stringify(key)} in "add" map`);
  if (typeof name !== "string")
    throw new ActionError(`expected ${JSON.stringify(key)} key to be a string`);
  if (!NAME.test(name)) throw new ActionError(`invalid element name ${JSON.stringify(name)}`);
  return name;
}
