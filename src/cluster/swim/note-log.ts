/**
 * Which notes were heard: one window of counters per origin, so that each note is delivered once.
 *
 * Counters start at the seconds of the origin's boot number, so a new process starts above its former
 * self; the worst that a wrong clock does is a hint that is lost.
 */

import type { Note } from "../messages/note.ts";
import type { MemberId } from "../ports.ts";
import { ReplayWindow } from "./replay-window.ts";

/** Origins remembered; beyond, everything is forgotten and a note may be delivered twice. */
const ORIGINS_MAX = 10_000;

export class NoteLog {
  readonly #seen = new Map<MemberId, ReplayWindow>();

  isNew(note: Note): boolean {
    let window = this.#seen.get(note.origin);
    if (window === undefined) {
      if (this.#seen.size >= ORIGINS_MAX) this.#seen.clear();
      window = new ReplayWindow(0n);
      this.#seen.set(note.origin, window);
    }
    return window.accept(note.counter);
  }
}
