/**
 * The book-keeping of one running node: its edges, counters, errors and undo steps.
 *
 * Nodes see it as `NodeContext` (made in pipeline.ts); statistics and the DOT form read it.
 */

import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { NodeDefinition } from "#tick/environment.ts";
import type { Edge } from "./edge.ts";
import type { GroupState } from "./group-state.ts";
import { ERROR_LINES_MAX, ERROR_LINES_WINDOW_MS } from "./limits.ts";
import type { AnyNodeSpec, Counter } from "./node.ts";
import type { RegisteredState, SavedPart } from "./snapshot.ts";
import { NodeTimer } from "./timer.ts";

export class RunningNode {
  readonly definition: NodeDefinition;
  readonly spec: AnyNodeSpec;
  readonly timer = new NodeTimer();
  readonly outEdges: Edge[] = [];
  readonly inEdges: Edge[] = [];
  /** Counters of this kind of node, by name. */
  readonly counters = new Map<string, Readonly<Counter>>();
  /** Messages that reached a source from outside; set by its task. */
  received: () => number = () => 0;
  errors = 0;
  /** State whose number of groups is the node's `working_cardinality`. */
  cardinality: GroupState<unknown> | undefined;
  /** What snapshots save of it. */
  readonly states: RegisteredState[] = [];
  readonly parts: SavedPart[] = [];
  readonly #taskLog: Log;
  #log: Log | undefined;
  readonly #clock: Clock;
  readonly #quiet: boolean;
  #windowStartMs = -ERROR_LINES_WINDOW_MS;
  #lines = 0;
  #suppressed = 0;

  constructor(definition: NodeDefinition, spec: AnyNodeSpec, log: Log, clock: Clock) {
    this.definition = definition;
    this.spec = spec;
    this.#taskLog = log;
    this.#clock = clock;
    this.#quiet = definition.calls.some((call) => call.name === "quiet");
  }

  get name(): string {
    return this.definition.name;
  }

  /** Made when something is logged, which few nodes ever do. */
  get log(): Log {
    this.#log ??= this.#taskLog.with({ node: this.name });
    return this.#log;
  }

  /** Points or batches that reached the node. */
  get collected(): number {
    let sum = this.received();
    for (const edge of this.inEdges) sum += edge.collected;
    return sum;
  }

  /** Points or batches that left the node, counted once per child. */
  get emitted(): number {
    let sum = 0;
    for (const edge of this.outEdges) sum += edge.collected;
    return sum;
  }

  /**
   * Counts and logs an error of one message. At most `ERROR_LINES_MAX` lines a second are logged; the next line
   * after that names the number left out (`suppressed`).
   */
  error(message: string, error: unknown, fields: Readonly<Record<string, unknown>> = {}): void {
    if (this.#quiet && this.spec.quietErrors === "uncounted") return;
    this.errors++;
    if (this.#quiet) return;
    const nowMs = this.#clock.monoMs();
    if (nowMs - this.#windowStartMs >= ERROR_LINES_WINDOW_MS) {
      this.#windowStartMs = nowMs;
      this.#lines = 0;
    }
    if (this.#lines >= ERROR_LINES_MAX) {
      this.#suppressed++;
      return;
    }
    this.#lines++;
    const suppressed = this.#suppressed === 0 ? undefined : this.#suppressed;
    this.#suppressed = 0;
    this.log.error(message, { ...fields, err: errorMessage(error), suppressed });
  }
}
