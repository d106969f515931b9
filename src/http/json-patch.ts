/**
 * JSON Patch: add, remove, replace, move, copy and test on a JSON document.
 *
 * Pure: the given document is not touched. `__proto__` and its kin are ordinary member names here, because
 * members are only read when they are the object's own and written by definition, not assignment.
 * Source: RFC 6902, RFC 6901.
 */

import { PATCH_OPERATIONS_MAX } from "./limits.ts";

export type Patched =
  | { readonly kind: "done"; readonly document: unknown }
  /** Not a patch at all. */
  | { readonly kind: "malformed"; readonly error: string }
  /** A patch that does not fit this document. */
  | { readonly kind: "failed"; readonly error: string };

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from: string | undefined;
  readonly value: unknown;
}

class PatchError extends Error {
  override name = "PatchError";
}

export function applyPatch(document: unknown, patch: unknown): Patched {
  if (!Array.isArray(patch)) return { kind: "malformed", error: "a patch must be an array" };
  if (patch.length > PATCH_OPERATIONS_MAX) {
    return { kind: "malformed", error: `more than ${PATCH_OPERATIONS_MAX} operations` };
  }
  const operations: Operation[] = [];
  for (const item of patch) {
    const operation = readOperation(item);
    if (typeof operation === "string") return { kind: "malformed", error: operation };
    operations.push(operation);
  }
  try {
    let result: unknown = structuredClone(document);
    for (const operation of operations) result = apply(result, operation);
    return { kind: "done", document: result };
  } catch (error) {
    if (error instanceof PatchError) return { kind: "failed", error: error.message };
    throw error;
  }
}

function readOperation(item: unknown): Operation | string {
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    return "an operation must be an object";
  }
  const fields = new Map<string, unknown>(Object.entries(item));
  const op = fields.get("op");
  const path = fields.get("path");
  const from = fields.get("from");
  if (typeof op !== "string") return "an operation needs a string op";
  if (typeof path !== "string") return "an operation needs a string path";
  if (from !== undefined && typeof from !== "string") return "from must be a string";
  return { op, path, from, value: fields.get("value") };
}

function apply(document: unknown, operation: Operation): unknown {
  const { op, path, value } = operation;
  const at = pointer(path);
  switch (op) {
    case "add":
      return add(document, at, structuredClone(needed(value, op, path)));
    case "replace":
      read(document, at, path);
      return at.length === 0
        ? structuredClone(value)
        : add(drop(document, at, path), at, structuredClone(needed(value, op, path)));
    case "remove":
      return drop(document, at, path);
    case "test":
      if (!Bun.deepEquals(read(document, at, path), value)) {
        throw new PatchError(`testing value ${path} failed`);
      }
      return document;
    case "copy":
      return add(document, at, structuredClone(read(document, source(operation), path)));
    case "move":
      return move(document, operation, at);
    default:
      throw new PatchError(`unexpected kind: ${op}`);
  }
}

function move(document: unknown, operation: Operation, at: readonly string[]): unknown {
  const from = source(operation);
  if (from.length < at.length && from.every((part, i) => part === at[i])) {
    throw new PatchError(`cannot move ${operation.from} into itself`);
  }
  const value = read(document, from, operation.from ?? "");
  return add(drop(document, from, operation.from ?? ""), at, value);
}

function source(operation: Operation): readonly string[] {
  if (operation.from === undefined) throw new PatchError(`${operation.op} needs from`);
  return pointer(operation.from);
}

function needed(value: unknown, op: string, path: string): unknown {
  if (value === undefined) throw new PatchError(`${op} ${path} needs a value`);
  return value;
}

function pointer(path: string): readonly string[] {
  if (path === "") return [];
  if (!path.startsWith("/")) throw new PatchError(`path must begin with a slash: ${path}`);
  return path
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function read(document: unknown, at: readonly string[], path: string): unknown {
  let value = document;
  for (const part of at) {
    const inner = member(value, part);
    if (inner === undefined) throw new PatchError(`missing value at ${path}`);
    value = inner;
  }
  return value;
}

function member(value: unknown, part: string): unknown {
  if (Array.isArray(value)) return /^(0|[1-9]\d*)$/.test(part) ? value[Number(part)] : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, part)?.value;
}

/** Changes in place the container of the last part and returns the document. */
function add(document: unknown, at: readonly string[], value: unknown): unknown {
  const last = at.at(-1);
  if (last === undefined) return value;
  const container = read(document, at.slice(0, -1), `/${at.join("/")}`);
  if (Array.isArray(container)) {
    const index = last === "-" ? container.length : Number(last);
    if (!/^(-|0|[1-9]\d*)$/.test(last) || index > container.length) {
      throw new PatchError(`index out of range: ${last}`);
    }
    container.splice(index, 0, value);
  } else if (typeof container === "object" && container !== null) {
    const everyday = { value, writable: true, enumerable: true, configurable: true };
    Object.defineProperty(container, last, everyday);
  } else {
    throw new PatchError(`missing container of /${at.join("/")}`);
  }
  return document;
}

function drop(document: unknown, at: readonly string[], path: string): unknown {
  const last = at.at(-1);
  if (last === undefined) return null;
  read(document, at, path);
  const container = read(document, at.slice(0, -1), path);
  if (Array.isArray(container)) container.splice(Number(last), 1);
  else if (typeof container === "object" && container !== null)
    Reflect.deleteProperty(container, last);
  return document;
}
