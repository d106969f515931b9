/**
 * `ask-tasks`: members tell each other which cluster tasks they run, and answer for those they run.
 *
 * A report is answered by one's own, so that one exchange brings both up to date. What a task shows travels as the text
 * that the API would print, so that no digit is lost.
 */

import { type MemberId, WireError } from "../ports.ts";
import { CLUSTER_TASKS_MAX } from "../replicate/limits.ts";
import {
  defineCall,
  wireCount,
  wireFlag,
  wireList,
  wireRecord,
  wireText,
} from "../rpc/define-call.ts";
import { readMember } from "./alert-payloads.ts";

/** Members of a cluster; far more than there can be. */
const MEMBERS_MAX = 10_000;

/** What a member says of itself. */
export interface TaskReport {
  /** Grows with every report of a process, so that an older one is not taken for news. */
  readonly number: number;
  /** IDs of the cluster tasks that run there. */
  readonly running: readonly string[];
  /** Cluster tasks that cannot run there, because a task of its own has the same ID. */
  readonly blocked: readonly string[];
  /** Members that it does not give tasks, because they were gone and have not been back for long. */
  readonly out: readonly MemberId[];
  /** It is about to be removed from the cluster. */
  readonly leaving: boolean;
}

export type TaskQuestion =
  /** Does a task of this ID belong to that member alone? */
  | { readonly what: "own"; readonly task: string }
  /** State, numbers and graph of a task that runs there. */
  | { readonly what: "show"; readonly task: string; readonly view: "attributes" | "labels" }
  /** The data of one of its httpOut endpoints. */
  | { readonly what: "endpoint"; readonly task: string; readonly endpoint: string };

export type TaskRequest = { readonly what: "report"; readonly report: TaskReport } | TaskQuestion;

export type TaskAnswer =
  | { readonly kind: "report"; readonly report: TaskReport }
  /** `undefined` when the member has nothing of the kind. */
  | { readonly kind: "text"; readonly text: string | undefined };

export const askTasks = defineCall<TaskRequest, TaskAnswer>({
  number: 16,
  name: "ask-tasks",
  parseRequest(input) {
    const { what, report, task, view, endpoint } = wireRecord(input, "question");
    switch (what) {
      case "report":
        return { what, report: readReport(report) };
      case "own":
        return { what, task: wireText(task, "task") };
      case "show":
        return { what, task: wireText(task, "task"), view: readView(view) };
      case "endpoint":
        return { what, task: wireText(task, "task"), endpoint: wireText(endpoint, "endpoint") };
      default:
        throw new WireError(`question of unknown kind ${String(what).slice(0, 40)}`);
    }
  },
  parseAnswer(input) {
    const { report, text } = wireRecord(input, "answer");
    if (report !== undefined) return { kind: "report", report: readReport(report) };
    return { kind: "text", text: text === null ? undefined : wireText(text, "text") };
  },
});

export function encodeTaskAnswer(answer: TaskAnswer): unknown {
  return answer.kind === "report" ? { report: answer.report } : { text: answer.text ?? null };
}

function readReport(input: unknown): TaskReport {
  const { number, running, blocked, out, leaving } = wireRecord(input, "report");
  return {
    number: wireCount(number, "number"),
    running: readIds(running, "running"),
    blocked: readIds(blocked, "blocked"),
    out: wireList(out, "out", MEMBERS_MAX).map(readMember),
    leaving: wireFlag(leaving, "leaving"),
  };
}

function readIds(input: unknown, what: string): readonly string[] {
  return wireList(input, what, CLUSTER_TASKS_MAX).map((id) => wireText(id, what));
}

function readView(input: unknown): "attributes" | "labels" {
  if (input === "attributes" || input === "labels") return input;
  throw new WireError("a view of unknown kind");
}
