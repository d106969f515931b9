/** `delete`: tasks, templates, recordings, replays, topics and topic handlers by patterns. Source: cli §4. */

import { link } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { handlersMatching, matchingLinks, topicsMatching } from "../matching.ts";

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

async function deleteMatching(args: readonly string[], { api }: CommandContext): Promise<void> {
  if (args.length < 2) throw new UsageError("Must pass at least one ID");
  const [kind = "", ...patterns] = args;
  switch (kind) {
    case "tasks":
    case "templates":
    case "recordings":
    case "replays":
      for (const pattern of patterns) {
        for (const { href } of await matchingLinks(api, kind, pattern)) await api.delete(href);
      }
      return;
    case "topics":
      for (const pattern of patterns) {
        for (const topic of await topicsMatching(api, pattern)) await api.delete(link(topic));
      }
      return;
    case "topic-handlers": {
      const [topic = "", ...ids] = patterns;
      if (ids.length === 0) throw new UsageError("Must pass at least one ID");
      for (const pattern of ids) {
        for (const spec of await handlersMatching(api, topic, pattern))
          await api.delete(link(spec));
      }
      return;
    }
    default:
      throw new Error(
        `cannot delete '${kind}' did you mean 'tasks', 'templates', 'recordings', 'replays', 'topics' or 'topic-handlers'?`,
      );
  }
}
