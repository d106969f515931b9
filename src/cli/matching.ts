/** Finding what patterns on the command line mean: the server matches, the client pages. */

import { type ApiClient, type JsonRecord, link, pathPart, records, text } from "./api.ts";

/** Links and IDs of tasks, templates, recordings or replays that match a glob. */
export async function matchingLinks(
  api: ApiClient,
  kind: "tasks" | "templates" | "recordings" | "replays",
  pattern: string,
): Promise<readonly { readonly id: string; readonly href: string }[]> {
  const rows = await api.list(`/${kind}`, kind, {
    ...LIST_DEFAULTS[kind],
    fields: "link",
    pattern,
  });
  return rows.map((row) => ({ id: text(row, "id"), href: link(row) }));
}

/** What the client sends with every list request, as the server's other clients do. */
export const LIST_DEFAULTS = {
  tasks: { "dot-view": "attributes", "script-format": "formatted" },
  templates: { "script-format": "formatted" },
  recordings: {},
  replays: {},
} as const;

export async function topicsMatching(
  api: ApiClient,
  pattern: string,
): Promise<readonly JsonRecord[]> {
  return records(await api.get("/alerts/topics", { "min-level": "OK", pattern }), "topics");
}

export async function handlersMatching(
  api: ApiClient,
  topic: string,
  pattern: string,
): Promise<readonly JsonRecord[]> {
  const path = `/alerts/topics/${pathPart(topic)}/handlers`;
  return records(await api.get(path, { pattern }), "handlers");
}
