/**
 * A stored override: what the API changed about one element of one section.
 *
 * Options are kept as clients sent them and decoded again at every start, so a stored value never becomes
 * more trusted than a sent one. The key on disk is `SECTION/ELEMENT`; sections without elements have the empty
 * element. The store is asked for by its shape: this room knows no other. Source: storage-and-influx §8.1.
 */

import { encodeJson, parseJson } from "#lib/json.ts";
import { isTable } from "./decode.ts";

export interface StoredOverride {
  readonly section: string;
  readonly element: string;
  /** Keys as the API spells them, values as clients sent them. */
  readonly options: Readonly<Record<string, unknown>>;
  /** True for elements that exist only here, false for changes of elements of the file. */
  readonly create: boolean;
}

export interface OverrideKind {
  readonly name: string;
  encode(value: unknown): string;
  decode(text: string): unknown;
}

/** Rows are decoded one by one by `readOverride`, so that a broken one does not hide the others. */
export const configOverrides: OverrideKind = {
  name: "config_overrides",
  encode: (value) => encodeJson(value),
  decode(text) {
    const parsed = parseJson(text);
    return parsed.ok ? parsed.value : undefined;
  },
};

export interface OverrideWrite {
  readonly kind: OverrideKind;
  readonly key: string;
  readonly value: unknown;
}

/** What this room needs of the store; `Store` is one. */
export interface OverrideStore {
  table(kind: OverrideKind): {
    entries(): readonly (readonly [key: string, value: unknown])[];
  };
  /** Resolves when the writes are on disk; all are applied together or not at all. */
  commit(writes: readonly OverrideWrite[]): Promise<void>;
}

export function overrideKey(section: string, element: string): string {
  return `${section}/${element}`;
}

/** The write that stores an override. */
export function storing(override: StoredOverride): OverrideWrite {
  const { section, element, options, create } = override;
  const key = overrideKey(section, element);
  return { kind: configOverrides, key, value: { id: key, options, create } };
}

/** The write that forgets one. */
export function forgetting(key: string): OverrideWrite {
  return { kind: configOverrides, key, value: undefined };
}

/** A row as an override; `undefined` when it has another form. */
export function readOverride(key: string, value: unknown): StoredOverride | undefined {
  const slash = key.indexOf("/");
  if (slash < 0 || !isTable(value)) return undefined;
  const { options, create } = value;
  if (!isTable(options) || typeof create !== "boolean") return undefined;
  return { section: key.slice(0, slash), element: key.slice(slash + 1), options, create };
}
