/**
 * Silences: for a time, events that match are not told to handlers. Their topic state changes all the same.
 *
 * A silence is plain data, replicated like handlers: every version is a whole silence, the newest wins everywhere.
 * Ending one early is a newer version that ends now, so nothing is ever deleted by hand and nothing can come back.
 * `Silences` is the table in memory; it answers "is this event silenced now, and by which".
 */

import { errorMessage } from "#lib/errors.ts";
import { compareTime, type Time } from "#lib/time.ts";
import { Regex } from "#tick/lambda/regex.ts";
import type { AlertEvent } from "./event.ts";
import { LEVEL_NAMES, levelName } from "./level.ts";
import {
  SILENCE_KEPT_MS,
  SILENCE_MATCHERS_MAX,
  SILENCE_TEXT_MAX,
  SILENCES_KEPT_MAX,
  SILENCES_MAX,
} from "./limits.ts";

/** One condition on an event; all of a silence's must hold. */
export interface SilenceMatcher {
  /** `topic`, `id`, `level` or `tag:<key>`; a missing tag counts as the empty string. */
  readonly name: string;
  /** The text, or an RE2 expression for the whole text. */
  readonly value: string;
  readonly isRegex: boolean;
  /** False turns the condition round. */
  readonly isEqual: boolean;
}

/** What people say of a silence. */
export interface SilenceDraft {
  readonly matchers: readonly SilenceMatcher[];
  /** In force from here (inclusive), wall-clock time … */
  readonly starts: Time;
  /** … to here (exclusive). */
  readonly ends: Time;
  readonly author: string;
  readonly comment: string;
}

export interface Silence extends SilenceDraft {
  readonly id: string;
  /** The end it was made with. A silence is remembered until after this, so that an older version cannot revive it. */
  readonly plannedEnds: Time;
}

/** Orders the versions of one silence on all members: by counter, then by member. */
export interface SilenceVersion {
  readonly counter: number;
  readonly member: string;
}

export interface SilenceChange {
  readonly silence: Silence;
  readonly version: SilenceVersion;
}

export type SilenceStatus = "pending" | "active" | "expired";

export function silenceStatus({ starts, ends }: Silence, now: Time): SilenceStatus {
  if (compareTime(now.ms, now.ns, ends.ms, ends.ns) >= 0) return "expired";
  return compareTime(now.ms, now.ns, starts.ms, starts.ns) < 0 ? "pending" : "active";
}

/** Why a new silence cannot be taken, or undefined. */
export function checkSilence(draft: SilenceDraft, now: Time): string | undefined {
  const { matchers, starts, ends, author, comment } = draft;
  if (matchers.length === 0) return "a silence needs at least one matcher";
  if (matchers.length > SILENCE_MATCHERS_MAX) {
    return `a silence has at most ${SILENCE_MATCHERS_MAX} matchers`;
  }
  const wrong = matchers.map(matcherProblem).find((problem) => problem !== undefined);
  if (wrong !== undefined) return wrong;
  if (compareTime(starts.ms, starts.ns, ends.ms, ends.ns) >= 0) {
    return "a silence must end after it starts";
  }
  if (compareTime(ends.ms, ends.ns, now.ms, now.ns) <= 0) return "a silence must end in the future";
  if (author === "") return "a silence needs an author";
  const isLong = [author, comment].some((text) => text.length > SILENCE_TEXT_MAX);
  return isLong ? `author and comment have at most ${SILENCE_TEXT_MAX} characters` : undefined;
}

function matcherProblem(matcher: SilenceMatcher): string | undefined {
  const { name, value, isRegex } = matcher;
  const shown = JSON.stringify(name);
  if (!/^(topic|id|level|tag:.+)$/s.test(name)) {
    return `unknown matcher ${shown}: a matcher is topic, id, level or tag:<key>`;
  }
  if (name.length + value.length > SILENCE_TEXT_MAX) {
    return `a matcher has at most ${SILENCE_TEXT_MAX} characters`;
  }
  if (isRegex) {
    try {
      compile(matcher);
      return undefined;
    } catch (error) {
      return `matcher ${shown}: ${errorMessage(error)}`;
    }
  }
  const isLevel = LEVEL_NAMES.some((level) => level === value.toUpperCase());
  return name === "level" && !isLevel ? `unknown alert level '${value.toUpperCase()}'` : undefined;
}

interface Entry extends SilenceChange {
  /** Absent for a silence of a newer program whose matchers are not understood here; it covers nothing. */
  readonly tests: readonly ((event: AlertEvent) => boolean)[] | undefined;
}

export class Silences {
  readonly #byId = new Map<string, Entry>();
  /** Those that may be in force until `#validToMs`, because looking at all for each event would be slow. */
  #near: readonly Entry[] = [];
  #validFromMs = 0;
  #validToMs = Number.POSITIVE_INFINITY;

  get(id: string): Silence | undefined {
    return this.#byId.get(id)?.silence;
  }

  /** In the order in which they came. */
  list(): readonly Silence[] {
    return [...this.#byId.values()].map(({ silence }) => silence);
  }

  /** Every silence with its version, for replication; those about to be forgotten are left out. */
  changes(now: Time): readonly SilenceChange[] {
    return [...this.#byId.values()]
      .filter(({ silence }) => !isForgotten(silence, now))
      .map(({ silence, version }) => ({ silence, version }));
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Silences that are not expired. */
  current(now: Time): number {
    return this.list().filter((silence) => silenceStatus(silence, now) !== "expired").length;
  }

  /** The highest counter seen. */
  get counter(): number {
    let highest = 0;
    for (const { version } of this.#byId.values()) highest = Math.max(highest, version.counter);
    return highest;
  }

  /**
   * Is this version newer than what is known, and not so old that it would already be forgotten? And is there room: a
   * peer in trouble must not fill the memory.
   */
  wants({ silence, version }: SilenceChange, now: Time): boolean {
    const known = this.#byId.get(silence.id)?.version;
    if (known !== undefined) return compareVersions(version, known) > 0;
    return !isForgotten(silence, now) && this.#byId.size < SILENCES_MAX + SILENCES_KEPT_MAX;
  }

  /** Takes a version, whatever was known. */
  put({ silence, version }: SilenceChange): void {
    this.#byId.set(silence.id, { silence, version, tests: compileAll(silence) });
    this.#validToMs = Number.NEGATIVE_INFINITY;
  }

  /**
   * Drops silences whose planned end is long past, and of the other expired ones those that were to end first, when
   * there are too many. Returns their IDs.
   */
  forget(now: Time): readonly string[] {
    const expired = this.list().filter((silence) => silenceStatus(silence, now) === "expired");
    const gone = expired.filter((silence) => isForgotten(silence, now));
    const kept = expired.filter((silence) => !isForgotten(silence, now));
    const surplus = Math.max(0, kept.length - SILENCES_KEPT_MAX);
    kept.sort((a, b) => a.plannedEnds.ms - b.plannedEnds.ms);
    const ids = [...gone, ...kept.slice(0, surplus)].map(({ id }) => id);
    for (const id of ids) this.#byId.delete(id);
    if (ids.length > 0) this.#validToMs = Number.NEGATIVE_INFINITY;
    return ids;
  }

  /** The ID of a silence in force that covers the event, or `undefined`. */
  covering(event: AlertEvent, now: Time): string | undefined {
    if (now.ms >= this.#validToMs || now.ms < this.#validFromMs) this.#look(now.ms);
    for (const { silence, tests } of this.#near) {
      if (silenceStatus(silence, now) !== "active") continue;
      if (tests?.every((test) => test(event)) === true) return silence.id;
    }
    return undefined;
  }

  /** Finds what is in force in this millisecond, and up to when that does not change. */
  #look(nowMs: number): void {
    const near: Entry[] = [];
    let validTo = Number.POSITIVE_INFINITY;
    for (const entry of this.#byId.values()) {
      const { starts, ends } = entry.silence;
      if (starts.ms > nowMs) validTo = Math.min(validTo, starts.ms);
      else if (ends.ms >= nowMs) {
        near.push(entry);
        validTo = Math.min(validTo, ends.ms + 1);
      }
    }
    this.#near = near;
    this.#validFromMs = nowMs;
    this.#validToMs = validTo;
  }
}

function compareVersions(a: SilenceVersion, b: SilenceVersion): number {
  return a.counter - b.counter || (a.member === b.member ? 0 : a.member < b.member ? -1 : 1);
}

function isForgotten({ plannedEnds }: Silence, now: Time): boolean {
  return now.ms - plannedEnds.ms >= SILENCE_KEPT_MS;
}

function compileAll({ matchers }: Silence): Entry["tests"] {
  try {
    return matchers.map(compile);
  } catch {
    return undefined;
  }
}

/** Throws `Error` for a bad expression or an unknown name. */
function compile({ name, value, isRegex, isEqual }: SilenceMatcher): (e: AlertEvent) => boolean {
  const read = readerOf(name);
  if (!isRegex) {
    const wanted = name === "level" ? value.toUpperCase() : value;
    return (event) => (read(event) === wanted) === isEqual;
  }
  // Checked alone first: in the frame below `a)(b` would pass.
  new Regex(value);
  const whole = new Regex(`^(?:${value})$`);
  return (event) => whole.test(read(event)) === isEqual;
}

function readerOf(name: string): (event: AlertEvent) => string {
  switch (name) {
    case "topic":
      return (event) => event.topic;
    case "id":
      return (event) => event.id;
    case "level":
      return (event) => levelName(event.level);
  }
  if (!name.startsWith("tag:")) throw new Error(`unknown matcher ${JSON.stringify(name)}`);
  const key = name.slice("tag:".length);
  return ({ tags }) => (Object.hasOwn(tags, key) ? (tags[key] ?? "") : "");
}
