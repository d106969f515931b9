/**
 * The state of each task's nodes, by task ID: JSON text whose form the engine knows (`engine/snapshot.ts`). The store
 * does not look into it, so that a state of several megabytes is not taken apart more often than needed.
 */

import { type Kind, StorageError } from "../store.ts";

export const nodeSnapshots: Kind<string> = {
  name: "node_snapshots",
  encode: (text) => text,
  decode: (text) => {
    if (!text.startsWith("{")) throw new StorageError("stored node snapshot of an unknown form");
    return text;
  },
};
