/**
 * The wire and disk form of a replicated handler: `[topic, id, spec or null, counter, member, edited at]`.
 *
 * Specs keep every field, known to this release or not, so that mixed versions do not lose any. An empty ID without a
 * spec is a deleted topic.
 */

import type { HandlerSpec } from "#alert/handler.ts";
import { WireError } from "../ports.ts";
import type { Definition } from "../replicate/definition-table.ts";
import { wireList, wireRecord, wireText } from "../rpc/define-call.ts";
import { encodeEdit, readEdit } from "./definition-payloads.ts";

export type HandlerDefinition = Definition<HandlerSpec>;

/** Key of a handler in its table. */
export function handlerKey(topic: string, id: string): string {
  return JSON.stringify([topic, id]);
}

/** The topic and ID of such a key. */
export function handlerOfKey(key: string): { readonly topic: string; readonly id: string } {
  const [topic, id] = JSON.parse(key) as readonly [string, string];
  return { topic, id };
}

export function encodeHandler(definition: HandlerDefinition): unknown {
  const { topic, id } = handlerOfKey(definition.key);
  return [topic, id, definition.value, ...encodeEdit(definition)];
}

export function readHandler(input: unknown): HandlerDefinition {
  const [topic, id, spec, counter, member, at] = wireList(input, "definition", 6);
  const where = { topic: wireText(topic, "topic"), id: wireText(id, "id") };
  return {
    key: handlerKey(where.topic, where.id),
    value: spec === null ? null : readSpec(spec, where),
    ...readEdit(counter, member, at),
  };
}

function readSpec(
  input: unknown,
  where: { readonly topic: string; readonly id: string },
): HandlerSpec {
  const raw = wireRecord(input, "handler");
  const options = raw["options"];
  if (raw["topic"] !== where.topic || raw["id"] !== where.id) {
    throw new WireError("handler under another one's name");
  }
  return {
    ...raw,
    ...where,
    kind: wireText(raw["kind"], "handler kind"),
    match: wireText(raw["match"], "handler match"),
    options: options === null ? null : wireRecord(options, "handler options"),
  };
}
