/**
 * Checks the structure that the compiler cannot see, and redraws the picture in ARCHITECTURE.md.
 *
 * Import directions, complete registries, banned words of the core with their replacements, headers, paths
 * named in ARCHITECTURE.md. Sizes far beyond the usual are printed without a verdict.
 */

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { scriptArguments } from "./arguments.ts";

const CORE = ["lib", "model", "template", "tick", "alert", "engine"];
const BASE = ["config", "clients", "storage"];
const RIM = ["cluster", "tasks", "ingest", "handlers", "udf", "auth"];
/** Core ports that base rooms may name in types. */
const LOWER = ["lib", "model"];

/** Room → rooms it may import. Own room always. A `type:` entry allows `import type` only. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  model: ["lib"],
  template: ["lib"],
  tick: LOWER,
  alert: [...LOWER, "template", "tick"],
  engine: [...LOWER, "template", "tick", "alert"],
  ...Object.fromEntries(
    BASE.map((room) => [room, [...LOWER, ...CORE.map((core) => `type:${core}`)]]),
  ),
  ...Object.fromEntries(RIM.map((room) => [room, [...CORE, ...BASE]])),
  http: [...CORE, ...BASE, ...RIM],
  daemon: [...CORE, ...BASE, ...RIM, "http"],
  cli: [
    ...LOWER,
    "config",
    "clients",
    "tick",
    "type:http",
    "type:daemon",
    "type:cluster",
    "type:tasks",
    "type:engine",
    "lazy:daemon",
  ],
  main: ["lib", "cli", "lazy:cli", "lazy:daemon"],
};

/** Folders whose `registry.ts` must import every other file. */
const REGISTRIES = [
  "src/engine/nodes",
  "src/engine/influxql",
  "src/handlers",
  "src/http/resources",
  "src/cli/commands",
  "src/cluster/messages",
  "src/cluster/calls",
  "src/storage/kinds",
];

interface Ban {
  readonly word: RegExp;
  readonly where: (file: string) => boolean;
  readonly instead: string;
}

const inCore = (file: string): boolean =>
  CORE.some((room) => file.startsWith(`src/${room}/`)) ||
  file.startsWith("src/cluster/swim/") ||
  file.startsWith("src/cluster/messages/") ||
  /^src\/cluster\/ownership\/(?!shell|kinds|ownership-service)/.test(file);
const givesTime = (file: string): boolean => file === "src/daemon/system.ts";
/** The command line is the other end of the wire: it measures and waits in real time by itself. */
const isOutside = (file: string): boolean => givesTime(file) || file.startsWith("src/cli/");

const BANS: readonly Ban[] = [
  ban(/\b(setTimeout|setInterval)\(/, (f) => !isOutside(f), "Clock.after (lib/clock.ts)"),
  ban(
    /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/,
    (f) => !isOutside(f),
    "Clock (lib/clock.ts)",
  ),
  ban(/\bMath\.random\(|\bcrypto\.randomUUID\(/, (f) => !isOutside(f), "Random (lib/random.ts)"),
  ban(/\bconsole\./, (f) => inCore(f), "Log (lib/log.ts)"),
  ban(/\bfetch\(/, (f) => inCore(f), "a port, implemented in the rim"),
  ban(/\bprocess\./, (f) => inCore(f), "a port or a constructor value"),
  ban(/\bBun\./, (f) => inCore(f), "a port, implemented in the rim"),
  ban(/from "(node:|bun:|bun")/, (f) => inCore(f), "a port, implemented in the rim"),
  ban(/@ts-ignore|@ts-expect-error/, () => true, "a type that is right"),
  ban(/\bFIXME\b/, () => true, "mend it"),
];

function ban(word: RegExp, where: (file: string) => boolean, instead: string): Ban {
  return { word, where, instead };
}

const findings: string[] = [];
const remarks: string[] = [];

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

function roomOf(file: string): string {
  const parts = file.split("/");
  return parts.length === 2 ? basename(parts[1] ?? "", ".ts") : (parts[1] ?? "");
}

interface Import {
  readonly room: string;
  readonly typeOnly: boolean;
  readonly lazy: boolean;
  readonly path: string;
}

function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  for (const match of text.matchAll(/\b(import|export)(\s+type)?\s[^;"']*?from\s+"([^"]+)"/g)) {
    add(match[3] ?? "", match[2] !== undefined, false);
  }
  for (const match of text.matchAll(/\bimport\(\s*"([^"]+)"\s*\)/g))
    add(match[1] ?? "", false, true);
  return found;

  function add(path: string, typeOnly: boolean, lazy: boolean): void {
    if (path.startsWith("#")) {
      found.push({ room: path.slice(1).split("/")[0] ?? "", typeOnly, lazy, path });
    } else if (path.startsWith(".")) {
      const target = join(dirname(file), path);
      found.push({ room: roomOf(target), typeOnly, lazy, path });
      if (!existsSync(target)) findings.push(`${file}: imports ${path}, which does not exist`);
    }
  }
}

function checkImports(file: string, imports: readonly Import[]): Set<string> {
  const from = roomOf(file);
  const allowed = MAY_IMPORT[from];
  if (allowed === undefined) {
    findings.push(
      `${file}: room "${from}" is not on the map (scripts/tidy.ts, style rule of rooms)`,
    );
    return new Set();
  }
  const used = new Set<string>();
  for (const { room, typeOnly, lazy, path } of imports) {
    if (room === from || room === "test") continue;
    used.add(room);
    const fine =
      allowed.includes(room) ||
      (typeOnly && allowed.includes(`type:${room}`)) ||
      (lazy && allowed.includes(`lazy:${room}`));
    if (!fine) findings.push(`${file}: ${from} may not import ${room} (${path})`);
  }
  return used;
}

function checkWords(file: string, text: string): void {
  const lines = text.split("\n");
  lines.forEach((line, i) => {
    if (/^\s*(\*|\/\/|\/\*)/.test(line)) return;
    for (const { word, where, instead } of BANS) {
      if (where(file) && word.test(line)) {
        findings.push(`${file}:${i + 1}: ${line.trim().slice(0, 60)} — use ${instead}`);
      }
    }
  });
}

function checkShape(file: string, text: string): void {
  if (!text.startsWith("/**") && !text.startsWith("#!"))
    findings.push(`${file}: no header comment`);
  if (!/^[a-z0-9]+(-[a-z0-9]+)*\.tsx?$/.test(basename(file))) {
    findings.push(`${file}: file names are kebab-case`);
  }
  const lines = text.split("\n").length;
  if (lines > 700) remarks.push(`${file}: ${lines} lines`);
}

/**
 * Every file of a registry's folder is in the registry or serves one that is. A file that nothing imports is an
 * entry that was forgotten.
 */
function checkRegistry(folder: string, imported: ReadonlySet<string>): void {
  if (filesBelow(folder).length === 0) return;
  const registry = join(folder, "registry.ts");
  if (!existsSync(registry)) {
    findings.push(`${folder}: no registry.ts`);
    return;
  }
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (!entry.isFile() || path === registry || imported.has(path)) continue;
    findings.push(`${path}: missing from ${registry}`);
  }
}

/** Every `path/like.ts` or `folder/` that ARCHITECTURE.md names in backticks must exist. */
function checkMap(): void {
  const text = readFileSync("ARCHITECTURE.md", "utf8");
  for (const match of text.matchAll(/`((?:src|test|scripts)\/[\w./-]+)`/g)) {
    const path = match[1] ?? "";
    if (!existsSync(path)) findings.push(`ARCHITECTURE.md: names ${path}, which does not exist`);
  }
}

function redraw(arrows: ReadonlyMap<string, ReadonlySet<string>>, write: boolean): void {
  const order = Object.keys(MAY_IMPORT);
  const lines = order
    .filter((room) => arrows.has(room))
    .map((room) => {
      const to = order.filter((other) => arrows.get(room)?.has(other));
      return `${room.padEnd(9)} → ${to.length === 0 ? "·" : to.join(" ")}`;
    });
  const text = readFileSync("ARCHITECTURE.md", "utf8");
  const drawn = text.replace(
    /(<!-- arrows -->\n```\n)[\s\S]*?(```\n<!-- \/arrows -->)/,
    (_, before: string, after: string) => `${before}${lines.join("\n")}\n${after}`,
  );
  if (drawn === text) return;
  if (write) writeFileSync("ARCHITECTURE.md", drawn);
  else
    findings.push("ARCHITECTURE.md: the drawing of imports is not up to date: run ./scripts/tidy");
}

/** Runs every check; returns what is wrong. With `write` the drawing is mended instead of reported. */
export function tidy(write: boolean): { findings: readonly string[]; remarks: readonly string[] } {
  const arrows = new Map<string, Set<string>>();
  const imported = new Set<string>();
  for (const file of filesBelow("src")) {
    const text = readFileSync(file, "utf8");
    const imports = importsOf(file, text);
    const used = checkImports(file, imports);
    for (const { path } of imports) {
      imported.add(path.startsWith("#") ? `src/${path.slice(1)}` : join(dirname(file), path));
    }
    const room = roomOf(file);
    arrows.set(room, (arrows.get(room) ?? new Set()).union(used));
    checkWords(file, text);
    checkShape(file, text);
  }
  for (const folder of REGISTRIES) checkRegistry(folder, imported);
  checkMap();
  redraw(arrows, write);
  const lock = readFileSync("package-lock.json", "utf8");
  if (/"resolved": *"https?:/.test(lock)) findings.push("package-lock.json: names a registry host");
  for (const top of readdirSync(".")) {
    if (top.startsWith(".") || top === "node_modules" || top === "bench") continue;
    if (!TOP.has(top)) remarks.push(`${top}: not one of the top level's ${TOP.size} names`);
    else if (statSync(top).isDirectory() && top.endsWith(".ts")) remarks.push(`${top}: a folder?`);
  }
  return { findings, remarks };
}

const TOP = new Set(
  (
    "package.json bunfig.toml README.md src test scripts dist ARCHITECTURE.md CHANGELOG.md LICENSE " +
    "tsconfig.json package-lock.json biome.json"
  ).split(" "),
);

if (import.meta.main) {
  const { flags } = scriptArguments({
    name: "tidy",
    does: "Checks import directions, registries, banned words, headers; redraws ARCHITECTURE.md's arrows.",
    arguments: { "--check": "only report an outdated drawing" },
  });
  const found = tidy(!flags.has("--check"));
  for (const remark of found.remarks) console.log(`note: ${remark}`);
  for (const finding of found.findings) console.error(finding);
  if (found.findings.length > 0) process.exit(1);
  console.log("tidy");
}
