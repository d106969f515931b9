/**
 * The configuration while the daemon runs: file and environment below, stored overrides on top.
 *
 * A change is tried on a copy, shown to the parts that listen, made durable, and only then becomes current; any
 * step that fails leaves everything as it was. Changes are taken one after the other. At start every stored
 * override is checked again: one that no longer fits is reported and left out, because a daemon that does not
 * start pages nobody. It stays stored and can be repaired through the API.
 * Source: http-api §8, config §10, storage-and-influx §8.
 */

import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import { compareBytes } from "#lib/json.ts";
import type { Log } from "#lib/log.ts";
import {
  applyOverrides,
  elementName,
  elementsOf,
  OverrideError,
  unknownOptions,
} from "./apply-overrides.ts";
import type { DaemonConfig } from "./daemon-config.ts";
import { LISTENER_MS_MAX, UPDATES_WAITING_MAX } from "./limits.ts";
import { declaredSections, deepFreeze } from "./load.ts";
import {
  ActionError,
  changedElement,
  changedList,
  checkAction,
  type OverrideChanges,
  type Target,
  type UpdateAction,
} from "./override-action.ts";
import { type ElementView, viewSection } from "./redact.ts";
import type { Section, ValidationContext } from "./section.ts";
import {
  configOverrides,
  forgetting,
  type OverrideStore,
  overrideKey,
  readOverride,
  type StoredOverride,
  storing,
} from "./stored-override.ts";

export interface ConfigServiceOptions {
  /** What file, environment and flags say. */
  readonly config: DaemonConfig;
  readonly store: OverrideStore;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * How a change ended. `refused`: the request's fault, nothing was changed. `failed`: a running part did not take
 * it, nothing was changed. Texts are complete.
 */
export type UpdateOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly error: string }
  | { readonly kind: "failed"; readonly error: string };

/** Takes a changed section; throwing or rejecting refuses it, and the old value comes as the next call. */
export type SectionListener<T> = (value: T) => void | Promise<void>;

type Overrides = ReadonlyMap<string, StoredOverride>;

const DONE: UpdateOutcome = { kind: "done" };

export class ConfigService {
  readonly #base: DaemonConfig;
  readonly #store: OverrideStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #sections: ReadonlyMap<string, Section>;
  readonly #listeners = new Map<string, Set<SectionListener<never>>>();
  #current: DaemonConfig;
  /** Everything stored that can be read. */
  #stored: Overrides;
  /** Keys of stored overrides that are not in effect. */
  readonly #idle = new Set<string>();
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Reads and applies what is stored. Throws what the store throws. */
  constructor({ config, store, clock, log }: ConfigServiceOptions) {
    this.#base = config;
    this.#current = config;
    this.#store = store;
    this.#clock = clock;
    this.#log = log.with({ service: "config-override" });
    const overridable = declaredSections().filter((section) => section.overridable);
    this.#sections = new Map(overridable.map((section) => [section.name, section]));
    this.#stored = this.#readStored();
    this.#applyStored();
  }

  /** The configuration in force, frozen; sections that change come as new objects. */
  current(): DaemonConfig {
    return this.#current;
  }

  /** False when `[config-override]` is off: the API refuses everything. */
  get isEnabled(): boolean {
    return this.#base["config-override"].enabled;
  }

  /** Calls the listener with every later value of a section, before it becomes current. */
  onChange<N extends keyof DaemonConfig & string>(
    section: N,
    listener: SectionListener<DaemonConfig[N]>,
  ): Cancel {
    const all = this.#listeners.get(section) ?? new Set<SectionListener<never>>();
    this.#listeners.set(section, all);
    all.add(listener);
    return () => all.delete(listener);
  }

  /** The sections that can be changed and have elements, by name. */
  views(): ReadonlyMap<string, readonly ElementView[]> {
    const views = new Map<string, readonly ElementView[]>();
    for (const name of [...this.#sections.keys()].sort(compareBytes)) {
      const view = this.view(name);
      if (view !== undefined) views.set(name, view);
    }
    return views;
  }

  /** The elements of one section; `undefined` when it is unknown, cannot be changed, or has none. */
  view(name: string): readonly ElementView[] | undefined {
    const section = this.#sections.get(name);
    if (section === undefined) return undefined;
    const view = viewSection(section, Reflect.get(this.#current, name));
    return view.length === 0 ? undefined : view;
  }

  /** Makes a change durable and current. Rejects only with the store's errors; nothing was changed then. */
  async update(target: Target, action: UpdateAction): Promise<UpdateOutcome> {
    if (this.#waiting >= UPDATES_WAITING_MAX) {
      const error = `failed to update configuration ${pathOf(target)}: too many changes are waiting, at most ${UPDATES_WAITING_MAX} may`;
      return { kind: "failed", error };
    }
    this.#waiting++;
    const mine = this.#tail.then(() => this.#update(target, action));
    this.#tail = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }

  async #update(target: Target, action: UpdateAction): Promise<UpdateOutcome> {
    const path = pathOf(target);
    let changes: OverrideChanges;
    let section: Section;
    let value: unknown;
    try {
      changes = this.#changes(target, action);
      const known = this.#sections.get(target.section);
      if (known === undefined)
        throw unknownOptions(target.section, [...Object.keys(action.set), ...action.delete]);
      section = known;
      value = this.#valueWith(section, changes);
    } catch (error) {
      if (error instanceof ActionError)
        return { kind: "refused", error: `failed to apply update: ${error.message}` };
      if (error instanceof OverrideError)
        return {
          kind: "refused",
          error: `failed to override configuration ${path}: ${error.message}`,
        };
      throw error;
    }
    if (this.#areStored(changes)) return DONE;
    const problem = await this.#push(section.name, value);
    if (problem !== undefined)
      return { kind: "failed", error: `failed to update configuration ${path}: ${problem}` };
    await this.#persist(section.name, changes);
    this.#take(section.name, value, changes);
    return DONE;
  }

  /** What the action makes of the stored overrides, without what is not stored anyway. Throws `ActionError`. */
  #changes(target: Target, action: UpdateAction): OverrideChanges {
    checkAction(target, action);
    const changes = [...this.#wanted(target, action)];
    return new Map(
      changes.filter(([key, override]) => override !== undefined || this.#stored.has(key)),
    );
  }

  #wanted(target: Target, action: UpdateAction): OverrideChanges {
    const { section, element = "" } = target;
    if (Object.keys(action.add).length === 0 && action.remove.length === 0) {
      const stored = this.#stored.get(overrideKey(section, element));
      return changedElement({ section, element }, action, stored);
    }
    const known = this.#sections.get(section);
    if (known === undefined) throw new ActionError(`unknown section ${JSON.stringify(section)}`);
    const names = elementsOf(Reflect.get(this.#current, section)).map((each) =>
      elementName(known, each),
    );
    return changedList(
      known,
      action,
      (name) => names.includes(name) || this.#stored.has(overrideKey(section, name)),
    );
  }

  /** The section's value with the overrides in effect and these changes. Throws `OverrideError`. */
  #valueWith(section: Section, changes: OverrideChanges): unknown {
    const candidates = new Map<string, StoredOverride>();
    for (const override of this.#effective(section.name))
      candidates.set(overrideKey(section.name, override.element), override);
    for (const [key, override] of changes) {
      if (override === undefined) candidates.delete(key);
      else candidates.set(key, override);
    }
    return this.#valueOf(section, [...candidates.values()]);
  }

  #valueOf(section: Section, overrides: readonly StoredOverride[]): unknown {
    const base: unknown = Reflect.get(this.#base, section.name);
    return deepFreeze(applyOverrides(section, base, overrides, this.#context()));
  }

  #context(): ValidationContext {
    return { hostname: this.#base.hostname };
  }

  /** The stored overrides of a section that are in effect, by key. */
  #effective(section: string): StoredOverride[] {
    return [...this.#stored]
      .filter(([key, override]) => override.section === section && !this.#idle.has(key))
      .map(([, override]) => override);
  }

  #areStored(changes: OverrideChanges): boolean {
    return [...changes].every(([key, override]) => {
      const stored = this.#stored.get(key);
      return Bun.deepEquals(stored, override) && !(stored !== undefined && this.#idle.has(key));
    });
  }

  /** Shows a value to all listeners; when one refuses, those already told get the old value back. */
  async #push(section: string, value: unknown): Promise<string | undefined> {
    const old: unknown = Reflect.get(this.#current, section);
    if (Bun.deepEquals(old, value)) return undefined;
    const told: SectionListener<never>[] = [];
    for (const listener of this.#listeners.get(section) ?? []) {
      told.push(listener);
      const problem = await this.#tell(listener, value);
      if (problem === undefined) continue;
      await this.#takeBack(section, told, old);
      return problem;
    }
    return undefined;
  }

  async #takeBack(
    section: string,
    told: Iterable<SectionListener<never>>,
    old: unknown,
  ): Promise<void> {
    for (const listener of told) {
      const problem = await this.#tell(listener, old);
      if (problem !== undefined)
        this.#log.error("could not go back to the old configuration", { section, err: problem });
    }
  }

  /** Why the listener does not take the value, or undefined. */
  async #tell(listener: SectionListener<never>, value: unknown): Promise<string | undefined> {
    let cancel: Cancel = () => {};
    const late = new Promise<string>((resolve) => {
      const seconds = LISTENER_MS_MAX / 1000;
      cancel = this.#clock.after(LISTENER_MS_MAX, () =>
        resolve(`timeout: the service did not take the configuration within ${seconds}s`),
      );
    });
    try {
      // Registered under the section's name with its type; the map forgets it.
      const taken = Promise.resolve((listener as SectionListener<unknown>)(value));
      return await Promise.race([taken.then(() => undefined), late]);
    } catch (error) {
      return errorMessage(error);
    } finally {
      cancel();
    }
  }

  /** Stores the changes; when that fails the listeners get the old value back. */
  async #persist(section: string, changes: OverrideChanges): Promise<void> {
    const writes = [...changes].map(([key, override]) =>
      override === undefined ? forgetting(key) : storing(override),
    );
    try {
      await this.#store.commit(writes);
    } catch (error) {
      const old: unknown = Reflect.get(this.#current, section);
      await this.#takeBack(section, this.#listeners.get(section) ?? [], old);
      throw error;
    }
  }

  #take(section: string, value: unknown, changes: OverrideChanges): void {
    const stored = new Map(this.#stored);
    for (const [key, override] of changes) {
      this.#idle.delete(key);
      if (override === undefined) stored.delete(key);
      else stored.set(key, override);
    }
    this.#stored = byKey(stored);
    this.#current = Object.freeze({ ...this.#current, [section]: value });
  }

  #readStored(): Overrides {
    const stored = new Map<string, StoredOverride>();
    for (const [key, row] of this.#store.table(configOverrides).entries()) {
      const override = readOverride(key, row);
      if (override === undefined) this.#ignored(key, "unknown form");
      else stored.set(key, override);
    }
    return byKey(stored);
  }

  #applyStored(): void {
    const skip = this.#base["skip-config-overrides"] || !this.isEnabled;
    const sections = new Set([...this.#stored.values()].map(({ section }) => section));
    for (const name of sections) {
      const overrides = [...this.#stored.values()].filter(({ section }) => section === name);
      const section = skip ? undefined : this.#sections.get(name);
      if (section !== undefined) {
        this.#applySection(section, overrides);
        continue;
      }
      for (const { element } of overrides) {
        this.#idle.add(overrideKey(name, element));
        if (!skip) this.#ignored(overrideKey(name, element), "unknown section");
      }
    }
  }

  /** All together if that is valid; else as many as can be, so that one bad override does not take others along. */
  #applySection(section: Section, overrides: readonly StoredOverride[]): void {
    let taken: StoredOverride[] = [];
    let left = [...overrides];
    const problems = new Map<StoredOverride, string>();
    let value: unknown = Reflect.get(this.#base, section.name);
    const accepts = (candidates: StoredOverride[]): string | undefined => {
      try {
        value = this.#valueOf(section, candidates);
        taken = candidates;
        return undefined;
      } catch (error) {
        if (error instanceof OverrideError) return error.message;
        throw error;
      }
    };
    if (accepts(left) === undefined) left = [];
    for (let progress = left.length > 0; progress; ) {
      progress = false;
      for (const override of left) {
        const problem = accepts([...taken, override]);
        if (problem !== undefined) problems.set(override, problem);
        else progress = true;
      }
      left = left.filter((override) => !taken.includes(override));
    }
    for (const override of left) {
      const key = overrideKey(section.name, override.element);
      this.#idle.add(key);
      this.#ignored(key, problems.get(override) ?? "");
    }
    this.#current = Object.freeze({ ...this.#current, [section.name]: value });
  }

  #ignored(key: string, reason: string): void {
    this.#log.error("stored override is not applied", { id: key, err: reason });
  }
}

function pathOf({ section, element = "" }: Target): string {
  return `${section}/${element}`;
}

function byKey(overrides: ReadonlyMap<string, StoredOverride>): Overrides {
  return new Map([...overrides].sort(([a], [b]) => compareBytes(a, b)));
}
