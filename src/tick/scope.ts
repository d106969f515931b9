/**
 * Names of a script and what they stand for.
 *
 * Vars never change. Beside the values that the outside world knows, a name may stand for three things that
 * exist only while a script is read: a bare reference, a call that has not been used yet, and an object
 * that a property opened.
 */

import type { Call, Reference } from "./ast.ts";
import type { NodeDefinition, ObjectSpec, PropertyCall, TickValue } from "./environment.ts";

/** An alert handler or the like: further `.x()` calls apply to it, then to what it was opened on. */
export interface OpenedObject {
  readonly kind: "object";
  readonly spec: ObjectSpec;
  /** The call that opened it; calls on the object are recorded there. */
  readonly call: PropertyCall;
  /** What it was opened on. */
  readonly on: OpenedObject | undefined;
  readonly node: NodeDefinition;
}

/** `name(args)` outside of a chain: nothing happens before something uses the result. */
export interface UnboundCall {
  readonly kind: "unbound";
  readonly call: Call;
}

/** The name of a statement that failed, when all errors of a script are collected. */
export interface Poison {
  readonly kind: "poison";
}

export type ScriptValue = TickValue | Reference | OpenedObject | UnboundCall | Poison;

export class ScriptScope {
  readonly #values = new Map<string, ScriptValue>();

  get(name: string): ScriptValue | undefined {
    return this.#values.get(name);
  }

  /** The caller has made sure that the name is new. */
  set(name: string, value: ScriptValue): void {
    this.#values.set(name, value);
  }

  get names(): readonly string[] {
    return [...this.#values.keys()];
  }
}
