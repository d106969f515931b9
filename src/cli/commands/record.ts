/** `record`: makes a recording of a stream, of a batch task's queries, or of one query. Source: cli §3. */

import { type Command, type CommandContext, UsageError } from "../command.ts";
import { readFlags } from "../flags.ts";
import { missing, readDeadline, readRange, runLongWork } from "../long-work.ts";
import { TASK_TYPES } from "../words.ts";

const FLAGS = {
  task: "text",
  duration: "text",
  start: "text",
  past: "text",
  stop: "text",
  query: "text",
  type: "text",
  cluster: "text",
  "recording-id": "text",
  "no-wait": "boolean",
} as const;

const COMMON = { task: "text", "recording-id": "text", "no-wait": "boolean" } as const;
const STREAM_FLAGS = { ...COMMON, duration: "text" } as const;
const BATCH_FLAGS = { ...COMMON, start: "text", past: "text", stop: "text" } as const;
const QUERY_FLAGS = {
  query: "text",
  type: "text",
  cluster: "text",
  "recording-id": "text",
  "no-wait": "boolean",
} as const;

export const recordCommand: Command = {
  name: "record",
  summary: "Record stream data or the answer to a query, for replays.",
  help: `Usage: kapacitor record stream -task ID -duration DURATION [options]
       kapacitor record batch -task ID (-start TIME | -past DURATION) [-stop TIME] [options]
       kapacitor record query -query TEXT -type stream|batch [-cluster NAME] [options]

Makes a recording, waits until it is complete, and prints its ID.

stream   what a task gets from now on. It ends with the first point that is later than
         the duration; without any further data it does not end.
batch    the answers to a batch task's queries in a stretch of the past.
query    the answer to one query, which names database and retention policy.

Options:
  -recording-id ID  ID of the recording; random when absent.
  -no-wait          Print the ID at once.
  -start, -stop     Times in RFC 3339; -stop is now when absent.
  -past DURATION    How long before -stop to start, e.g. 36h.

Examples:
  $ kapacitor record stream -task cpu_alert -duration 1m
  $ kapacitor record batch -task mem_free -past 36h
  $ kapacitor record query -query 'SELECT usage FROM telegraf.autogen.cpu' -type stream`,
  json: "the recording as GET /kapacitor/v1/recordings/ID gives it",
  flags: FLAGS,
  flagValues: { task: "tasks", type: TASK_TYPES },
  words: { verbs: { stream: { each: [] }, batch: { each: [] }, query: { each: [] } } },
  run: makeRecording,
};

async function makeRecording(args: readonly string[], context: CommandContext): Promise<void> {
  const [kind, ...rest] = args;
  switch (kind) {
    case undefined:
      throw new UsageError("Must specify 'stream', 'batch' or 'query'");
    case "stream":
      return recordStream(rest, context);
    case "batch":
      return recordBatch(rest, context);
    case "query":
      return recordQuery(rest, context);
    default: {
      const shown = JSON.stringify(kind);
      throw new Error(`Unknown record type ${shown}, expected 'stream', 'batch' or 'query'`);
    }
  }
}

async function recordStream(args: readonly string[], context: CommandContext): Promise<void> {
  const flags = readFlags(args, STREAM_FLAGS);
  const [task = "", duration = ""] = [flags.text("task"), flags.text("duration")];
  if (task === "" || duration === "") {
    throw missing("both task and duration are required", recordCommand, context);
  }
  const stop = readDeadline(duration, context);
  const body = { id: flags.text("recording-id") ?? "", task, stop };
  await runLongWork("/recordings/stream", body, waiting(flags.isSet("no-wait")), context);
}

async function recordBatch(args: readonly string[], context: CommandContext): Promise<void> {
  const flags = readFlags(args, BATCH_FLAGS);
  const task = flags.text("task") ?? "";
  if (task === "") throw missing("task is required", recordCommand, context);
  const range = readRange(flags, context);
  const body = { id: flags.text("recording-id") ?? "", task, ...range };
  await runLongWork("/recordings/batch", body, waiting(flags.isSet("no-wait")), context);
}

async function recordQuery(args: readonly string[], context: CommandContext): Promise<void> {
  const flags = readFlags(args, QUERY_FLAGS);
  const [query = "", type = ""] = [flags.text("query"), flags.text("type")];
  if (query === "" || type === "") {
    throw missing("both query and type are required", recordCommand, context);
  }
  const id = flags.text("recording-id") ?? "";
  const body = { id, query, type, cluster: flags.text("cluster") ?? "" };
  await runLongWork("/recordings/query", body, waiting(flags.isSet("no-wait")), context);
}

function waiting(noWait: boolean) {
  return { label: "Recording", noWait };
}
