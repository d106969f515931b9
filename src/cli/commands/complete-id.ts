/**
 * `__complete`: IDs for the completion scripts, one a line. Not for people.
 *
 * A person waits with a finger on the tab key: one request, a short time limit, a bounded answer, and the
 * scripts throw away what goes wrong.
 */

import { type ApiClient, type JsonRecord, pathPart, records, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { ID_KINDS, type IdKind } from "../words.ts";

/** Milliseconds that a tab key may wait for the server. */
const REQUEST_TIME_MAX_MS = 1000;

/** Most IDs offered; beyond, the person has to type more. */
const IDS_MAX = 500;

export const completeId: Command = {
  name: "__complete",
  summary: "Print IDs for completion scripts.",
  help: `Usage: kapacitor __complete KIND PREFIX [WORD_BEFORE]

Prints the IDs that begin with a prefix, one a line. Used by completion scripts.`,
  hidden: true,
  requestTimeMaxMs: REQUEST_TIME_MAX_MS,
  flags: {},
  words: { each: [ID_KINDS, "text", "text"] },
  run: printIds,
};

async function printIds(args: readonly string[], { api, environment }: CommandContext) {
  const [word, prefix = "", before = ""] = args;
  const kind = ID_KINDS.find((known) => known === word);
  if (kind === undefined) throw new UsageError(`Must provide one of ${ID_KINDS.join(", ")}.`);
  const ids = await idsOf(kind, { api, prefix, before });
  const offered = ids.filter((id) => id.startsWith(prefix) && isOneWord(id)).slice(0, IDS_MAX);
  environment.out(offered.map((id) => `${id}\n`).join(""));
}

/** Control characters would end the line, or move the cursor of whoever sees the list. */
const isOneWord = (id: string): boolean => id !== "" && !/\p{Cc}/u.test(id);

interface Wanted {
  readonly api: ApiClient;
  readonly prefix: string;
  readonly before: string;
}

async function idsOf(kind: IdKind, { api, prefix, before }: Wanted): Promise<readonly string[]> {
  const pattern = `${prefix.replace(/[\\*?[]/g, "\\$&")}*`;
  const limit = String(IDS_MAX);
  const named = (rows: readonly JsonRecord[], key = "id") => rows.map((row) => text(row, key));
  switch (kind) {
    case "tasks":
    case "templates":
    case "recordings":
    case "replays":
      return named(records(await api.get(`/${kind}`, { fields: "link", pattern, limit }), kind));
    case "users":
      return named(records(await api.get("/users", { pattern, limit }), "users"), "name");
    case "topics":
      return named(records(await api.get("/alerts/topics"), "topics"));
    case "topic-handlers": {
      const answer = await api.get(`/alerts/topics/${pathPart(before)}/handlers`);
      return named(records(answer, "handlers"));
    }
    case "service-tests":
      return named(records(await api.get("/service-tests", { pattern }), "services"), "name");
    case "members":
      return named(records(await api.get("/cluster"), "members"));
  }
}
