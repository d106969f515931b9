/**
 * The handler kinds by name and by TICKscript property, and the checks a handler passes before it is attached.
 *
 * Topic handlers and inline handlers meet here: both become a kind and decoded options. Error texts are the
 * ones of reference alerts.md §6.
 */

import { assert } from "#lib/assert.ts";
import { errorMessage } from "#lib/errors.ts";
import type { PropertyCall, PropertySpec } from "#tick/environment.ts";
import type { LambdaServices } from "#tick/functions/spec.ts";
import type { HandlerKind, HandlerSpec } from "./handler.ts";
import { compileEventMatch, type EventMatch } from "./match.ts";
import { decodeOptions } from "./options.ts";

/** A handler that passed every check. */
export interface CheckedHandler {
  readonly kind: HandlerKind;
  readonly options: Readonly<Record<string, unknown>>;
  readonly match: EventMatch;
}

export type Checked =
  | { readonly ok: true; readonly handler: CheckedHandler }
  | { readonly ok: false; readonly error: string };

export interface HandlerKindsOptions {
  /** Kinds that are refused: `-disable-handlers`. */
  readonly disabled?: ReadonlySet<string>;
  /** The clock of match expressions; without it `now()` is unknown there. */
  readonly match?: LambdaServices;
}

/** Why a disabled kind is refused. Source: http-api §7.3. */
export const HANDLER_DISABLED = "handler disabled";

export class HandlerKinds {
  readonly #byKind = new Map<string, HandlerKind>();
  readonly #byProperty = new Map<string, HandlerKind>();
  readonly #options: HandlerKindsOptions;
  readonly #enabled: readonly HandlerKind[];

  constructor(kinds: readonly HandlerKind[], options: HandlerKindsOptions = {}) {
    this.#options = options;
    for (const kind of kinds) {
      assert(!this.#byKind.has(kind.kind), `handler kind ${kind.kind} is registered once`);
      this.#byKind.set(kind.kind, kind);
      if (kind.tick !== undefined) this.#byProperty.set(kind.tick.property.name, kind);
    }
    this.#enabled = kinds.filter((kind) => !this.#isDisabled(kind));
  }

  /** The alert node's handler properties, for the language. */
  properties(): readonly PropertySpec[] {
    return [...this.#byProperty.values()].flatMap((kind) =>
      kind.tick ? [kind.tick.property] : [],
    );
  }

  /** Without those that are disabled. */
  kinds(): readonly HandlerKind[] {
    return this.#enabled;
  }

  /** Checks a topic handler. */
  check(spec: HandlerSpec): Checked {
    const kind = this.#byKind.get(spec.kind);
    if (kind === undefined) return refuse(`unsupported action kind ${JSON.stringify(spec.kind)}`);
    if (this.#isDisabled(kind)) return refuse(HANDLER_DISABLED);
    const options = checkOptions(kind, spec.options);
    if (!options.ok) return options;
    try {
      const match = compileEventMatch(spec.match, this.#options.match);
      return { ok: true, handler: { kind, options: options.value, match } };
    } catch (error) {
      return refuse(`invalid match expression: ${errorMessage(error)}`);
    }
  }

  /** Checks one handler property of an alert node. Throws `Error` when its options are wrong. */
  inline(call: PropertyCall): CheckedHandler {
    const kind = this.#byProperty.get(call.name);
    if (kind?.tick === undefined) throw new Error(`no alert handler property ${call.name}`);
    return this.inlineOf(kind, kind.tick.optionsOf(call));
  }

  /** The same from options, for handlers that the configuration attaches to every alert node. */
  inlineOf(kind: HandlerKind, given: Readonly<Record<string, unknown>>): CheckedHandler {
    if (this.#isDisabled(kind)) throw new Error(HANDLER_DISABLED);
    const options = checkOptions(kind, given);
    if (!options.ok) throw new Error(options.error);
    return { kind, options: options.value, match: compileEventMatch("") };
  }

  #isDisabled({ kind }: HandlerKind): boolean {
    return this.#options.disabled?.has(kind) === true;
  }
}

type CheckedOptions =
  | { readonly ok: true; readonly value: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly error: string };

function checkOptions(kind: HandlerKind, given: unknown): CheckedOptions {
  const decoded = decodeOptions(kind.options, given);
  if (!decoded.ok) {
    const type = kind.goType ?? `*${kind.kind}.HandlerConfig`;
    return refuse(`failed to decode options into ${type}: ${decoded.error}`);
  }
  const problem = kind.check?.(decoded.value);
  return problem === undefined ? decoded : refuse(problem);
}

function refuse(error: string): { readonly ok: false; readonly error: string } {
  return { ok: false, error };
}
