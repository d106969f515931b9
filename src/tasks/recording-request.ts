/**
 * What requests for recordings and replays say, after their JSON has been read.
 *
 * Absent, null and empty members mean "not given", as in `task-change.ts`. Any wrong type makes the whole body
 * `invalid JSON`. Source: http-api §5, §6.
 */

import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { parseTime, type Time, ZERO_TIME } from "#lib/time.ts";
import type { BatchRequest, QueryRequest, StreamRequest } from "./recording-service.ts";
import type { LiveBatchRequest, LiveQueryRequest, ReplayRequest } from "./replay-service.ts";
import { invalid } from "./task-error.ts";

const maybe = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]));
const Text = maybe(Type.String());
const id = maybe(Type.String({ description: "Random when empty." }));
const time = maybe(Type.String({ description: "RFC 3339." }));
const pace = {
  "recording-time": maybe(Type.Boolean({ description: "Keep the recorded times." })),
  clock: maybe(Type.String({ description: "fast or real." })),
};
const cluster = maybe(Type.String({ description: "Name of an InfluxDB; empty for the default." }));

export const StreamBody = Type.Object({ id, task: Text, stop: time });
export const BatchBody = Type.Object({ id, task: Text, start: time, stop: time });
export const QueryBody = Type.Object({
  id,
  query: Text,
  type: maybe(Type.String({ description: "stream or batch." })),
  cluster,
});
export const ReplayBody = Type.Object({ id, task: Text, recording: Text, ...pace });
export const LiveBatchBody = Type.Object({ id, task: Text, start: time, stop: time, ...pace });
export const LiveQueryBody = Type.Object({ id, task: Text, query: Text, cluster, ...pace });

/** Throws an `invalid` `TaskError`, as all of these do. */
export function parseStreamRequest(input: unknown): StreamRequest {
  const body = checked(StreamBody, input);
  return {
    id: body.id ?? "",
    task: body.task ?? "",
    stop: readTime("stop", body.stop) ?? ZERO_TIME,
  };
}

/** `stop` is `now` when not given. */
export function parseBatchRequest(input: unknown, now: Time): BatchRequest {
  const body = checked(BatchBody, input);
  return { id: body.id ?? "", task: body.task ?? "", ...readRange(body, now) };
}

export function parseQueryRequest(input: unknown): QueryRequest {
  const body = checked(QueryBody, input);
  const query = readQuery(body);
  const { type } = body;
  if (type !== "stream" && type !== "batch") {
    throw invalid(`must provide type "stream" or "batch", got ${JSON.stringify(type ?? "")}`);
  }
  return { id: body.id ?? "", query, type, cluster: body.cluster ?? "" };
}

export function parseReplayRequest(input: unknown): ReplayRequest {
  const body = checked(ReplayBody, input);
  return { ...readCommon(body), recording: body.recording ?? "" };
}

/** `stop` is `now` when not given. */
export function parseLiveBatchRequest(input: unknown, now: Time): LiveBatchRequest {
  const body = checked(LiveBatchBody, input);
  return { ...readCommon(body), ...readRange(body, now) };
}

export function parseLiveQueryRequest(input: unknown): LiveQueryRequest {
  const body = checked(LiveQueryBody, input);
  return { ...readCommon(body), query: readQuery(body), cluster: body.cluster ?? "" };
}

function checked<T extends TSchema>(schema: T, input: unknown): Static<T> {
  if (!Value.Check(schema, input)) throw invalid("invalid JSON");
  return input;
}

interface Common {
  readonly id?: string | null;
  readonly task?: string | null;
  readonly "recording-time"?: boolean | null;
  readonly clock?: string | null;
}

function readCommon(body: Common) {
  const clock = body.clock ?? "fast";
  if (clock !== "fast" && clock !== "real") throw invalid(`unknown Clock ${clock}`);
  const recordingTime = body["recording-time"] ?? false;
  return { id: body.id ?? "", task: body.task ?? "", recordingTime, clock } as const;
}

function readQuery({ query }: { readonly query?: string | null }): string {
  if (query === undefined || query === null || query === "") throw invalid("must provide query");
  return query;
}

function readRange(
  body: { readonly start?: string | null; readonly stop?: string | null },
  now: Time,
): { readonly start: Time; readonly stop: Time } {
  const start = readTime("start", body.start);
  if (start === undefined) throw invalid("must provide start time");
  return { start, stop: readTime("stop", body.stop) ?? now };
}

/** `undefined` when not given; the unset time counts as not given. */
function readTime(name: string, text: string | null | undefined): Time | undefined {
  if (text === undefined || text === null || text === "") return undefined;
  const read = parseTime(text);
  if (read === undefined)
    throw invalid(`invalid JSON: ${name} ${JSON.stringify(text)} is no RFC 3339 time`);
  return read.ms === ZERO_TIME.ms && read.ns === 0 ? undefined : read;
}
