/** Asking for help: `-h`, `-help` or `--help` anywhere behind a command, up to a `--`. */

export function asksForHelp(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  const read = end < 0 ? words : words.slice(0, end);
  return read.some((word) => /^--?h(elp)?$/.test(word));
}
