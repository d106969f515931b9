/** Silences with their versions, one row per silence under its ID. Cluster replication uses the same text. */

import type { SilenceChange, SilenceMatcher } from "#alert/silence.ts";
import { nanosText, type Time, timeFromNanos } from "#lib/time.ts";
import { type Kind, StorageError } from "../store.ts";

export const silences: Kind<SilenceChange> = {
  name: "silences",
  encode: ({ silence, version }) =>
    JSON.stringify({
      ...silence,
      starts: nanosText(silence.starts.ms, silence.starts.ns),
      ends: nanosText(silence.ends.ms, silence.ends.ns),
      plannedEnds: nanosText(silence.plannedEnds.ms, silence.plannedEnds.ns),
      version,
    }),
  decode: (text) => {
    const row = recordOf(JSON.parse(text));
    const version = recordOf(row["version"]);
    const counter = version["counter"];
    const matchers: unknown = row["matchers"];
    if (!Number.isSafeInteger(counter) || !Array.isArray(matchers)) throw unknownForm();
    return {
      silence: {
        id: textOf(row["id"]),
        matchers: matchers.map(matcherOf),
        starts: timeOf(row["starts"]),
        ends: timeOf(row["ends"]),
        author: textOf(row["author"]),
        comment: textOf(row["comment"]),
        plannedEnds: timeOf(row["plannedEnds"]),
      },
      version: { counter: Number(counter), member: textOf(version["member"]) },
    };
  },
};

function matcherOf(input: unknown): SilenceMatcher {
  const { name, value, isRegex, isEqual } = recordOf(input);
  if (typeof isRegex !== "boolean" || typeof isEqual !== "boolean") throw unknownForm();
  return { name: textOf(name), value: textOf(value), isRegex, isEqual };
}

function recordOf(input: unknown): Readonly<Record<string, unknown>> {
  if (typeof input !== "object" || input === null) throw unknownForm();
  return Object.fromEntries(Object.entries(input));
}

function textOf(input: unknown): string {
  if (typeof input !== "string") throw unknownForm();
  return input;
}

function timeOf(input: unknown): Time {
  if (typeof input !== "string" || !/^-?\d{1,30}$/.test(input)) throw unknownForm();
  return timeFromNanos(BigInt(input));
}

function unknownForm(): StorageError {
  return new StorageError("stored silence of an unknown form");
}
