/** `/loglevel`: changes how much the daemon logs, until it restarts. Source: http-api §2. */

import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { LogLevel } from "#lib/log.ts";
import { answerNothing } from "../answer.ts";
import { readJson } from "../body.ts";
import { badRequest } from "../errors.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

const LevelBody = Type.Object({
  level: Type.String({ description: "debug, info or error; upper or lower case." }),
});

const LEVELS: readonly LogLevel[] = ["debug", "info", "error"];

export const loglevel = defineResource({
  name: "loglevel",
  doc: "The log level.",
  routes: [
    {
      method: "POST",
      path: "/loglevel",
      summary: "Sets the log level until the next start.",
      body: LevelBody,
      answers: { 204: "set", 400: "error" },
      answer: setLevel,
    },
  ],
});

async function setLevel(call: Call, services: HttpServices): Promise<Response> {
  const body = await readJson(call.request);
  if (!body.ok) throw badRequest(`invalid json: ${body.error}`);
  if (!Value.Check(LevelBody, body.value)) throw badRequest("invalid log level");
  const wanted = body.value.level.toLowerCase();
  const level = LEVELS.find((known) => known === wanted);
  if (level === undefined) throw badRequest("invalid log level");
  services.logs.setLevel(level);
  return answerNothing();
}
