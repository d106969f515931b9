/**
 * What `stateCount` and `stateDuration` share: a predicate per group and a field that says for how long it
 * has held.
 *
 * A point that the predicate cannot judge is dropped, counted, and leaves the state alone. Each batch
 * starts anew; the predicate's own state does not.
 */

import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import type { FieldType, FieldValue } from "#model/shape.ts";
import type { Expression } from "#tick/ast.ts";
import { FieldWriter } from "./field-writer.ts";
import { GroupLambda } from "./group-lambdas.ts";
import type { GroupState } from "./group-state.ts";
import type { NodeContext } from "./node.ts";
import { type BatchBegin, Forwarding } from "./receiver.ts";
import { savedList, savedNumber } from "./snapshot.ts";

export interface StateTrackerOptions<S> {
  readonly predicate: Expression;
  readonly as: string;
  readonly type: FieldType;
  fresh(): S;
  /** The state as plain data, and back. */
  save(state: S): readonly number[];
  load(saved: readonly number[]): S;
  /** The value for a point in the state, or out of it. */
  track(state: S, inState: boolean, point: Point): FieldValue;
}

export class StateTracker<S> extends Forwarding {
  readonly #options: StateTrackerOptions<S>;
  readonly #context: NodeContext;
  readonly #states: GroupState<S>;
  readonly #predicate: GroupLambda;
  readonly #writer: FieldWriter;

  constructor(options: StateTrackerOptions<S>, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#context = context;
    this.#states = context.groupState({
      save: (state) => options.save(state),
      load: (saved) => options.load(savedList(saved).map(savedNumber)),
    });
    this.#predicate = new GroupLambda(options.predicate, context);
    this.#writer = new FieldWriter(options.as, options.type);
  }

  override point(group: Group, point: Point): void {
    const tracked = this.#track(group, point);
    if (tracked !== undefined) this.out.point(group, tracked);
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    this.#states.set(group, this.#options.fresh());
    this.out.beginBatch(group, begin);
  }

  override batchPoint(group: Group, point: Point): void {
    const tracked = this.#track(group, point);
    if (tracked !== undefined) this.out.batchPoint(group, tracked);
  }

  override deleteGroup(group: Group): void {
    this.#states.delete(group);
    this.#predicate.delete(group);
    this.out.deleteGroup(group);
  }

  #track(group: Group, point: Point): Point | undefined {
    let inState: boolean;
    try {
      inState = this.#predicate.test(group, point);
    } catch (error) {
      this.#context.error("error while evaluating expression", error);
      return undefined;
    }
    const state = this.#states.get(group) ?? this.#states.set(group, this.#options.fresh());
    return this.#writer.write(point, this.#options.track(state, inState, point));
  }
}
