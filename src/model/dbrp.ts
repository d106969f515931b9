/** A database and retention policy: where a task's data comes from. */

export interface Dbrp {
  readonly db: string;
  readonly rp: string;
}

/** `"db"."rp"` as TICKscript and the command line print it. */
export function formatDbrp(dbrp: Dbrp): string {
  return `${quote(dbrp.db)}.${quote(dbrp.rp)}`;
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '\\"')}"`;
}
