/**
 * `/write` and `/api/v2/write`: points come in as line protocol.
 *
 * The whole body is taken or, when any line is bad, nothing of it. The answer comes when every task has
 * processed the points and the alerts they raised are safe. When the engine's backlog or the number of
 * writes at work is full, the request is refused with 503 and nothing is written; senders try again.
 * Errors of `/write` are plain text. `/api/v2/write` is ours: clients that only speak the 2.x API can write
 * here; a bucket is `db/rp` or `db`, and errors have that API's shape. Source: http-api §2.1.
 */

import type { Precision, WriteChunk } from "#engine/ports.ts";
import { errorMessage } from "#lib/errors.ts";
import { ZERO_TIME } from "#lib/time.ts";
import { LineProtocolReader } from "#model/line-protocol.ts";
import { SeriesTable } from "#model/series-table.ts";
import { answerNothing } from "../answer.ts";
import { authorizeWrite } from "../authenticate.ts";
import { readBody, releaseBody, unpack } from "../body.ts";
import { ApiError, asCoded, asText, badRequest, overloaded } from "../errors.ts";
import { TRACED_BYTES_MAX, WRITE_BODY_BYTES_MAX, WRITES_IN_FLIGHT_MAX } from "../limits.ts";
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

/** Units of the 2.x API. */
const UNITS: ReadonlyMap<string, Precision> = new Map([
  ["", "ns"],
  ["ns", "ns"],
  ["us", "u"],
  ["ms", "ms"],
  ["s", "s"],
]);

/** Where a body goes and what its times mean; throws `ApiError` when the request does not say so. */
type Aim = (call: Call, services: HttpServices, body: Uint8Array) => Omit<WriteChunk, "body">;

/** Writes at work per set of services, so that two servers in one process do not share a bound. */
const inFlight = new WeakMap<HttpServices, { count: number }>();

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
        401: "text: the user may not write to this database",
        413: "text: the body is too large",
        503: "text: too much is waiting; nothing was written",
      },
      answer: async (call, services) => {
        try {
          return await counted(call, services, aimOfDatabase);
        } catch (error) {
          throw asText(failureOf(error, services));
        }
      },
    },
    {
      method: "POST",
      path: "/api/v2/write",
      summary: "Writes a body of line protocol as clients of InfluxDB 2 do.",
      query: {
        bucket:
          "`database/retention-policy`, or `database` for the default retention policy; required.",
        precision: "Unit of time stamps: ns (default), us, ms, s.",
        org: "Accepted and ignored.",
        orgID: "Accepted and ignored.",
      },
      answers: {
        204: "written",
        400: "code `invalid`: one message per bad line; nothing was written",
        401: "code `unauthorized`: the user may not write to this database",
        413: "code `request too large`",
        503: "code `unavailable`: too much is waiting; nothing was written",
      },
      answer: async (call, services) => {
        try {
          return await counted(call, services, aimOfBucket);
        } catch (error) {
          throw asCoded(failureOf(error, services));
        }
      },
    },
  ],
});

function failureOf(error: unknown, services: HttpServices): ApiError {
  if (error instanceof ApiError) return error;
  services.log.error("write failed", { service: "http", err: error });
  return new ApiError(500, errorMessage(error));
}

/** A body that is on its way takes no place: senders that stall must not keep others out. */
async function counted(call: Call, services: HttpServices, aim: Aim): Promise<Response> {
  const atWork = writesAtWork(services);
  checkPlace(atWork);
  const sent = await readBody(call.request, WRITE_BODY_BYTES_MAX);
  checkPlace(atWork);
  atWork.count++;
  try {
    return await writeBody(call, services, aim, sent);
  } finally {
    releaseBody(sent);
    atWork.count--;
  }
}

function writesAtWork(services: HttpServices): { count: number } {
  const known = inFlight.get(services);
  if (known !== undefined) return known;
  const fresh = { count: 0 };
  inFlight.set(services, fresh);
  return fresh;
}

/** Throws 503 when there is no place for another one. */
function checkPlace(atWork: { readonly count: number }): void {
  if (atWork.count < WRITES_IN_FLIGHT_MAX) return;
  throw overloaded(`too many writes at once, at most ${WRITES_IN_FLIGHT_MAX} are taken`);
}

async function writeBody(
  call: Call,
  services: HttpServices,
  aim: Aim,
  sent: Uint8Array,
): Promise<Response> {
  const { request } = call;
  const packed = request.headers.get("content-encoding") === "gzip";
  const body = packed ? unpack(sent, WRITE_BODY_BYTES_MAX) : sent;
  if (body.length === 0) return answerNothing();
  const chunk = { ...aim(call, services, body), body };
  authorizeWrite(call.user, chunk.db);
  if (services.settings.writeTracing) trace(chunk, services);
  const outcome = await services.engine.write(chunk);
  if (packed) releaseBody(body);
  switch (outcome.kind) {
    case "written":
      return answerNothing();
    case "malformed":
      throw new ApiError(400, outcome.errors.join("\n"), "text");
    case "overloaded":
      throw overloaded("the backlog of unprocessed points is full, try again later");
  }
}

/** `write-tracing`: what is written is in the log, its beginning at least. */
function trace({ db, rp, body }: WriteChunk, services: HttpServices): void {
  const shown = body.subarray(0, TRACED_BYTES_MAX);
  const text = new TextDecoder().decode(shown);
  const left = body.length - shown.length;
  services.log.info("write body received by handler", {
    service: "http",
    db,
    rp,
    body: text,
    ...(left > 0 ? { "bytes-left-out": left } : {}),
  });
}

const aimOfDatabase: Aim = ({ query }, { settings }, body) => {
  const db = query.get("db") ?? "";
  if (db === "") throw withoutDatabase(body);
  return {
    db,
    rp: query.get("rp") || settings.defaultRetentionPolicy,
    precision: PRECISIONS.get(query.get("precision") ?? "") ?? "ns",
  };
};

const aimOfBucket: Aim = ({ query }, { settings }) => {
  const bucket = query.get("bucket") ?? "";
  const slash = bucket.indexOf("/");
  const db = slash < 0 ? bucket : bucket.slice(0, slash);
  if (db === "")
    throw badRequest('bucket is required, as "database/retention-policy" or "database"');
  const precision = UNITS.get(query.get("precision") ?? "");
  if (precision === undefined) {
    throw badRequest("invalid precision; valid precision units are ns, us, ms, and s");
  }
  const rp = slash < 0 ? "" : bucket.slice(slash + 1);
  return { db, rp: rp || settings.defaultRetentionPolicy, precision };
};

/** Bad lines are named before the missing database, as clients of the original see it. */
function withoutDatabase(body: Uint8Array): ApiError {
  const reader = new LineProtocolReader(new SeriesTable());
  const options = { db: "", rp: "", precision: "ns" as const, now: ZERO_TIME, wants: () => false };
  const { errors } = reader.read(body, options, () => {});
  return badRequest(errors.length > 0 ? errors.join("\n") : "database is required");
}
