/**
 * Who runs which cluster task: reports of all members, and what follows from them for this one.
 *
 * Members tell each other what they run, at every change and when a connection comes up. A member that is to run a task
 * starts it; one that is no longer to run it stops only when those that are have said that they do, so that
 * moving leaves no gap. Views may differ for a while: then more members run a task than need be, never fewer.
 */

import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import {
  askTasks,
  encodeTaskAnswer,
  type TaskAnswer,
  type TaskQuestion,
  type TaskReport,
  type TaskRequest,
} from "../calls/ask-tasks.ts";
import type { ClusterView, MemberId, MemberView, Rpc } from "../ports.ts";
import { ask, serve } from "../rpc/typed-calls.ts";
import {
  FRESH_STATES_MS,
  REMOVAL_FORGOTTEN_MS,
  RUNNERS_TIMEOUT_MS,
  SYNC_RETRY_MS,
  TASK_HANDOVER_MS,
  TASK_READ_TIMEOUT_MS,
} from "./limits.ts";
import { isAway, type PlacementOptions, TaskPlacement } from "./task-placement.ts";

/** The tasks of this member. */
export interface LocalTasks {
  /** Cluster tasks that run here. */
  running(): readonly string[];
  /** Cluster tasks that cannot run here, because a task of this member's own has the same ID. */
  blocked(): readonly string[];
  runs(task: string): boolean;
  /** Is it a task of this member alone? */
  owns(task: string): boolean;
  /** The answers to what other members ask, as text; `undefined` when there is none. */
  show(task: string, view: "attributes" | "labels"): string | undefined;
  endpoint(task: string, endpoint: string): string | undefined;
}

export interface TaskRunnersParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly rpc: Rpc;
  readonly membership: {
    view(): ClusterView;
    onChange(listener: (view: ClusterView) => void): void;
  };
  /** Takes over what a member knows of topics. Never rejects. */
  readonly takeStates: (member: MemberId) => Promise<void>;
}

/** `keep`: go on if it runs, for those that are to run it do not yet; do not start it. */
export type TaskDecision = "run" | "keep" | "stop";

/** A member as other rooms name it. */
export interface TaskMember {
  readonly id: MemberId;
  /** `host:port` of its API. */
  readonly address: string;
}

const NOBODY: LocalTasks = {
  running: () => [],
  blocked: () => [],
  runs: () => false,
  owns: () => false,
  show: () => undefined,
  endpoint: () => undefined,
};

interface Heard {
  readonly number: number;
  readonly running: ReadonlySet<string>;
  readonly blocked: ReadonlySet<string>;
  readonly leaving: boolean;
}

export class TaskRunners {
  readonly #parts: TaskRunnersParts;
  readonly #placement: TaskPlacement;
  readonly #heard = new Map<MemberId, Heard>();
  readonly #linked = new Set<MemberId>();
  /** Number of the report that a member has; those on the way are in `#telling`. */
  readonly #told = new Map<MemberId, number>();
  readonly #telling = new Set<MemberId>();
  readonly #listeners = new Set<() => void>();
  readonly #counters = { task_reports: 0, task_reports_failed: 0 };
  #local: LocalTasks = NOBODY;
  #number = 0;
  #lastReport = "";
  #isLeaving = false;
  #statesAt = Number.NEGATIVE_INFINITY;
  #cancelTimer: Cancel = () => {};
  #cancelLeaving: Cancel = () => {};
  #clusterId = "";
  #closed = false;

  constructor(parts: TaskRunnersParts, options: PlacementOptions) {
    this.#parts = parts;
    this.#placement = new TaskPlacement(options);
  }

  /** Starts answering. Call it before RPC accepts connections. */
  open(): void {
    const { rpc, membership } = this.#parts;
    serve(rpc, askTasks, (from, request) => encodeTaskAnswer(this.#answer(from, request)));
    rpc.onLink((member, state) => {
      if (state === "up") {
        this.#linked.add(member);
        this.#told.delete(member);
        void this.#tell(member);
      } else {
        this.#linked.delete(member);
        if (this.#heard.delete(member)) this.#changed();
      }
    });
    membership.onChange(() => this.#look());
    this.#look();
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer();
    this.#cancelLeaving();
  }

  /**
   * The tasks of this member are ready: from now on it tells what they are. Resolves, within a second, when the members
   * that are there have said what they run and whom they count out.
   */
  async join(local: LocalTasks): Promise<void> {
    this.#local = local;
    const told = this.#others().map(({ id }) => this.#exchange(id, RUNNERS_TIMEOUT_MS));
    const reports = await Promise.all(told);
    const now = this.#parts.clock.monoMs();
    for (const report of reports) {
      for (const member of report?.out ?? []) this.#placement.putOut(member, now);
    }
    this.#look();
  }

  /** Called after everything that may change a decision. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  decide(task: string): TaskDecision {
    const wanted = this.#wanted(task);
    const { localId } = this.#parts.membership.view();
    if (wanted.includes(localId)) return "run";
    const isCovered = wanted.length > 0 && wanted.every((id) => this.#runs(id, task));
    return isCovered ? "stop" : "keep";
  }

  /** Members that said that they run it, first one first. */
  runners(task: string): readonly TaskMember[] {
    return this.#named(this.#placement.ranking(task).filter((id) => this.#runs(id, task)));
  }

  /** Other members that can tell of the task: those that run it, or else those that were to. */
  witnesses(task: string): readonly TaskMember[] {
    const { localId } = this.#parts.membership.view();
    const running = this.runners(task);
    const able = running.length > 0 ? running : this.#named(this.#wanted(task));
    return able.filter(({ id }) => id !== localId);
  }

  /** Tells the others what runs here, if that is news. */
  report(): void {
    if (this.#refresh()) for (const member of this.#linked) void this.#tell(member);
  }

  /** Live members that have a task of their own with this ID; those that do not answer are left out. */
  async owners(task: string): Promise<readonly TaskMember[]> {
    const question = { what: "own", task } as const;
    const answers = await Promise.all(
      this.#others().map(async (member) => {
        const text = await this.#question(member.id, question, RUNNERS_TIMEOUT_MS).catch(
          () => undefined,
        );
        return text === undefined ? [] : [named(member)];
      }),
    );
    return answers.flat();
  }

  /** What a member that runs the task shows. Rejects when it does not answer. */
  ask(member: string, question: TaskQuestion): Promise<string | undefined> {
    const known = this.#parts.membership.view().members.find(({ id }) => id === member);
    if (known === undefined) return Promise.reject(new Error(`unknown member ${member}`));
    return this.#question(known.id, question, TASK_READ_TIMEOUT_MS);
  }

  /** Resolves, within a second, when this member knows the topics' levels as others do; call it before a start. */
  async freshStates(): Promise<void> {
    const { clock, takeStates } = this.#parts;
    const now = clock.monoMs();
    if (this.#linked.size === 0 || now - this.#statesAt < FRESH_STATES_MS) return;
    this.#statesAt = now;
    const late = Promise.withResolvers<void>();
    const cancel = clock.after(RUNNERS_TIMEOUT_MS, late.resolve);
    await Promise.race([Promise.all([...this.#linked].map(takeStates)), late.promise]);
    cancel();
  }

  /** This member is about to be removed: resolves when others run its tasks, or after three seconds. */
  async leave(): Promise<void> {
    if (this.#others().length === 0) return;
    const { clock } = this.#parts;
    this.#isLeaving = true;
    // Should the removal fail after all, this member takes its tasks back.
    this.#cancelLeaving = clock.after(REMOVAL_FORGOTTEN_MS, () => {
      this.#isLeaving = false;
      this.report();
      this.#changed();
    });
    this.report();
    const taken = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.#local.running().every((task) => this.decide(task) === "stop")) taken.resolve();
    };
    this.onChange(look);
    look();
    const cancel = clock.after(TASK_HANDOVER_MS, taken.resolve);
    await taken.promise;
    cancel();
    this.#listeners.delete(look);
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters, task_members_out: this.#placement.out().length };
  }

  #wanted(task: string): readonly MemberId[] {
    const { localId } = this.#parts.membership.view();
    return this.#placement.wanted(task, (member) => {
      if (member === localId) return this.#isLeaving || this.#local.owns(task);
      const heard = this.#heard.get(member);
      return heard !== undefined && (heard.leaving || heard.blocked.has(task));
    });
  }

  #runs(member: MemberId, task: string): boolean {
    const { members, localId } = this.#parts.membership.view();
    if (member === localId) return this.#local.runs(task);
    if (this.#heard.get(member)?.running.has(task) !== true) return false;
    return members.some(({ id, status }) => id === member && !isAway(status));
  }

  #named(ids: readonly MemberId[]): readonly TaskMember[] {
    const { members } = this.#parts.membership.view();
    return ids.flatMap((id) => {
      const member = members.find((each) => each.id === id);
      return member === undefined ? [] : [named(member)];
    });
  }

  /** The other members that may answer. */
  #others(): readonly MemberView[] {
    const { members, localId } = this.#parts.membership.view();
    return members.filter(({ id, status }) => id !== localId && !isAway(status));
  }

  #look(): void {
    if (this.#closed) return;
    const { clock, membership } = this.#parts;
    const view = membership.view();
    if (view.clusterId !== this.#clusterId) {
      // Joined or removed: what was known of members was another cluster's affair.
      this.#clusterId = view.clusterId;
      this.#cancelLeaving();
      this.#isLeaving = false;
      this.#placement.forget();
    }
    const changed = this.#placement.update(view, clock.monoMs());
    const present = new Set(view.members.map(({ id }) => id));
    for (const id of this.#heard.keys()) if (!present.has(id)) this.#heard.delete(id);
    this.#cancelTimer();
    const next = this.#placement.nextAt();
    if (next !== undefined) {
      const wait = Math.max(1, next - clock.monoMs());
      this.#cancelTimer = clock.after(wait, () => this.#look());
    }
    if (!changed) return;
    this.report();
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  #answer(from: MemberId, request: TaskRequest): TaskAnswer {
    const local = this.#local;
    switch (request.what) {
      case "report":
        this.#hear(from, request.report);
        return { kind: "report", report: this.#own() };
      case "own":
        return { kind: "text", text: local.owns(request.task) ? "" : undefined };
      case "show":
        return { kind: "text", text: local.show(request.task, request.view) };
      case "endpoint":
        return { kind: "text", text: local.endpoint(request.task, request.endpoint) };
    }
  }

  #own(): TaskReport {
    return {
      number: this.#number,
      running: this.#local.running(),
      blocked: this.#local.blocked(),
      out: this.#placement.out(),
      leaving: this.#isLeaving,
    };
  }

  /** Gives the next number when the report is not the last one; true when it did. */
  #refresh(): boolean {
    const { number: _, ...content } = this.#own();
    const text = JSON.stringify(content);
    if (text === this.#lastReport) return false;
    this.#lastReport = text;
    this.#number++;
    return true;
  }

  /** Brings a member up to date; again when there was news meanwhile or it failed. */
  async #tell(member: MemberId): Promise<void> {
    if (this.#telling.has(member)) return;
    this.#telling.add(member);
    try {
      while (this.#linked.has(member) && !this.#closed) {
        const number = this.#number;
        if (this.#told.get(member) === number) return;
        if ((await this.#exchange(member, TASK_READ_TIMEOUT_MS)) !== undefined) {
          this.#told.set(member, number);
        } else await this.#pause(SYNC_RETRY_MS);
      }
    } finally {
      this.#telling.delete(member);
    }
  }

  /** Gives this member's report for the other's; `undefined` when that failed. */
  async #exchange(member: MemberId, timeoutMs: number): Promise<TaskReport | undefined> {
    const { rpc, log } = this.#parts;
    this.#counters.task_reports++;
    try {
      const payload = { what: "report", report: this.#own() };
      const answer = await ask(rpc, askTasks, member, { payload, timeoutMs });
      if (answer.kind !== "report") return undefined;
      this.#hear(member, answer.report);
      return answer.report;
    } catch (error) {
      this.#counters.task_reports_failed++;
      log.debug("tasks not reported", { member, err: errorMessage(error) });
      return undefined;
    }
  }

  #hear(member: MemberId, { number, running, blocked, leaving }: TaskReport): void {
    const before = this.#heard.get(member);
    if (before !== undefined && number <= before.number) return;
    const heard = { number, running: new Set(running), blocked: new Set(blocked), leaving };
    this.#heard.set(member, heard);
    if (!Bun.deepEquals({ ...heard, number: 0 }, { ...before, number: 0 })) this.#changed();
  }

  async #question(
    member: MemberId,
    question: TaskQuestion,
    timeoutMs: number,
  ): Promise<string | undefined> {
    const how = { payload: question, timeoutMs };
    const answer = await ask(this.#parts.rpc, askTasks, member, how);
    return answer.kind === "text" ? answer.text : undefined;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#parts.clock.after(ms, resolve));
  }
}

function named({ id, apiAddress }: MemberView): TaskMember {
  return { id, address: apiAddress };
}
