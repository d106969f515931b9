/** Runs a script over recordings without a daemon: the door to `kapacitor test -run`. */

import { type LinePrecision, PRECISION_NS } from "#model/line-protocol-format.ts";
import { type RunReport, runRecording } from "#tasks/case/run-recording.ts";
import type { TaskType } from "#tick/environment.ts";
import { varsFromJson } from "#tick/vars.ts";
import { offlineSurroundings, readBytes } from "./offline-cases.ts";

export interface RecordingRun {
  readonly script: string;
  /** In the API's form; `undefined` for none. */
  readonly vars: unknown;
  readonly type: TaskType | undefined;
  /** Paths of recordings, in the order of the script's queries. */
  readonly data: readonly string[];
  readonly from: string | undefined;
  /** `ns` when absent. */
  readonly precision: string | undefined;
  /** ID of the task. */
  readonly task: string;
}

/** Throws whatever is wrong with the script, the files or the options, in words for people. */
export function runOverRecordings(run: RecordingRun): Promise<RunReport> {
  const { script, type, from, task } = run;
  return runRecording(
    {
      script,
      type,
      from,
      task,
      vars: varsFromJson(run.vars),
      precision: precisionOf(run.precision ?? "ns"),
      files: run.data.map(readBytes),
    },
    offlineSurroundings(),
  );
}

function precisionOf(text: string): LinePrecision {
  const units = Object.keys(PRECISION_NS);
  if (units.includes(text)) return text as LinePrecision;
  throw new Error(`unknown precision ${JSON.stringify(text)}, want one of ${units.join(", ")}`);
}
