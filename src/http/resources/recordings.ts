/** `/recordings`: make recordings of streams and queries, show, list and delete them. Source: http-api §5. */

import {
  BatchBody,
  parseBatchRequest,
  parseQueryRequest,
  parseStreamRequest,
  QueryBody,
  StreamBody,
} from "#tasks/recording-request.ts";
import type { RecordingService } from "#tasks/recording-service.ts";
import type { StoredRecording } from "#tasks/recording-store.ts";
import { answerJson, answerNothing, link } from "../answer.ts";
import { jsonOf } from "../body.ts";
import { badRequest, failure, notBuilt } from "../errors.ts";
import { LIST_QUERY, listItems, readListParams } from "../list-params.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

const created = { 201: "the recording, running", 400: "error", 500: "error" } as const;

export const recordings = defineResource({
  name: "recordings",
  doc: "Recordings: data kept in files to be fed to tasks again.",
  routes: [
    {
      method: "GET",
      path: "/recordings",
      summary: "Lists recordings, the newest first.",
      query: LIST_QUERY,
      answers: { 200: '{"recordings": […]}', 400: "error" },
      answer: listRecordings,
    },
    {
      method: "POST",
      path: "/recordings/stream",
      summary: "Records what a stream task gets until a point later than `stop` arrives.",
      body: StreamBody,
      answers: { ...created, 404: "error" },
      answer: recordStream,
    },
    {
      method: "POST",
      path: "/recordings/batch",
      summary: "Records the answers to a batch task's queries in a stretch of the past.",
      body: BatchBody,
      answers: { ...created, 404: "error", 501: "error" },
      answer: recordBatch,
    },
    {
      method: "POST",
      path: "/recordings/query",
      summary: "Records the answer to a query.",
      body: QueryBody,
      answers: { ...created, 501: "error" },
      answer: recordQuery,
    },
    {
      method: "GET",
      path: "/recordings/*",
      summary: "Shows a recording.",
      answers: {
        200: "the recording",
        202: "the recording, running",
        400: "error",
        500: "there is no such recording",
      },
      answer: getRecording,
    },
    {
      method: "DELETE",
      path: "/recordings/*",
      summary: "Deletes a recording with its file.",
      answers: {
        204: "gone, or was never there",
        400: "error",
        500: "gone, but its file was missing",
      },
      answer: deleteRecording,
    },
  ],
});

function listRecordings(call: Call, services: HttpServices): Response {
  const params = readListParams(call.query);
  const rows = known(services).list(params);
  const items = listItems(rows, params, { fields: FIELDS, always: ["id", "link"] });
  return answerJson({ recordings: items });
}

async function recordStream(call: Call, services: HttpServices): Promise<Response> {
  const request = parseStreamRequest(await jsonOf(call.request));
  return answerRecording(await known(services).recordStream(request), 201);
}

async function recordBatch(call: Call, services: HttpServices): Promise<Response> {
  const recordings = known(services);
  if (!recordings.hasBatches) throw notBuilt("recordings of batch tasks are");
  const request = parseBatchRequest(await jsonOf(call.request), services.clock.now());
  return answerRecording(await recordings.recordBatch(request), 201);
}

async function recordQuery(call: Call, services: HttpServices): Promise<Response> {
  const recordings = known(services);
  if (!recordings.hasQueries) throw notBuilt("recordings of queries are");
  const request = parseQueryRequest(await jsonOf(call.request));
  return answerRecording(await recordings.recordQuery(request), 201);
}

function getRecording(call: Call, services: HttpServices): Response {
  const recording = known(services).get(recordingId(call));
  if (recording === undefined) throw failure("error finding recording: no recording exists");
  return answerRecording(recording, recording.status === "running" ? 202 : 200);
}

async function deleteRecording(call: Call, services: HttpServices): Promise<Response> {
  await known(services).delete(recordingId(call));
  return answerNothing();
}

function recordingId(call: Call): string {
  const id = call.params["*"] ?? "";
  if (id === "") throw badRequest("must specify recording id on path");
  return id;
}

function known({ recordings }: HttpServices): RecordingService {
  if (recordings === undefined) throw notBuilt("recordings are");
  return recordings;
}

function answerRecording(recording: StoredRecording, status: number): Response {
  const body: Record<string, unknown> = {};
  for (const field of OBJECT_ORDER) body[field] = FIELDS[field](recording);
  return answerJson(body, status);
}

const FIELDS = {
  link: (row: StoredRecording) => link(`/recordings/${row.id}`),
  id: (row: StoredRecording) => row.id,
  type: (row: StoredRecording) => row.type,
  size: (row: StoredRecording) => row.size,
  date: (row: StoredRecording) => row.date,
  error: (row: StoredRecording) => row.error,
  status: (row: StoredRecording) => row.status,
  progress: (row: StoredRecording) => row.progress,
} as const;

/** Key order of a single recording; that of a list is alphabetical. */
const OBJECT_ORDER = ["link", "id", "type", "size", "date", "error", "status", "progress"] as const;
