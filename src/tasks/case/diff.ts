/**
 * The difference between two texts, line by line, for people: what is missing (−), what is too much (+), and a few
 * lines around it.
 *
 * The longest common subsequence of lines by dynamic programming, on what is left after equal ends are cut
 * off; beyond `TABLE_MAX` cells both texts are shown whole.
 */

/** Cells of the table, about 16 MB. */
const TABLE_MAX = 4_000_000;
/** Equal lines shown before and after a difference. */
const CONTEXT = 2;

interface DiffLine {
  readonly sign: " " | "-" | "+";
  readonly text: string;
}

/** Lines with a sign in front; empty when the texts are equal. */
export function diffLines(expected: string, actual: string): readonly string[] {
  if (expected === actual) return [];
  const all = compare(linesOf(expected), linesOf(actual));
  const near = all.map((_, i) =>
    all.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some(({ sign }) => sign !== " "),
  );
  const out: string[] = [];
  all.forEach(({ sign, text }, i) => {
    if (near[i]) out.push(`${sign} ${text}`);
    else if (near[i - 1] === true || i === 0) out.push("  …");
  });
  return out;
}

function linesOf(text: string): readonly string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function compare(a: readonly string[], b: readonly string[]): readonly DiffLine[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (
    end < a.length - start &&
    end < b.length - start &&
    a[a.length - 1 - end] === b[b.length - 1 - end]
  ) {
    end++;
  }
  const same = (lines: readonly string[]): DiffLine[] => lines.map((text) => ({ sign: " ", text }));
  const middle = changed(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return [...same(a.slice(0, start)), ...middle, ...same(a.slice(a.length - end))];
}

function changed(a: readonly string[], b: readonly string[]): readonly DiffLine[] {
  const removed = (text: string): DiffLine => ({ sign: "-", text });
  const added = (text: string): DiffLine => ({ sign: "+", text });
  const width = b.length + 1;
  if ((a.length + 1) * width > TABLE_MAX) return [...a.map(removed), ...b.map(added)];
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const at = i * width + j;
      common[at] =
        a[i] === b[j]
          ? (common[at + width + 1] as number) + 1
          : Math.max(common[at + width] as number, common[at + 1] as number);
    }
  }
  const out: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const at = i * width + j;
    if (a[i] === b[j]) {
      out.push({ sign: " ", text: a[i++] as string });
      j++;
    } else if ((common[at + width] as number) >= (common[at + 1] as number)) {
      out.push(removed(a[i++] as string));
    } else {
      out.push(added(b[j++] as string));
    }
  }
  return [...out, ...a.slice(i).map(removed), ...b.slice(j).map(added)];
}
