/**
 * Assertions that stay on in production.
 *
 * A failed assertion is a bug of ours, never bad input. It stops the task, connection or request
 * that hit it; the daemon goes on.
 */

export class AssertionError extends Error {
  override name = "AssertionError";
}

/** Throws `AssertionError` unless the condition holds. The text says what must hold. */
export function assert(condition: unknown, mustHold: string): asserts condition {
  if (!condition) throw new AssertionError(`bug: must hold: ${mustHold}`);
}

/** Marks the end of an exhaustive switch; the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`bug: unexpected value ${String(value)}`);
}
