/**
 * A command's flags: Go's rules (`go-args.ts`), refusals as `UsageError`.
 *
 * Source: cli §1.
 */

import { UsageError } from "./command.ts";
import { type FlagSpec as GoFlag, parseGoArgs } from "./go-args.ts";

export type FlagKind = "text" | "boolean" | "list";

/** Flag name → kind. A `list` may be given several times. */
export type FlagSpec = Readonly<Record<string, FlagKind>>;

export interface Flags {
  /** Last value given, or `undefined`. */
  text(name: string): string | undefined;
  isSet(name: string): boolean;
  list(name: string): readonly string[];
  /** What follows the flags. */
  readonly rest: readonly string[];
}

const GO_KINDS = { text: "text", boolean: "flag", list: "texts" } as const;

/** Reads flags; throws `UsageError` for an unknown flag, a missing value or a bad boolean. */
export function readFlags(args: readonly string[], spec: FlagSpec): Flags {
  // The usage texts are written by hand, so the flags need no documentation here.
  const flags = Object.entries(spec).map(
    ([name, kind]): GoFlag => ({ name, kind: GO_KINDS[kind], doc: "" }),
  );
  const parsed = parseGoArgs(args, flags);
  if (parsed.kind === "help") throw new UsageError("flag: help requested");
  if (parsed.kind === "bad") throw new UsageError(parsed.message);
  return {
    text: parsed.text,
    isSet: parsed.flag,
    list: parsed.texts,
    rest: parsed.rest,
  };
}
