/**
 * `/cluster`: who belongs to the cluster, and taking members in and out. Used by kapacitorctl.
 *
 * The original's paths are not public; these are ours. Source: cluster-behaviour U3, U5.
 */

import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { MemberStatus, MemberView, ShownStatus } from "#cluster/ports.ts";
import type { KeyReport } from "#cluster/swim/key-ring.ts";
import { errorMessage } from "#lib/errors.ts";
import { answerJson, answerNothing } from "../answer.ts";
import { readJson } from "../body.ts";
import { badRequest, failure } from "../errors.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

const MemberBody = Type.Object({
  "rpc-address": Type.String({ minLength: 1, description: "host:port of the member to add." }),
});

export const cluster = defineResource({
  name: "cluster",
  doc: "Cluster membership.",
  routes: [
    {
      method: "GET",
      path: "/cluster",
      summary: "Shows the cluster as this member sees it; members in join order.",
      answers: { 200: "the cluster" },
      answer: showCluster,
    },
    {
      method: "POST",
      path: "/cluster/members",
      summary: "Adds a member; answers when it is alive here.",
      body: MemberBody,
      answers: { 204: "added, or already a member", 400: "error", 500: "error" },
      answer: addMember,
    },
    {
      method: "DELETE",
      path: "/cluster/members/*",
      summary: "Removes a member by its ID, dead or alive.",
      answers: { 204: "removed", 400: "error", 500: "error" },
      answer: removeMember,
    },
  ],
});

function showCluster(_call: Call, services: HttpServices): Response {
  const view = services.membership.view();
  return answerJson({
    id: view.clusterId,
    state: view.initialized ? "initialized" : "uninitialized",
    "local-member-id": view.localId,
    members: view.members.filter((member) => member.status !== "removed").map(memberJson),
    ...(services.keyReport === undefined ? {} : { encryption: keysJson(services.keyReport()) }),
  });
}

/** Ours. Tells when a step of a key rotation is complete: every member sees no other key than the first. */
function keysJson({ acceptPlain, keys, plainSeenLastMinute }: KeyReport): unknown {
  return {
    "accept-plain": acceptPlain,
    "plain-seen-last-minute": plainSeenLastMinute,
    keys: keys.map(({ fingerprint, seals, seenLastMinute }) => ({
      fingerprint,
      seals,
      "seen-last-minute": seenLastMinute,
    })),
  };
}

async function addMember(call: Call, services: HttpServices): Promise<Response> {
  const body = await readJson(call.request);
  if (!body.ok) throw badRequest(`invalid json: ${body.error}`);
  const { "rpc-address": address } = checkedBody(body.value);
  try {
    await services.membership.add(address);
  } catch (error) {
    throw failure(`failed to add member: ${errorMessage(error)}`);
  }
  return answerNothing();
}

function checkedBody(value: unknown): Static<typeof MemberBody> {
  if (!Value.Check(MemberBody, value)) throw badRequest("must specify rpc-address");
  return value;
}

async function removeMember(call: Call, services: HttpServices): Promise<Response> {
  const id = call.params["*"] ?? "";
  if (id === "") throw badRequest("must specify member id on path");
  try {
    await services.membership.remove(id);
  } catch (error) {
    throw failure(`failed to remove member: ${errorMessage(error)}`);
  }
  return answerNothing();
}

function memberJson(member: MemberView): unknown {
  return {
    id: member.id,
    "gossip-address": member.gossipAddress,
    "rpc-address": member.rpcAddress,
    "api-address": member.apiAddress,
    roles: member.roles,
    status: SHOWN[member.status],
  };
}

/** Status words of the API; `removed` members are never shown. */
const SHOWN: Readonly<Record<MemberStatus, ShownStatus>> = {
  alive: "alive",
  leaving: "leaving",
  suspect: "suspect",
  dead: "failed",
  left: "left",
  removed: "left",
};
