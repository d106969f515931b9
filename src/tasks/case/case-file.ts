/**
 * The format of test cases: a text file of named sections, with comments in front.
 *
 * `-- name --` on a line of its own starts a section. Lines before the first section are comments. Unknown
 * sections are an error, so that a typing mistake cannot hide a check. What each section means is told in the
 * README; `run-case.ts` gives them life.
 */

/** Sections that say what must come out. */
export const CHECKS = [
  "out",
  "groups",
  "asked",
  "written",
  "posts",
  "events",
  "told",
  "errors",
  "stats",
  "json",
  "error",
] as const;

export const SECTIONS = ["task", "vars", "files", "data", "batch", "in", ...CHECKS] as const;

export type Section = (typeof SECTIONS)[number];

export interface CaseFile {
  /** Comment lines before the first section, with their newline. */
  readonly comment: string;
  readonly sections: ReadonlyMap<Section, string>;
}

/** The text is no case. */
export class CaseError extends Error {
  override name = "CaseError";
}

/** Throws `CaseError` when the text is no case. */
export function parseCase(text: string): CaseFile {
  const sections = new Map<Section, string>();
  let comment = "";
  let name: Section | undefined;
  for (const line of text.replaceAll("\r\n", "\n").split("\n")) {
    const head = /^-- ([a-z]+) --$/.exec(line)?.[1];
    if (head !== undefined) {
      name = sectionOf(head);
      if (sections.has(name)) throw new CaseError(`section "${head}" stands twice`);
      sections.set(name, "");
    } else if (name === undefined) {
      comment += `${line}\n`;
    } else {
      sections.set(name, `${sections.get(name) ?? ""}${line}\n`);
    }
  }
  if (!sections.has("task")) throw new CaseError("a case needs a task");
  if (!CHECKS.some((check) => sections.has(check))) {
    throw new CaseError(`a case checks something: one of ${CHECKS.join(", ")}`);
  }
  for (const [section, body] of sections) {
    sections.set(section, body.replace(/^\n+$|(?<=\n)\n+$/, ""));
  }
  return { comment, sections };
}

function sectionOf(head: string): Section {
  const known = SECTIONS.find((section) => section === head);
  if (known === undefined) throw new CaseError(`unknown section "${head}"`);
  return known;
}

export function formatCase({ comment, sections }: CaseFile): string {
  let text = comment;
  for (const [name, body] of sections) text += `-- ${name} --\n${body}`;
  return text;
}
