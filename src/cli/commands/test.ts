/** `test`: cases of TICKscripts, and scripts over recordings, without a server. Ours. */

import { basename } from "node:path";
import type { CaseOutcome } from "#daemon/offline-cases.ts";
import { encodeJson, parseJson } from "#lib/json.ts";
import { type Command, type CommandContext, FaultsFound, UsageError } from "../command.ts";
import { type Flags, readFlags } from "../flags.ts";
import { jsonText } from "../output.ts";
import { TASK_TYPES } from "../words.ts";

export const test: Command = {
  name: "test",
  summary: "Run test cases of TICKscripts, or a script over a recording.",
  help: `Usage: kapacitor test [-update] PATH...
       kapacitor test -run SCRIPT -data FILE... [options]

Runs test cases with the real engine on a clock that stands still, and prints what did not come out as
the case says. Of a directory all *.case files are run. Asks no server, and tells nobody: handlers,
InfluxDB and HTTP posts are not reached. Times are in UTC. The exit code is 1 when a case fails.

With -run a script is run over recordings, and what came out is printed as one JSON object:
{"outputs": {"<endpoint>": {"series": …}}, "events": [{"topic", "handler", "data"}],
"stats": {"<node>": {…}}, "errors": [{"node", "error"}]}

Options:
  -update           Rewrite the cases with what came out.
  -run SCRIPT       The script.
  -data FILE        A recording: .srpl of a stream, .brpl of a batch task. Several are those of the queries
                    of a batch task, in order.
  -type TYPE        stream or batch; found out by the script when not given.
  -from TIME        Moves all times so that the first point falls there: 1971-01-01T00:00:00Z.
  -precision UNIT   Unit of the times in a .srpl: ns, u, ms, s, m or h. Default ns.
  -vars FILE        Values of the script's vars, as define -vars takes them.
  -out json         The form of what -run prints; json is the only one.

Examples:
  $ kapacitor test tests/
  $ kapacitor test -run cpu.tick -data cpu.srpl -out json`,
  json: '{"cases": [{"file", "passed", "problem", "differences": [{"section", "lines"}]}], "passed", "failed"}',
  flags: {
    update: "boolean",
    run: "text",
    data: "list",
    type: "text",
    from: "text",
    precision: "text",
    vars: "text",
    out: "text",
  },
  flagValues: {
    run: "file",
    data: "file",
    type: TASK_TYPES,
    vars: "file",
    out: ["json"],
    precision: ["ns", "u", "ms", "s", "m", "h"],
  },
  words: { each: ["file"], rest: "file" },
  offline: true,
  run: runTests,
};

async function runTests(args: readonly string[], context: CommandContext): Promise<void> {
  const flags = readFlags(args, test.flags);
  const script = flags.text("run");
  if (script !== undefined) return runScript(script, flags, context);
  for (const name of ["data", "type", "from", "precision", "vars", "out"]) {
    const isGiven = name === "data" ? flags.list(name).length > 0 : flags.text(name) !== undefined;
    if (isGiven) throw new UsageError(`-${name} goes with -run`);
  }
  if (flags.rest.length === 0) throw new UsageError("Must provide at least one file or directory.");
  return runAll(flags.rest, flags.isSet("update"), context);
}

async function runAll(
  paths: readonly string[],
  updates: boolean,
  { environment, output }: CommandContext,
): Promise<void> {
  const { runCases } = await import("#daemon/offline-cases.ts");
  const outcomes: CaseOutcome[] = [];
  let updated = 0;
  for await (const outcome of runCases(paths)) {
    outcomes.push(outcome);
    const { file, problem, differences } = outcome;
    if (problem === "" && differences.length === 0) continue;
    if (updates && problem === "") {
      environment.replaceFile(file, outcome.updated);
      updated++;
    } else if (output === "table") {
      environment.out(failureText(outcome));
    }
  }
  const failed = outcomes.filter(isFailure).length - updated;
  const passed = outcomes.length - failed - updated;
  if (output === "json") {
    environment.out(jsonText({ cases: outcomes.map(caseJson), passed, failed, updated }));
  } else {
    const more = updates ? `, ${updated} updated` : "";
    environment.out(`${passed} passed, ${failed} failed${more}\n`);
  }
  if (failed > 0) throw new FaultsFound();
}

function isFailure({ problem, differences }: CaseOutcome): boolean {
  return problem !== "" || differences.length > 0;
}

function caseJson(outcome: CaseOutcome): Readonly<Record<string, unknown>> {
  const { file, problem, differences } = outcome;
  return { file, passed: !isFailure(outcome), problem, differences };
}

function failureText({ file, problem, differences }: CaseOutcome): string {
  const lines = [`FAIL ${file}`];
  if (problem !== "") lines.push(`  ${problem}`);
  for (const { section, lines: diff } of differences) {
    lines.push(`  -- ${section} --`, ...diff.map((line) => `  ${line}`));
  }
  return `${lines.join("\n")}\n`;
}

async function runScript(
  path: string,
  flags: Flags,
  { environment }: CommandContext,
): Promise<void> {
  const [extra] = flags.rest;
  if (extra !== undefined) throw new UsageError(`unexpected ${JSON.stringify(extra)} beside -run`);
  if (flags.isSet("update")) throw new UsageError("-update is for cases");
  const out = flags.text("out") ?? "json";
  if (out !== "json") throw new UsageError(`-out must be json, not ${JSON.stringify(out)}`);
  const type = TASK_TYPES.find((known) => known === flags.text("type"));
  if (type === undefined && flags.text("type") !== undefined) {
    throw new UsageError(
      `-type must be stream or batch, not ${JSON.stringify(flags.text("type"))}`,
    );
  }
  const data = flags.list("data");
  if (data.length === 0) throw new UsageError("-run needs a recording: -data FILE");
  const script = environment.readFile(path);
  const { runOverRecordings } = await import("#daemon/offline-recordings.ts");
  const report = await runOverRecordings({
    script,
    type,
    data,
    vars: readVars(flags.text("vars"), environment),
    from: flags.text("from"),
    precision: flags.text("precision"),
    task: basename(path).replace(/\.tick$/, ""),
  });
  environment.out(`${encodeJson(report)}\n`);
}

function readVars(path: string | undefined, environment: CommandContext["environment"]): unknown {
  if (path === undefined) return undefined;
  const parsed = parseJson(environment.readFile(path));
  if (!parsed.ok) throw new Error(`${path}: ${parsed.error}`);
  return parsed.value;
}
