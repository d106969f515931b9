/** `replay`: feeds a recording to a task. Source: cli §3. */

import type { Command, CommandContext } from "../command.ts";
import { UsageError } from "../command.ts";
import { readFlags } from "../flags.ts";
import { missing, readPace, runLongWork } from "../long-work.ts";

const FLAGS = {
  recording: "text",
  task: "text",
  "replay-id": "text",
  "rec-time": "boolean",
  "real-clock": "boolean",
  "no-wait": "boolean",
} as const;

export const replay: Command = {
  name: "replay",
  summary: "Feed a recording to a task.",
  help: `Usage: kapacitor replay -recording ID -task ID [options]

Feeds a recording to a task, which need not be enabled, waits until it is through, and
prints the replay's ID. Handlers and databases of the task are the real ones.

Options:
  -replay-id ID     ID of the replay; random when absent.
  -rec-time         Keep the recorded times; else they are moved to now.
  -real-clock       Take as long as the recording did; else as fast as possible.
  -no-wait          Print the ID at once.

Examples:
  $ kapacitor replay -recording e24db07d -task cpu_alert -rec-time`,
  json: "the replay as GET /kapacitor/v1/replays/ID gives it",
  flags: FLAGS,
  flagValues: { recording: "recordings", task: "tasks" },
  words: { each: [] },
  run: replayRecording,
};

async function replayRecording(args: readonly string[], context: CommandContext): Promise<void> {
  if (args.length === 0) throw new UsageError("must pass recording ID");
  const flags = readFlags(args, FLAGS);
  const [recording = "", task = ""] = [flags.text("recording"), flags.text("task")];
  if (recording === "") throw missing("must pass recording ID", replay, context);
  if (task === "") throw missing("must pass task ID", replay, context);
  const body = { id: flags.text("replay-id") ?? "", task, recording, ...readPace(flags) };
  const noWait = flags.isSet("no-wait");
  await runLongWork("/replays", body, { label: "Replay", noWait }, context);
}
