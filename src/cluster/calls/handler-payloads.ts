/**
 * The wire and disk form of a replicated definition: `[topic, id, spec or null, counter, member, deleted at]`.
 *
 * Specs keep every field, known to this release or not, so that mixed versions do not lose any.
 */

import type { HandlerSpec } from "#alert/handler.ts";
import { WireError } from "../ports.ts";
import type { Definition } from "../replicate/definition-table.ts";
import { wireCount, wireList, wireRecord, wireText } from "../rpc/define-call.ts";
import { readMember } from "./alert-payloads.ts";

export const DEFINITIONS_MAX = 10_000;

export function encodeDefinition({ topic, id, spec, version, at }: Definition): unknown {
  return [topic, id, spec, version.counter, version.member, at];
}

export function readDefinition(input: unknown): Definition {
  const [topic, id, spec, counter, member, at] = wireList(input, "definition", 6);
  const where = { topic: wireText(topic, "topic"), id: wireText(id, "id") };
  return {
    ...where,
    spec: spec === null ? null : readSpec(spec, where),
    version: { counter: wireCount(counter, "counter"), member: readMember(member) },
    at: wireCount(at, "at"),
  };
}

export function readDefinitions(input: unknown): readonly Definition[] {
  return wireList(input, "definitions", DEFINITIONS_MAX).map(readDefinition);
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
