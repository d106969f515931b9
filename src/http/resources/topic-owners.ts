/**
 * `/cluster/owners/*`: which members own a topic and what they have to do for it. Used by `kapacitorctl topic owners`. Ours.
 */

import type { OwnerReport } from "#alert/ports.ts";
import { answerJson } from "../answer.ts";
import { badRequest, notBuilt } from "../errors.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

export const topicOwners = defineResource({
  name: "topic-owners",
  doc: "Who tells a topic's alerts.",
  routes: [
    {
      method: "GET",
      path: "/cluster/owners/*",
      summary:
        "Ranks the members for a topic, the first to act first; asks each what it has to do, within a second.",
      answers: {
        200:
          '{"topic", "members": [{"id", "api-address", "status", "home", "acting", "answered", "handlers", ' +
          '"pending", "sending"}]}; the last three are null of a member that did not answer',
        400: "error",
        501: "error",
      },
      answer: showOwners,
    },
  ],
});

async function showOwners(call: Call, { topicReads }: HttpServices): Promise<Response> {
  const topic = call.params["*"] ?? "";
  if (topic === "") throw badRequest("must specify a topic on path");
  if (topicReads?.owners === undefined) throw notBuilt("owners of topics are");
  const members = await topicReads.owners(topic);
  return answerJson({ topic, members: members.map(ownerJson) });
}

function ownerJson({ id, apiAddress, status, home, acting, duties }: OwnerReport): unknown {
  return {
    ...{ id, "api-address": apiAddress, status, home, acting, answered: duties !== undefined },
    handlers: duties?.handlers ?? null,
    pending: duties?.pending ?? null,
    sending: duties?.sending ?? null,
  };
}
