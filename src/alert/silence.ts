/**
 * Silences: for a time, events that match are not told to handlers. Their topic state changes all the same.
 *
 * A silence is plain data, replicated like handlers. Its matchers must all hold. `Silences` answers the question
 * "is this event silenced now, and by which".
 */

import { compileGlob, type Glob } from "#lib/glob.ts";
import { compareTime, type Time } from "#lib/time.ts";
import type { AlertEvent } from "./event.ts";
import type { Level } from "./level.ts";
import { SILENCES_MAX } from "./limits.ts";

/** One condition; text values are globs. `tag` compares the event's tag, a missing one as the empty string. */
export type SilenceMatcher =
  | { readonly on: "topic" | "id"; readonly pattern: string }
  | { readonly on: "tag"; readonly tag: string; readonly pattern: string }
  /** Events of at most this level. */
  | { readonly on: "level"; readonly max: Level };

export interface Silence {
  readonly id: string;
  readonly matchers: readonly SilenceMatcher[];
  /** In force from start (inclusive) to end (exclusive), wall-clock time. */
  readonly start: Time;
  readonly end: Time;
  readonly author: string;
  readonly comment: string;
}

interface Compiled {
  readonly silence: Silence;
  readonly tests: readonly ((event: AlertEvent) => boolean)[];
}

export class Silences {
  readonly #byId = new Map<string, Compiled>();

  /** Why a silence cannot be taken, or undefined. */
  check(silence: Silence): string | undefined {
    if (silence.id === "") return "silence must have an ID";
    if (silence.matchers.length === 0) return "silence must have at least one matcher";
    const { start, end } = silence;
    if (compareTime(start.ms, start.ns, end.ms, end.ns) >= 0)
      return "silence must end after it starts";
    if (!this.#byId.has(silence.id) && this.#byId.size >= SILENCES_MAX) {
      return `there are already ${SILENCES_MAX} silences`;
    }
    try {
      silence.matchers.forEach(compile);
      return undefined;
    } catch {
      return "syntax error in pattern";
    }
  }

  /** Adds or replaces a silence that `check` accepted. */
  set(silence: Silence): void {
    this.#byId.set(silence.id, { silence, tests: silence.matchers.map(compile) });
  }

  remove(id: string): void {
    this.#byId.delete(id);
  }

  /** In the order in which they were made. */
  list(): readonly Silence[] {
    return [...this.#byId.values()].map(({ silence }) => silence);
  }

  /** The ID of a silence in force that covers the event, or `undefined`. */
  covering(event: AlertEvent, now: Time): string | undefined {
    for (const { silence, tests } of this.#byId.values()) {
      const { start, end } = silence;
      if (compareTime(now.ms, now.ns, start.ms, start.ns) < 0) continue;
      if (compareTime(now.ms, now.ns, end.ms, end.ns) >= 0) continue;
      if (tests.every((test) => test(event))) return silence.id;
    }
    return undefined;
  }
}

function compile(matcher: SilenceMatcher): (event: AlertEvent) => boolean {
  if (matcher.on === "level") return (event) => event.level <= matcher.max;
  const matches: Glob = compileGlob(matcher.pattern);
  switch (matcher.on) {
    case "topic":
      return (event) => matches(event.topic);
    case "id":
      return (event) => matches(event.id);
    case "tag":
      return (event) => matches(event.tags[matcher.tag] ?? "");
  }
}
