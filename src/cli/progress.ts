/**
 * How far long work is, on one line of standard error that rewrites itself; nothing when no terminal is there.
 *
 * Used by commands that wait: a download tells bytes, a recording or replay the part that is done. The line
 * is taken away at the end, so that what stays on the screen is what would be in a file.
 */

import type { CliEnvironment } from "./environment.ts";
import { formatSize } from "./size.ts";

/** Milliseconds between two writes of the line; what comes sooner is left out. */
const REDRAW_MS = 100;

/** Milliseconds before the first write: short work shows nothing. */
const SILENT_MS = 300;

const CLEAR_LINE = "\r\x1b[K";

type Screen = Pick<CliEnvironment, "err" | "errIsTerminal">;

export interface ProgressOptions {
  /** Milliseconds of a clock that never goes back; the process's when not given. */
  readonly now?: () => number;
}

export class Progress {
  readonly #environment: Screen;
  readonly #label: string;
  readonly #now: () => number;
  #drawNext: number;
  #isDrawn = false;

  constructor(environment: Screen, label: string, options: ProgressOptions = {}) {
    this.#environment = environment;
    this.#label = label;
    this.#now = options.now ?? (() => performance.now());
    this.#drawNext = this.#now() + SILENT_MS;
  }

  /** `total` in bytes, or `undefined` when it is not known. */
  bytes(done: number, total: number | undefined): void {
    const of = total === undefined || total <= 0 ? "" : ` of ${formatSize(total)}`;
    const part = of === "" ? "" : ` (${percent(done / (total ?? 1))})`;
    this.#show(() => `${formatSize(done)}${of}${part}`);
  }

  /** The part that is done, 0 to 1, as the API gives it for recordings and replays. */
  part(done: number): void {
    this.#show(() => percent(done));
  }

  /** Takes the line away. */
  close(): void {
    if (this.#isDrawn) this.#environment.err(CLEAR_LINE);
    this.#isDrawn = false;
  }

  #show(text: () => string): void {
    if (!this.#environment.errIsTerminal) return;
    const now = this.#now();
    if (now < this.#drawNext) return;
    this.#drawNext = now + REDRAW_MS;
    this.#isDrawn = true;
    this.#environment.err(`${CLEAR_LINE}${this.#label}  ${text()}`);
  }
}

function percent(part: number): string {
  return `${Math.floor(Math.min(1, Math.max(0, part)) * 100)}%`;
}
