/** Enabling and disabling tasks by patterns. Source: cli §4. */

import { errorMessage } from "#lib/errors.ts";
import type { ApiClient } from "./api.ts";
import { UsageError } from "./command.ts";
import { matchingLinks } from "./matching.ts";

/**
 * Sets the status of every task that matches; a pattern without a match is fine. Gives the IDs. Throws `UsageError`.
 */
export async function setStatus(
  api: ApiClient,
  patterns: readonly string[],
  status: "enabled" | "disabled",
): Promise<readonly string[]> {
  if (patterns.length === 0) throw new UsageError("Must pass at least one task ID");
  const verb = status === "enabled" ? "enabling" : "disabling";
  const changed: string[] = [];
  for (const pattern of patterns) {
    for (const { id, href } of await matchingLinks(api, "tasks", pattern)) {
      try {
        await api.patch(href, { status });
        changed.push(id);
      } catch (error) {
        throw new Error(`${verb} task ${id}: ${errorMessage(error)}`, { cause: error });
      }
    }
  }
  return changed;
}

/** What commands that change tasks by patterns print as JSON. */
export const CHANGED_TASKS =
  '{"tasks": […]}: the IDs of those that matched, in the order of the patterns';
