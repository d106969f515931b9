/**
 * Runs one script over one recording and tells everything that came out: `kapacitor test -run`.
 *
 * The answer is plain data in the API's forms: the final result of every httpOut endpoint after the task was
 * drained, every event with the handlers' JSON, the nodes' statistics, and the errors.
 */

import { alertData } from "#alert/data.ts";
import { encodeJson, JsonValueError } from "#lib/json.ts";
import { parseTime } from "#lib/time.ts";
import type { Dbrp } from "#model/dbrp.ts";
import type { LinePrecision } from "#model/line-protocol-format.ts";
import type { ScriptResult, TaskType, TickValue } from "#tick/environment.ts";
import { evaluateScript } from "#tick/evaluate.ts";
import { OFFLINE_TASK, OfflineEngine, type OfflineSurroundings } from "./offline-engine.ts";
import { queriesOf } from "./offline-script.ts";
import { openRecording } from "./recording-feed.ts";

export interface RecordedRun {
  readonly script: string;
  readonly vars: Readonly<Record<string, TickValue>>;
  /** The type that the script has by itself when absent. */
  readonly type: TaskType | undefined;
  /** Recordings; several are those of a batch task's queries, in order. */
  readonly files: readonly Uint8Array[];
  /** RFC 3339; times as recorded when absent. */
  readonly from: string | undefined;
  /** Unit of the times in a stream recording. */
  readonly precision: LinePrecision;
  /** ID of the task, as templates and topics show it. */
  readonly task?: string;
}

export interface RunReport {
  /** By endpoint. */
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly events: readonly RunEvent[];
  /** By node. */
  readonly stats: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly errors: readonly { readonly node: string; readonly error: string }[];
}

/** One event as one handler would have got it; `handler` is "" when the topic has none. */
export interface RunEvent {
  readonly topic: string;
  readonly handler: string;
  readonly data: unknown;
}

/** Throws `TickError` for a script that cannot be read, `RecordingError` for files, `Error` when it cannot start. */
export async function runRecording(
  run: RecordedRun,
  surroundings: OfflineSurroundings,
): Promise<RunReport> {
  const { environment } = surroundings;
  const { type, vars } = run;
  const script = evaluateScript(run.script, {
    environment,
    vars,
    ...(type === undefined ? {} : { type }),
  });
  const from = run.from === undefined ? undefined : parseTime(run.from);
  if (run.from !== undefined && from === undefined) {
    throw new Error(`bad time ${JSON.stringify(run.from)}, want RFC 3339: 1971-01-01T00:00:00Z`);
  }
  const recording = openRecording(script.type, run.files, { from, precision: run.precision });
  const queries = queriesOf(script);
  if (queries !== recording.queries) {
    throw new Error(`the task has ${queries} queries, the recordings ${recording.queries}`);
  }
  const { start } = recording;
  const offline = new OfflineEngine(surroundings, { start, takesBatches: true });
  const id = run.task ?? OFFLINE_TASK;
  const definition = {
    id,
    type: script.type,
    script: run.script,
    vars,
    dbrps: dbrpsOf(script, recording.dbrps),
  };
  const outcome = offline.engine.startScript(definition, script);
  if (outcome.kind === "refused") throw new Error(outcome.error);
  recording.feed(offline, id);
  return finished(offline, id);
}

/** Without `dbrp` statements the task gets everything that was recorded. */
function dbrpsOf(script: ScriptResult, recorded: readonly Dbrp[]): readonly Dbrp[] {
  return script.dbrps.length > 0 ? script.dbrps : recorded;
}

async function finished(offline: OfflineEngine, id: string): Promise<RunReport> {
  const { engine, events, errors } = offline;
  await offline.settle(engine.drain(id));
  const prefix = `${id}/`;
  const outputs = engine
    .endpoints()
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .map((name) => [name, printable(engine.endpoint(id, name) ?? NOTHING)] as const);
  const report: RunReport = {
    outputs: Object.fromEntries(outputs),
    events: events.flatMap((raised) => {
      const { event, previousLevel, handlers } = raised;
      const told = handlers.length === 0 ? [""] : handlers;
      const data = printable(alertData({ event, previousLevel }));
      return told.map((handler) => ({ topic: event.topic, handler, data }));
    }),
    stats: engine.stats(id)?.nodeStats ?? {},
    errors: errors.map(({ node, message, error }) => ({
      node,
      error: error === "" ? message : `${message}: ${error}`,
    })),
  };
  await offline.settle(engine.stop(id));
  return report;
}

const NOTHING = { series: null };

/** The value, or what JSON has against it: one NaN must not cost the whole report. */
function printable(value: unknown): unknown {
  try {
    encodeJson(value);
    return value;
  } catch (error) {
    if (error instanceof JsonValueError) return { error: error.message };
    throw error;
  }
}
