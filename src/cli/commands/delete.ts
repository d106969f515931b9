/** `delete`: tasks, templates, recordings, replays, topics and topic handlers by patterns. Source: cli §4. */

import { link, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { handlersMatching, matchingLinks, topicsMatching } from "../matching.ts";
import { report } from "../output.ts";

export const deleteCommand: Command = {
  name: "delete",
  summary: "Delete tasks, templates, recordings, replays, topics, topic handlers.",
  help: `Usage: kapacitor delete KIND PATTERN...
       kapacitor delete topic-handlers TOPIC PATTERN...

Deletes everything of a kind whose ID matches one of the patterns.
KIND is tasks, templates, recordings, replays, topics or topic-handlers.

Examples:
  $ kapacitor delete tasks cpu_alert
  $ kapacitor delete topic-handlers cpu slack`,
  json: '{"deleted": […]}: the IDs of those that matched',
  flags: {},
  words: {
    verbs: {
      tasks: { each: ["tasks"], rest: "tasks" },
      templates: { each: ["templates"], rest: "templates" },
      recordings: { each: ["recordings"], rest: "recordings" },
      replays: { each: ["replays"], rest: "replays" },
      topics: { each: ["topics"], rest: "topics" },
      "topic-handlers": { each: ["topics", "topic-handlers"] },
    },
  },
  run: deleteMatching,
};

async function deleteMatching(args: readonly string[], context: CommandContext): Promise<void> {
  if (args.length < 2) throw new UsageError("Must pass at least one ID");
  const deleted: string[] = [];
  for await (const id of deletions(args, context)) deleted.push(id);
  report(context, { deleted }, []);
}

/** Deletes one after the other and gives the ID of each. */
async function* deletions(
  args: readonly string[],
  { api }: CommandContext,
): AsyncGenerator<string> {
  const [kind = "", ...patterns] = args;
  switch (kind) {
    case "tasks":
    case "templates":
    case "recordings":
    case "replays":
      for (const pattern of patterns) {
        for (const { id, href } of await matchingLinks(api, kind, pattern)) {
          await api.delete(href);
          yield id;
        }
      }
      return;
    case "topics":
      for (const pattern of patterns) {
        for (const topic of await topicsMatching(api, pattern)) {
          await api.delete(link(topic));
          yield text(topic, "id");
        }
      }
      return;
    case "topic-handlers": {
      const [topic = "", ...ids] = patterns;
      if (ids.length === 0) throw new UsageError("Must pass at least one ID");
      for (const pattern of ids) {
        for (const spec of await handlersMatching(api, topic, pattern)) {
          await api.delete(link(spec));
          yield text(spec, "id");
        }
      }
      return;
    }
    default:
      throw new Error(
        `cannot delete '${kind}' did you mean 'tasks', 'templates', 'recordings', 'replays', 'topics' or 'topic-handlers'?`,
      );
  }
}
