/** What handler replication keeps on disk: the definitions with their versions, and which cluster they belong to. */

import { jsonKind, type Kind } from "#storage/store.ts";
import { encodeDefinition, readDefinition } from "../calls/handler-payloads.ts";
import { decodePayload, encodePayload } from "../rpc/codec.ts";
import { wireCount, wireRecord, wireText } from "../rpc/define-call.ts";
import type { Definition } from "./definition-table.ts";

/** Key: `definitionKey(topic, handler ID)`. Numbers in options keep every digit. */
export const handlerDefinitions: Kind<Definition> = {
  name: "handler_definitions",
  encode: (definition) => encodePayload(encodeDefinition(definition)),
  decode: (text) => readDefinition(decodePayload(new TextEncoder().encode(text), true)),
};

export interface ReplicationState {
  /** Cluster that the definitions belong to; another one in the view means that this member joined or was removed. */
  readonly clusterId: string;
  /** Last successful sync with another member, wall-clock ms; 0 = never. */
  readonly contactAt: number;
}

/** One row under this key. */
export const REPLICATION_STATE = "state";

export const replicationState = jsonKind<ReplicationState>("handler_replication", (input) => {
  const raw = wireRecord(input, "replication state");
  return {
    clusterId: wireText(raw["clusterId"], "clusterId"),
    contactAt: wireCount(raw["contactAt"], "contactAt"),
  };
});

export const REPLICATION_KINDS = [handlerDefinitions, replicationState] as const;
