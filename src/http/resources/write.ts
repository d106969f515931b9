/**
 * `/write`: points come in as line protocol.
 *
 * The whole body is taken or, when any line is bad, nothing of it. The answer comes when every task has
 * processed the points and the alerts they raised are safe. When the engine's backlog or the number of
 * writes at work is full, the request is refused with 503 and nothing is written; senders try again.
 * Errors are plain text. Source: http-api §2.1.
 */

import type { Precision } from "#engine/ports.ts";
import { errorMessage } from "#lib/errors.ts";
import { ZERO_TIME } from "#lib/time.ts";
import { LineProtocolReader } from "#model/line-protocol.ts";
import { SeriesTable } from "#model/series-table.ts";
import { answerNothing } from "../answer.ts";
import { readBody, unpack } from "../body.ts";
import { ApiError, asText, badRequest, overloaded } from "../errors.ts";
import { WRITE_BODY_BYTES_MAX, WRITES_IN_FLIGHT_MAX } from "../limits.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

const PRECISIONS: ReadonlyMap<string, Precision> = new Map([
  ["n", "ns"],
  ["ns", "ns"],
  ["u", "u"],
  ["ms", "ms"],
  ["s", "s"],
  ["m", "m"],
  ["h", "h"],
]);

/** Writes at work per set of services, so that two servers in one process do not share a bound. */
const inFlight = new WeakMap<HttpServices, number>();

export const write = defineResource({
  name: "write",
  doc: "Points in line protocol.",
  routes: [
    {
      method: "POST",
      path: "/write",
      summary: "Writes a body of line protocol, optionally gzip-packed.",
      query: {
        db: "Database; required.",
        rp: "Retention policy; the configured default when absent.",
        precision: "Unit of time stamps: n, ns (default), u, ms, s, m, h.",
        consistency: "Accepted and ignored.",
      },
      answers: {
        204: "written",
        400: "text: one message per bad line; nothing was written",
        413: "text: the body is too large",
        503: "text: too much is waiting; nothing was written",
      },
      answer: counted,
    },
  ],
});

async function counted(call: Call, services: HttpServices): Promise<Response> {
  const running = inFlight.get(services) ?? 0;
  if (running >= WRITES_IN_FLIGHT_MAX) {
    throw overloaded(`too many writes at once, at most ${WRITES_IN_FLIGHT_MAX} are taken`);
  }
  inFlight.set(services, running + 1);
  try {
    return await writeBody(call, services);
  } catch (error) {
    if (error instanceof ApiError) throw asText(error);
    services.log.error("write failed", { service: "http", err: error });
    throw new ApiError(500, errorMessage(error), "text");
  } finally {
    inFlight.set(services, (inFlight.get(services) ?? 1) - 1);
  }
}

async function writeBody(call: Call, services: HttpServices): Promise<Response> {
  const { request, query } = call;
  const sent = await readBody(request, WRITE_BODY_BYTES_MAX);
  const packed = request.headers.get("content-encoding") === "gzip";
  const body = packed ? unpack(sent, WRITE_BODY_BYTES_MAX) : sent;
  if (body.length === 0) return answerNothing();
  const db = query.get("db") ?? "";
  if (db === "") throw withoutDatabase(body);
  const outcome = await services.engine.write({
    db,
    rp: query.get("rp") || services.settings.defaultRetentionPolicy,
    precision: PRECISIONS.get(query.get("precision") ?? "") ?? "ns",
    body,
  });
  switch (outcome.kind) {
    case "written":
      return answerNothing();
    case "malformed":
      throw new ApiError(400, outcome.errors.join("\n"), "text");
    case "overloaded":
      throw overloaded("the backlog of unprocessed points is full, try again later");
  }
}

/** Bad lines are named before the missing database, as clients of the original see it. */
function withoutDatabase(body: Uint8Array): ApiError {
  const reader = new LineProtocolReader(new SeriesTable());
  const options = { db: "", rp: "", precision: "ns" as const, now: ZERO_TIME, wants: () => false };
  const { errors } = reader.read(body, options, () => {});
  return badRequest(errors.length > 0 ? errors.join("\n") : "database is required");
}
