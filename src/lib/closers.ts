/**
 * A stack of undo steps. Whatever opens something pushes its undo before the next step can fail, so a
 * half-done start is unwound in reverse order.
 */

export class Closers {
  readonly #steps: (() => void | Promise<void>)[] = [];

  push(close: () => void | Promise<void>): void {
    this.#steps.push(close);
  }

  /** Runs all steps, last first, also when one throws; then throws the first error. Empties the stack. */
  async close(): Promise<void> {
    let failed = false;
    let first: unknown;
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        if (!failed) first = error;
        failed = true;
      }
    }
    if (failed) throw first;
  }
}
