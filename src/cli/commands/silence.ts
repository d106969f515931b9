/** `silence`: for a time, matching events are not told to handlers. Ours. */

import { type JsonRecord, pathPart, record, records, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { readFlags } from "../flags.ts";
import { formatLocalTime, report } from "../output.ts";
import { tableLines } from "../table.ts";

const FLAGS = {
  for: "text",
  starts: "text",
  ends: "text",
  author: "text",
  comment: "text",
  all: "boolean",
} as const;

export const silence: Command = {
  name: "silence",
  summary: "Keep matching events from being told for a time.",
  help: `Usage: kapacitor silence add [options] MATCHER...
       kapacitor silence list [-all]
       kapacitor silence expire SILENCE_ID...

A silenced event changes its topic, but no handler is told. A silence covers an event when all its
matchers hold: NAME=VALUE, NAME!=VALUE, NAME=~EXPRESSION or NAME!~EXPRESSION, where NAME is topic, id,
level or tag:KEY. An expression must match the whole value. add prints the silence's ID.

Options of add, before the matchers:
  -for DURATION     How long, as 30m, 8h or 2d.
  -ends TIME        Or when it ends, as 2026-11-22T06:00:00Z.
  -starts TIME      When it begins; default now.
  -author NAME      Default the USER of the environment.
  -comment TEXT     Why.

Options of list:
  -all              Show expired ones too.

Examples:
  $ kapacitor silence add -for 2h -comment "new disks" tag:host=db1 level!=CRITICAL
  $ kapacitor silence add -for 8h "id=~disk:.*"`,
  json: `add: the silence; list: {"silences": [{"id", "status", "matchers", "starts", "ends",
"author", "comment"}]}`,
  flags: FLAGS,
  words: {
    verbs: {
      add: { each: ["text"], rest: "text" },
      list: { each: [] },
      expire: { each: ["text"], rest: "text" },
    },
  },
  run: runSilence,
};

async function runSilence(args: readonly string[], context: CommandContext): Promise<void> {
  const [verb, ...rest] = args;
  switch (verb) {
    case "add":
      return addSilence(rest, context);
    case "list":
      return listSilences(rest, context);
    case "expire":
      return expireSilences(rest, context);
    default:
      throw new UsageError("Must provide one of add, list, expire.");
  }
}

async function addSilence(args: readonly string[], context: CommandContext): Promise<void> {
  const flags = readFlags(args, FLAGS);
  if (flags.rest.length === 0) throw new UsageError("Must provide at least one matcher.");
  const matchers = flags.rest.map(readMatcher);
  const { variables } = context.environment;
  const made = record(
    await context.api.post("/alerts/silences", {
      matchers,
      starts: flags.text("starts"),
      ends: flags.text("ends"),
      duration: flags.text("for"),
      author: flags.text("author") ?? variables["USER"] ?? variables["LOGNAME"],
      comment: flags.text("comment"),
    }),
  );
  report(context, made, [text(made, "id")]);
}

function readMatcher(word: string): JsonRecord {
  const match = /^(topic|id|level|tag:[^=!~]+)(=~|!~|!=|=)(.*)$/s.exec(word);
  if (match === null) {
    throw new UsageError(
      `not a matcher: ${word}; write topic, id, level or tag:KEY, then =, !=, =~ or !~`,
    );
  }
  const [, name, how = "", value] = match;
  return { name, value, isRegex: how.endsWith("~"), isEqual: how.startsWith("=") };
}

async function listSilences(args: readonly string[], context: CommandContext): Promise<void> {
  const flags = readFlags(args, FLAGS);
  if (flags.rest.length > 0) throw new UsageError(`unexpected word ${flags.rest[0]}`);
  const answer = await context.api.get("/alerts/silences");
  const found = records(answer, "silences").filter(
    (one) => flags.isSet("all") || text(one, "status") !== "expired",
  );
  const { timeZone } = context.environment;
  const rows = found.map((one) => [
    text(one, "id"),
    text(one, "status"),
    formatLocalTime(text(one, "starts"), timeZone),
    formatLocalTime(text(one, "ends"), timeZone),
    text(one, "author"),
    records(one, "matchers").map(shownMatcher).join(" "),
    text(one, "comment"),
  ]);
  const heads = ["ID", "Status", "Starts", "Ends", "Author", "Matchers", "Comment"];
  report(context, { silences: found }, tableLines(heads, rows));
}

function shownMatcher(matcher: JsonRecord): string {
  const isEqual = matcher["isEqual"] === true;
  const how = matcher["isRegex"] === true ? (isEqual ? "=~" : "!~") : isEqual ? "=" : "!=";
  return `${text(matcher, "name")}${how}${text(matcher, "value")}`;
}

async function expireSilences(ids: readonly string[], { api }: CommandContext): Promise<void> {
  if (ids.length === 0) throw new UsageError("Must provide at least one silence ID.");
  for (const id of ids) await api.delete(`/alerts/silences/${pathPart(id)}`);
}
