/** Where this program is, if it is a program of its own. */

declare const BUILD_STANDALONE: boolean | undefined;

/** The file of the compiled program; undefined when run from source. */
export function programFile(): string | undefined {
  return typeof BUILD_STANDALONE === "boolean" ? process.execPath : undefined;
}
