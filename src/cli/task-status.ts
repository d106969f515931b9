/** Enabling and disabling tasks by patterns. Source: cli §4. */

import { errorMessage } from "#lib/errors.ts";
import type { ApiClient } from "./api.ts";
import { UsageError } from "./command.ts";
import { matchingLinks } from "./matching.ts";

/** Sets the status of every task that matches; a pattern without a match is fine. Throws `UsageError`. */
export async function setStatus(
  api: ApiClient,
  patterns: readonly string[],
  status: "enabled" | "disabled",
): Promise<void> {
  if (patterns.length === 0) throw new UsageError("Must pass at least one task ID");
  const verb = status === "enabled" ? "enabling" : "disabling";
  for (const pattern of patterns) {
    for (const { id, href } of await matchingLinks(api, "tasks", pattern)) {
      try {
        await api.patch(href, { status });
      } catch (error) {
        throw new Error(`${verb} task ${id}: ${errorMessage(error)}`, { cause: error });
      }
    }
  }
}
