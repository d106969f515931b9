/** `/sideload/reload`: reads the files of all sideload nodes anew. Source: http-api §2. */

import { errorMessage } from "#lib/errors.ts";
import { answerNothing } from "../answer.ts";
import { failure } from "../errors.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

export const sideload = defineResource({
  name: "sideload",
  doc: "Sources of sideload nodes.",
  routes: [
    {
      method: "POST",
      path: "/sideload/reload",
      summary: "Reads all sideload sources anew; a source that cannot be read keeps what it had.",
      answers: { 204: "done", 500: "error" },
      answer: reload,
    },
  ],
});

function reload(_call: Call, services: HttpServices): Response {
  try {
    services.sideloads.reload();
  } catch (error) {
    throw failure(`failed to reload sideload sources: ${errorMessage(error)}`);
  }
  return answerNothing();
}
