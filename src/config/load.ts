/**
 * The configuration, resolved once: compiled defaults ← file ← environment ← flags, checked, then frozen.
 *
 * Pure: file text, environment and flags are given; `find-file.ts` looks for the file. What the API stores is
 * laid over overridable sections later, by the daemon.
 */

import { join } from "node:path";
import { ConfigError } from "./config-error.ts";
import type { DaemonConfig } from "./daemon-config.ts";
import type { Draft } from "./decode.ts";
import { applyEnvironment, type Environment } from "./environment.ts";
import { type ConfigDraft, type ConfigText, defaultDraft, readConfigText } from "./read-file.ts";
import type { Section } from "./section.ts";
import { globals } from "./sections/globals.ts";
import { SECTIONS } from "./sections/registry.ts";

/** Settings of the command line; they win over everything in file and environment. */
export interface ConfigFlags {
  readonly hostname?: string;
  readonly logFile?: string;
  readonly logLevel?: string;
}

export interface LoadOptions {
  /** Absent: compiled defaults only. */
  readonly file?: ConfigText;
  /** Directory that paths default into when there is no file: `~/.kapacitor`. */
  readonly root?: string;
  readonly environment?: Environment;
  readonly flags?: ConfigFlags;
}

export interface LoadedConfig {
  readonly config: DaemonConfig;
  /** Lines for the log: sections that are accepted and have no effect. */
  readonly notes: readonly string[];
}

const DECLARED: { readonly globals: Section; readonly sections: readonly Section[] } = {
  globals: erased(globals),
  sections: SECTIONS.map((section) => erased(section)),
};

/** Resolves and validates; throws `ConfigError` whose message is the line for standard error. */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const draft = defaultDraft(DECLARED.globals, DECLARED.sections);
  if (options.root !== undefined) rootPaths(draft, options.root);
  const mentioned =
    options.file === undefined ? new Set<string>() : readConfigText(draft, options.file, DECLARED);
  applyEnvironment(draft, options.environment ?? {}, DECLARED);
  applyFlags(draft, options.flags ?? {});
  fillConditional(draft);
  validate(draft);
  const notes = DECLARED.sections.flatMap(({ name, ignored }) =>
    ignored !== undefined && mentioned.has(name) ? [ignored] : [],
  );
  return { config: freeze(draft), notes };
}

/** What is switched on but not built: `[collectd] the collectd listener is not available yet`; or undefined. */
export function findUnavailable(config: DaemonConfig): string | undefined {
  for (const section of DECLARED.sections) {
    const what = section.unavailable(elementsOf(Reflect.get(config, section.name)));
    if (what !== undefined) return `section [${section.name}]: ${what} is not available yet`;
  }
  return undefined;
}

/** All declared sections, in the order of printing; for the configuration API. */
export function declaredSections(): readonly Section[] {
  return DECLARED.sections;
}

/** The top-level keys as a section. */
export function declaredGlobals(): Section {
  return DECLARED.globals;
}

/** The one spot where a list of sections forgets what their values look like. */
function erased(section: unknown): Section {
  return section as Section;
}

function rootPaths(draft: ConfigDraft, root: string): void {
  const set = (section: string, key: string, value: string): void => {
    const values = draft.get(section);
    if (values !== undefined && !Array.isArray(values)) values[key] = value;
  };
  set("", "data_dir", root);
  set("replay", "dir", join(root, "replay"));
  set("task", "dir", join(root, "tasks"));
  set("load", "dir", join(root, "load"));
  set("storage", "boltdb", join(root, "kapacitor.db"));
}

function applyFlags(draft: ConfigDraft, flags: ConfigFlags): void {
  const set = (section: string, key: string, value: string | undefined): void => {
    const values = draft.get(section);
    if (value !== undefined && value !== "" && values !== undefined && !Array.isArray(values))
      values[key] = value;
  };
  set("", "hostname", flags.hostname);
  set("logging", "file", flags.logFile);
  set("logging", "level", flags.logLevel);
}

function fillConditional(draft: ConfigDraft): void {
  for (const section of DECLARED.sections)
    for (const element of draftElements(draft, section.name))
      Object.assign(element, section.conditional(element));
}

function validate(draft: ConfigDraft): void {
  const hostname = String(draftElements(draft, "")[0]?.["hostname"] ?? "");
  for (const section of [DECLARED.globals, ...DECLARED.sections]) {
    const problem = section.validate(draftElements(draft, section.name), { hostname });
    if (problem !== undefined) throw new ConfigError(invalid(problem), { section: section.name });
  }
}

function invalid(problem: string): string {
  return (
    `create server: invalid configuration: ${problem}. To generate a valid configuration file run ` +
    "`kapacitord config > kapacitor.generated.conf`."
  );
}

function draftElements(draft: ConfigDraft, name: string): Draft[] {
  const value = draft.get(name);
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function elementsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function freeze(draft: ConfigDraft): DaemonConfig {
  const values: Record<string, unknown> = {};
  for (const [name, value] of draft) {
    if (name === "") Object.assign(values, value);
    else values[name] = value;
  }
  // Every declared section has been set, each decoded by the fields its type comes from.
  return deepFreeze(structuredClone(values)) as unknown as DaemonConfig;
}

/** Freezes a value and everything in it; returns it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
