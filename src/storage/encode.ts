/**
 * Writes made ready before anything is touched: encoded and checked against the limits, so that a value that
 * cannot be stored rejects its own commit and changes nothing.
 */

import { errorMessage } from "#lib/errors.ts";
import { KEY_BYTES_MAX, VALUE_LENGTH_MAX } from "./limits.ts";
import { type AnyKind, StorageError, type Write } from "./store.ts";

/** So many UTF-16 units never take more than `KEY_BYTES_MAX`. */
const KEY_BYTES_SURE = KEY_BYTES_MAX / 3;

/** A write whose value is text already; `text` undefined deletes. */
export interface EncodedWrite {
  readonly table: string;
  readonly key: string;
  readonly text: string | undefined;
}

/** Would a write under this key be taken? */
export function isStorableKey(key: string): boolean {
  return key.isWellFormed() && !isTooLong(key);
}

const isTooLong = (key: string): boolean =>
  key.length > KEY_BYTES_SURE && Buffer.byteLength(key) > KEY_BYTES_MAX;

/** Encodes all writes of a commit or throws `StorageError` naming the kind and key at fault. */
export function encodeWrites(
  writes: readonly Write[],
  known: (table: string) => boolean,
): EncodedWrite[] {
  return writes.map((write) => {
    const { key } = write;
    const table = write.kind.name;
    if (!known(table)) throw new StorageError(`unknown kind ${table}`);
    if (!key.isWellFormed()) throw new StorageError(`${table}: a key is not well-formed text`);
    if (isTooLong(key))
      throw new StorageError(`${table}: a key is longer than ${KEY_BYTES_MAX} bytes`);
    return { table, key, text: encodeValue(write) };
  });
}

function encodeValue(write: Write): string | undefined {
  if (write.value === undefined) return undefined;
  let text: string;
  try {
    text = (write.kind as AnyKind).encode(write.value);
  } catch (cause) {
    const where = `${write.kind.name}/${write.key}`;
    throw new StorageError(`cannot encode ${where}: ${errorMessage(cause)}`, { cause });
  }
  if (text.length > VALUE_LENGTH_MAX)
    throw new StorageError(
      `${write.kind.name}/${write.key}: a value is longer than ${VALUE_LENGTH_MAX}`,
    );
  return text;
}

/** Decodes stored text; a value that its kind does not understand is a `StorageError` naming it. */
export function decodeValue<T>(
  kind: { readonly name: string; decode(text: string): T },
  key: string,
  text: string,
): T {
  try {
    return kind.decode(text);
  } catch (cause) {
    throw new StorageError(`cannot decode ${kind.name}/${key}: ${errorMessage(cause)}`, { cause });
  }
}
