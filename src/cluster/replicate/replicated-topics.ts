/**
 * Topics of a cluster for the API: reads are this member's own, deleting reaches every member (U23).
 */

import type { Topics } from "#alert/ports.ts";
import type { HandlerReplication } from "./handler-replication.ts";

export function replicatedTopics(local: Topics, replication: HandlerReplication): Topics {
  return {
    list: (pattern, minLevel) => local.list(pattern, minLevel),
    get: (topic) => local.get(topic),
    events: (topic, minLevel) => local.events(topic, minLevel),
    event: (topic, id) => local.event(topic, id),
    delete: (topic) => replication.deleteTopic(topic),
  };
}
