/** `replay-live`: feeds answers to queries to a task at once, without a recording. Source: cli §3. */

import { type Command, type CommandContext, UsageError } from "../command.ts";
import { readFlags } from "../flags.ts";
import { missing, readPace, readRange, runLongWork } from "../long-work.ts";

const COMMON = {
  task: "text",
  "replay-id": "text",
  "rec-time": "boolean",
  "real-clock": "boolean",
  "no-wait": "boolean",
} as const;
const BATCH_FLAGS = { ...COMMON, start: "text", past: "text", stop: "text" } as const;
const QUERY_FLAGS = { ...COMMON, query: "text", cluster: "text" } as const;

export const replayLive: Command = {
  name: "replay-live",
  summary: "Feed the answer to a query to a task at once.",
  help: `Usage: kapacitor replay-live batch -task ID (-start TIME | -past DURATION) [-stop TIME] [options]
       kapacitor replay-live query -task ID -query TEXT [-cluster NAME] [options]

Like record and replay in one, but nothing is kept.

Options:
  -replay-id ID     ID of the replay; random when absent.
  -rec-time         Keep the recorded times; else they are moved to now.
  -real-clock       Take as long as the data did; else as fast as possible.
  -no-wait          Print the ID at once.
  -start, -stop     Times in RFC 3339; -stop is now when absent.
  -past DURATION    How long before -stop to start, e.g. 36h.

Examples:
  $ kapacitor replay-live batch -task mem_free -past 36h -rec-time`,
  json: "the replay as GET /kapacitor/v1/replays/ID gives it",
  flags: { ...BATCH_FLAGS, ...QUERY_FLAGS },
  flagValues: { task: "tasks" },
  words: { verbs: { batch: { each: [] }, query: { each: [] } } },
  run: replayNow,
};

async function replayNow(args: readonly string[], context: CommandContext): Promise<void> {
  const [kind, ...rest] = args;
  switch (kind) {
    case undefined:
      throw new UsageError("Must specify 'batch' or 'query'");
    case "batch":
      return replayBatch(rest, context);
    case "query":
      return replayQuery(rest, context);
    default: {
      const shown = JSON.stringify(kind);
      throw new Error(`Unknown replay-live type ${shown}, expected 'batch' or 'query'`);
    }
  }
}

async function replayBatch(args: readonly string[], context: CommandContext): Promise<void> {
  const flags = readFlags(args, BATCH_FLAGS);
  const task = flags.text("task") ?? "";
  if (task === "") throw missing("task is required", replayLive, context);
  const range = readRange(flags, context);
  const body = { id: flags.text("replay-id") ?? "", task, ...range, ...readPace(flags) };
  await runLongWork("/replays/batch", body, waiting(flags.isSet("no-wait")), context);
}

async function replayQuery(args: readonly string[], context: CommandContext): Promise<void> {
  const flags = readFlags(args, QUERY_FLAGS);
  const [query = "", task = ""] = [flags.text("query"), flags.text("task")];
  if (query === "" || task === "") {
    throw missing("both query and task are required", replayLive, context);
  }
  const [id = "", cluster = ""] = [flags.text("replay-id"), flags.text("cluster")];
  const body = { id, task, query, cluster, ...readPace(flags) };
  await runLongWork("/replays/query", body, waiting(flags.isSet("no-wait")), context);
}

function waiting(noWait: boolean) {
  return { label: "Replay", noWait };
}
