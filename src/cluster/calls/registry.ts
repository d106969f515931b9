/**
 * Every RPC call, in order of its number. Append-only: numbers travel between releases and are never used again.
 */

import type { Call } from "../rpc/define-call.ts";
import { announceInline } from "./announce-inline.ts";
import { askTasks } from "./ask-tasks.ts";
import { checkMembers } from "./check-members.ts";
import { deliverAlerts } from "./deliver-alerts.ts";
import { digestTopics } from "./digest-topics.ts";
import { handOver } from "./hand-over.ts";
import { joinOffer } from "./join-offer.ts";
import { memberFacts } from "./member-facts.ts";
import { probeOwner } from "./probe-owner.ts";
import { pullCompletions } from "./pull-completions.ts";
import { pushHandlers } from "./push-handlers.ts";
import { pushSilences } from "./push-silences.ts";
import { pushTasks } from "./push-tasks.ts";
import { readTopics } from "./read-topics.ts";
import { removeMember } from "./remove-member.ts";
import { syncHandlers } from "./sync-handlers.ts";
import { syncSilences } from "./sync-silences.ts";
import { syncTasks } from "./sync-tasks.ts";
import { syncTopic } from "./sync-topic.ts";

export const CALLS: readonly Call[] = [
  deliverAlerts, // 1
  pullCompletions, // 2
  pushHandlers, // 3
  syncHandlers, // 4
  probeOwner, // 5
  digestTopics, // 6
  syncTopic, // 7
  readTopics, // 8
  announceInline, // 9
  joinOffer, // 10
  removeMember, // 11
  handOver, // 12
  pushSilences, // 13
  pushTasks, // 14
  syncTasks, // 15
  askTasks, // 16
  syncSilences, // 17
  checkMembers, // 18
  memberFacts, // 19
];
