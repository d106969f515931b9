/** `/storage`: a copy of everything stored, and the list of stores. Source: http-api §10. */

import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { answerJson, answerNothing, link } from "../answer.ts";
import { readJson } from "../body.ts";
import { badRequest, unknown } from "../errors.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

/** Names that clients know. All of them live in one file here. */
const STORES: readonly string[] = [
  "overrides",
  "load",
  "handler-specs",
  "topic-states",
  "tasks",
  "recordings",
  "replays",
];

const ActionBody = Type.Object({ action: Type.String({ description: "rebuild" }) });

export const storage = defineResource({
  name: "storage",
  doc: "The store.",
  routes: [
    {
      method: "GET",
      path: "/storage/backup",
      summary: "Gives a consistent copy of the whole store as one file.",
      answers: { 200: "application/octet-stream" },
      answer: backup,
    },
    {
      method: "GET",
      path: "/storage/stores",
      summary: "Lists the stores.",
      answers: { 200: '{"link", "storage": […]}' },
      answer: listStores,
    },
    {
      method: "POST",
      path: "/storage/stores/*",
      summary: "Rebuilds a store's indexes. They cannot go stale here, so nothing is left to do.",
      body: ActionBody,
      answers: { 204: "done", 400: "error", 404: "error" },
      answer: rebuild,
    },
  ],
});

function backup(_call: Call, services: HttpServices): Response {
  const bytes = services.store.backup();
  return new Response(new Uint8Array(bytes), {
    headers: {
      "Content-Type": "application/octet-stream",
      "Content-Disposition": 'attachment; filename="kapacitor.db"',
      "Content-Length": String(bytes.length),
    },
  });
}

function listStores(): Response {
  return answerJson({
    link: link("/storage/stores"),
    storage: STORES.map((name) => ({ link: link(`/storage/stores/${name}`), name })),
  });
}

async function rebuild(call: Call): Promise<Response> {
  const name = call.params["*"] ?? "";
  const body = await readJson(call.request);
  if (!STORES.includes(name)) throw unknown(`unknown storage "${name}"`);
  if (!body.ok) throw badRequest(`failed to unmarshal storage action ${body.error}`);
  const action = Value.Check(ActionBody, body.value) ? body.value.action : "";
  if (action !== "rebuild") {
    throw badRequest(`failed to unmarshal storage action unknown StorageAction ${action}`);
  }
  return answerNothing();
}
