/**
 * The format of golden cases: a text file of named sections, with comments in front.
 *
 * `-- name --` on a line of its own starts a section. Lines before the first section are comments. Unknown
 * sections are an error, so that a typing mistake cannot hide a check.
 */

export const SECTIONS = [
  "task",
  "vars",
  "files",
  "batch",
  "in",
  "out",
  "groups",
  "asked",
  "written",
  "posts",
  "events",
  "errors",
  "stats",
  "json",
  "error",
] as const;

export type Section = (typeof SECTIONS)[number];

export interface GoldenCase {
  /** Comment lines before the first section, with their newline. */
  readonly comment: string;
  readonly sections: ReadonlyMap<Section, string>;
}

/** Throws `Error` when the text is no case. */
export function parseCase(text: string): GoldenCase {
  const sections = new Map<Section, string>();
  let comment = "";
  let name: Section | undefined;
  for (const line of text.split("\n")) {
    const head = /^-- ([a-z]+) --$/.exec(line)?.[1];
    if (head !== undefined) {
      const known = SECTIONS.find((section) => section === head);
      if (known === undefined) throw new Error(`unknown section "${head}"`);
      if (sections.has(known)) throw new Error(`section "${head}" stands twice`);
      name = known;
      sections.set(name, "");
    } else if (name === undefined) {
      comment += `${line}\n`;
    } else {
      sections.set(name, `${sections.get(name) ?? ""}${line}\n`);
    }
  }
  if (!sections.has("task")) throw new Error("a case needs a task");
  for (const [section, body] of sections)
    sections.set(section, body.replace(/^\n+$|(?<=\n)\n+$/, ""));
  return { comment, sections };
}

export function formatCase({ comment, sections }: GoldenCase): string {
  let text = comment;
  for (const [name, body] of sections) text += `-- ${name} --\n${body}`;
  return text;
}
