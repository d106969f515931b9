/** How errors become text: one place, so that causes are shown once and secrets have one gate. */

/** The message of anything thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
