/** `/replays`: feed recordings, or live answers to queries, to tasks. Source: http-api §6. */

import {
  LiveBatchBody,
  LiveQueryBody,
  parseLiveBatchRequest,
  parseLiveQueryRequest,
  parseReplayRequest,
  ReplayBody,
} from "#tasks/recording-request.ts";
import type { StoredReplay } from "#tasks/recording-store.ts";
import type { ReplayService } from "#tasks/replay-service.ts";
import { answerJson, answerNothing, link, statsJson } from "../answer.ts";
import { jsonOf } from "../body.ts";
import { badRequest, notBuilt, unknown } from "../errors.ts";
import { LIST_QUERY, listItems, readListParams } from "../list-params.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

const created = {
  201: "the replay, running",
  400: "error",
  404: "error",
  500: "error",
} as const;

export const replays = defineResource({
  name: "replays",
  doc: "Replays: recorded or just queried data fed to a task that runs apart.",
  routes: [
    {
      method: "GET",
      path: "/replays",
      summary: "Lists replays, the newest first.",
      query: LIST_QUERY,
      answers: { 200: '{"replays": […]}', 400: "error" },
      answer: listReplays,
    },
    {
      method: "POST",
      path: "/replays",
      summary: "Feeds a recording to a task.",
      body: ReplayBody,
      answers: created,
      answer: replay,
    },
    {
      method: "POST",
      path: "/replays/batch",
      summary: "Feeds a batch task with the answers to its own queries.",
      body: LiveBatchBody,
      answers: { ...created, 501: "error" },
      answer: replayBatch,
    },
    {
      method: "POST",
      path: "/replays/query",
      summary: "Feeds a task with the answer to a query.",
      body: LiveQueryBody,
      answers: { ...created, 501: "error" },
      answer: replayQuery,
    },
    {
      method: "GET",
      path: "/replays/*",
      summary: "Shows a replay.",
      answers: { 200: "the replay", 202: "the replay, running", 400: "error", 404: "error" },
      answer: getReplay,
    },
    {
      method: "DELETE",
      path: "/replays/*",
      summary: "Forgets a replay; one that runs goes on.",
      answers: { 204: "gone, or was never there", 400: "error" },
      answer: deleteReplay,
    },
  ],
});

function listReplays(call: Call, services: HttpServices): Response {
  const params = readListParams(call.query);
  const rows = known(services).list(params);
  const items = listItems(rows, params, { fields: FIELDS, always: ["id", "link"] });
  return answerJson({ replays: items });
}

async function replay(call: Call, services: HttpServices): Promise<Response> {
  const request = parseReplayRequest(await jsonOf(call.request));
  return answerReplay(await known(services).replay(request), 201);
}

async function replayBatch(call: Call, services: HttpServices): Promise<Response> {
  const replays = known(services);
  if (services.recordings?.hasBatches !== true) throw notBuilt("live replays of batch tasks are");
  const request = parseLiveBatchRequest(await jsonOf(call.request), services.clock.now());
  return answerReplay(await replays.replayBatch(request), 201);
}

async function replayQuery(call: Call, services: HttpServices): Promise<Response> {
  const replays = known(services);
  if (services.recordings?.hasQueries !== true) throw notBuilt("live replays of queries are");
  const request = parseLiveQueryRequest(await jsonOf(call.request));
  return answerReplay(await replays.replayQuery(request), 201);
}

function getReplay(call: Call, services: HttpServices): Response {
  const found = known(services).get(replayId(call));
  if (found === undefined) throw unknown("could not find replay: no replay exists");
  return answerReplay(found, found.status === "running" ? 202 : 200);
}

async function deleteReplay(call: Call, services: HttpServices): Promise<Response> {
  await known(services).delete(replayId(call));
  return answerNothing();
}

function replayId(call: Call): string {
  const id = call.params["*"] ?? "";
  if (id === "") throw badRequest("must specify replay id on path");
  return id;
}

function known({ replays }: HttpServices): ReplayService {
  if (replays === undefined) throw notBuilt("replays are");
  return replays;
}

function answerReplay(row: StoredReplay, status: number): Response {
  const body: Record<string, unknown> = {};
  for (const field of OBJECT_ORDER) body[field] = FIELDS[field](row);
  body["stats"] = row.stats === undefined ? {} : statsJson(row.stats);
  return answerJson(body, status);
}

const FIELDS = {
  link: (row: StoredReplay) => link(`/replays/${row.id}`),
  id: (row: StoredReplay) => row.id,
  task: (row: StoredReplay) => row.task,
  recording: (row: StoredReplay) => row.recording,
  "recording-time": (row: StoredReplay) => row.recordingTime,
  clock: (row: StoredReplay) => row.clock,
  date: (row: StoredReplay) => row.date,
  error: (row: StoredReplay) => row.error,
  status: (row: StoredReplay) => row.status,
  progress: (row: StoredReplay) => row.progress,
} as const;

/** Key order of a single replay, which also has `stats` at its end; that of a list is alphabetical. */
const OBJECT_ORDER = [
  "link",
  "id",
  "task",
  "recording",
  "recording-time",
  "clock",
  "date",
  "error",
  "status",
  "progress",
] as const;
