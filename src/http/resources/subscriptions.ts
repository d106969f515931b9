/** `/subscriptions`: repairs the InfluxDB subscriptions now. Source: http-api §2. */

import { errorMessage } from "#lib/errors.ts";
import { answerNothing } from "../answer.ts";
import { failure } from "../errors.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

export const subscriptions = defineResource({
  name: "subscriptions",
  doc: "InfluxDB subscriptions.",
  routes: [
    {
      method: "POST",
      path: "/subscriptions",
      summary: "Creates missing subscriptions and drops those no longer wanted.",
      answers: { 204: "done", 500: "error" },
      answer: relink,
    },
  ],
});

async function relink(_call: Call, services: HttpServices): Promise<Response> {
  try {
    await services.subscriptions.relink();
  } catch (error) {
    throw failure(`failed to link subscriptions: ${errorMessage(error)}`);
  }
  return answerNothing();
}
