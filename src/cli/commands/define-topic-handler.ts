/** `define-topic-handler`: creates or replaces a topic handler from a file. Source: cli §2. */

import { readDefinition } from "#lib/definition-file.ts";
import { pathPart, record } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { report } from "../output.ts";

export const defineTopicHandler: Command = {
  name: "define-topic-handler",
  summary: "Create or replace an alert handler of a topic.",
  help: `Usage: kapacitor define-topic-handler PATH

Creates or replaces a topic handler. The file is YAML or JSON:

  topic: cpu
  id: slack
  kind: slack
  match: changed() == TRUE
  options:
    channel: '#alerts'

Examples:
  $ kapacitor define-topic-handler slack_cpu.yaml`,
  json: "the handler as GET /kapacitor/v1/alerts/topics/TOPIC/handlers/ID gives it",
  flags: {},
  words: { each: ["file"] },
  run: defineIt,
};

async function defineIt(args: readonly string[], context: CommandContext) {
  const { api, environment } = context;
  const [path] = args;
  if (path === undefined || args.length !== 1) {
    throw new UsageError("Must provide a path to a handler file.");
  }
  const definition = readDefinition(path, environment.readFile(path));
  const [topic, id] = [definition["topic"], definition["id"]].map((name) => String(name ?? ""));
  if (topic === "" || topic === undefined) throw new Error(`${path}: topic must not be empty`);
  if (id === "" || id === undefined) throw new Error(`${path}: id must not be empty`);
  const { kind = "", match = "", options = null } = definition;
  const body = { topic, id, kind, match, options };
  const handlers = `/alerts/topics/${pathPart(topic)}/handlers`;
  const existing = await api.find(`${handlers}/${pathPart(id)}`);
  const defined = await (existing === undefined
    ? api.post(handlers, body)
    : api.put(`${handlers}/${pathPart(id)}`, body));
  report(context, record(defined), []);
}
