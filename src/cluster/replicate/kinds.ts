/** What replication keeps on disk: the definitions with their versions, and which cluster they belong to. */

import type { HandlerSpec } from "#alert/handler.ts";
import { jsonKind, type Kind } from "#storage/store.ts";
import { encodeHandler, readHandler } from "../calls/handler-payloads.ts";
import { encodeTask, readTask, type TaskFields } from "../calls/task-payloads.ts";
import { decodePayload, encodePayload } from "../rpc/codec.ts";
import { wireCount, wireRecord, wireText } from "../rpc/define-call.ts";
import type { Definition } from "./definition-table.ts";

/** Key: the handler's. Numbers in options keep every digit. */
export const handlerDefinitions: Kind<Definition<HandlerSpec>> = definitionKind(
  "handler_definitions",
  encodeHandler,
  readHandler,
);

/** Key: `task/ID` or `template/ID`. Numbers in vars keep every digit. */
export const taskDefinitions: Kind<Definition<TaskFields>> = definitionKind(
  "task_definitions",
  encodeTask,
  readTask,
);

function definitionKind<V>(
  name: string,
  encode: (definition: Definition<V>) => unknown,
  read: (input: unknown) => Definition<V>,
): Kind<Definition<V>> {
  return {
    name,
    encode: (definition) => encodePayload(encode(definition)),
    decode: (text) => read(decodePayload(new TextEncoder().encode(text), true)),
  };
}

export interface ReplicationState {
  /** Cluster that the definitions belong to; another one in the view means that this member joined or was removed. */
  readonly clusterId: string;
  /** Last successful sync with another member, wall-clock ms; 0 = never. */
  readonly contactAt: number;
  /** Had that cluster other members? */
  readonly shared: boolean;
}

/** One row under this key. */
export const REPLICATION_STATE = "state";

export const handlerState = stateKind("handler_replication");
export const taskState = stateKind("task_replication");

function stateKind(name: string): Kind<ReplicationState> {
  return jsonKind(name, (input) => {
    const raw = wireRecord(input, "replication state");
    return {
      clusterId: wireText(raw["clusterId"], "clusterId"),
      contactAt: wireCount(raw["contactAt"], "contactAt"),
      shared: raw["shared"] === true,
    };
  });
}

export const REPLICATION_KINDS = [
  handlerDefinitions,
  handlerState,
  taskDefinitions,
  taskState,
] as const;
