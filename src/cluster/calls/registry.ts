/**
 * Every RPC call, in order of its number. Append-only: numbers travel between releases and are never used again.
 */

import type { Call } from "../rpc/define-call.ts";
import { deliverAlerts } from "./deliver-alerts.ts";
import { digestTopics } from "./digest-topics.ts";
import { handOver } from "./hand-over.ts";
import { joinOffer } from "./join-offer.ts";
import { probeOwner } from "./probe-owner.ts";
import { pullCompletions } from "./pull-completions.ts";
import { pushHandlers } from "./push-handlers.ts";
import { readTopics } from "./read-topics.ts";
import { removeMember } from "./remove-member.ts";
import { syncHandlers } from "./sync-handlers.ts";
import { syncTopic } from "./sync-topic.ts";

export const CALLS: readonly Call[] = [
  deliverAlerts, // 1
  pullCompletions, // 2
  pushHandlers, // 3
  syncHandlers, // 4
  probeOwner, // 5
  digestTopics, // 6
  syncTopic, // 7
  readTopics, // 8; 9 is free
  joinOffer, // 10
  removeMember, // 11
  handOver, // 12
];
