/**
 * The wire and disk form of a cluster task or template: `[key, fields or null, counter, member, edited at]`.
 *
 * The key is `task/ID` or `template/ID`. Fields are read where tasks are made; here they only have to be a record, so
 * that members of mixed versions do not lose what they do not know.
 */

import { WireError } from "../ports.ts";
import type { Definition } from "../replicate/definition-table.ts";
import { wireList, wireRecord, wireText } from "../rpc/define-call.ts";
import { encodeEdit, readEdit } from "./definition-payloads.ts";

export type TaskFields = Readonly<Record<string, unknown>>;
export type TaskDefinition = Definition<TaskFields>;

/** Longest key; IDs have at most 1,024 characters. */
const KEY_LENGTH_MAX = 1_100;

export function encodeTask(definition: TaskDefinition): unknown {
  return [definition.key, definition.value, ...encodeEdit(definition)];
}

export function readTask(input: unknown): TaskDefinition {
  const [key, fields, counter, member, at] = wireList(input, "definition", 5);
  return {
    key: readKey(key),
    value: fields === null ? null : wireRecord(fields, "task"),
    ...readEdit(counter, member, at),
  };
}

function readKey(input: unknown): string {
  const key = wireText(input, "key");
  if (key.length > KEY_LENGTH_MAX || !/^(task|template)\/./s.test(key)) {
    throw new WireError("a task or template without a name");
  }
  return key;
}
