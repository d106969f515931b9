/**
 * One program under three names. The name it was called by decides, then the first word; each role is loaded
 * only when it is wanted, so that small commands start fast.
 */

import { basename } from "node:path";
import { compileAsUsual } from "#cli/compile-policy.ts";

type Role = "kapacitord" | "kapacitorctl" | "kapacitor";

/** Which program to be, and the words left for it. */
function roleOf(name: string, words: readonly string[]): readonly [Role, readonly string[]] {
  if (name === "kapacitord" || name === "kapacitorctl") return [name, words];
  const [first, ...rest] = words;
  if (first === "kapacitord" || first === "daemon") return ["kapacitord", rest];
  if (first === "kapacitorctl") return ["kapacitorctl", rest];
  if (first === "kapacitor") return ["kapacitor", rest];
  if (first === "member" || first === "doctor") return ["kapacitorctl", words];
  return ["kapacitor", words];
}

async function main(role: Role, words: readonly string[]): Promise<number> {
  switch (role) {
    case "kapacitord":
      return (await import("#cli/kapacitord.ts")).runKapacitord(words);
    case "kapacitorctl": {
      const { runKapacitorctl } = await import("#cli/kapacitorctl.ts");
      compileAsUsual();
      return runKapacitorctl(words);
    }
    case "kapacitor": {
      const { runKapacitor } = await import("#cli/kapacitor.ts");
      compileAsUsual();
      return runKapacitor(words);
    }
  }
}

const [role, words] = roleOf(basename(process.argv0), process.argv.slice(2));
const code = await main(role, words);
// A stopped daemon may have connections of others still open; nothing is left to wait for.
if (role === "kapacitord") process.exit(code);
process.exitCode = code;
