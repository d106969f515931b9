/**
 * Every stored kind that lives in this room, append-only: a kind's name is its table's name on disk. Kinds that
 * need the words of an upper room are defined there and handed to the store by `daemon/wire.ts` beside these.
 */

import type { AnyKind } from "../store.ts";
import { nodeSnapshots } from "./node-snapshots.ts";
import { silences } from "./silences.ts";
import { topicEvents } from "./topic-events.ts";

export const KINDS: readonly AnyKind[] = [topicEvents, silences, nodeSnapshots];
