/** Status words of the API, the command line and error texts (U5). */

import type { MemberStatus, ShownStatus } from "./ports.ts";

/** `removed` members are in no listing; the word is for error texts about them. */
export function shownStatus(status: MemberStatus): ShownStatus | "removed" {
  return status === "dead" ? "failed" : status;
}
