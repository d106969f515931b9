/**
 * Functions of time. Calendar fields are those of the server's local zone, which the caller supplies.
 */

import { fromBigInt } from "#lib/int64.ts";
import { type Time, timeToNanos } from "#lib/time.ts";
import { type CallContext, contextSignature, type FunctionSpec, signature } from "./spec.ts";

export const timeFunctions: readonly FunctionSpec[] = [
  {
    name: "unixNano",
    doc: "Nanoseconds since 1970.",
    examples: [{ expression: 'unixNano("time")', result: "1600000000500000000" }],
    mayFail: false,
    pure: true,
    signatures: [signature(["time"], "int", ({ ms, ns }) => fromBigInt(timeToNanos(ms, ns)))],
  },
  field("minute", "Minute of the hour, 0 to 59.", (date) => date.getUTCMinutes(), "26"),
  field("hour", "Hour of the day, 0 to 23.", (date) => date.getUTCHours(), "12"),
  field("weekday", "Day of the week, 0 is Sunday.", (date) => date.getUTCDay(), "0"),
  field("day", "Day of the month, 1 to 31.", (date) => date.getUTCDate(), "13"),
  field("month", "Month, 1 to 12.", (date) => date.getUTCMonth() + 1, "9"),
  field("year", "Year.", (date) => date.getUTCFullYear(), "2020"),
  {
    name: "now",
    doc: "The server's wall-clock time.",
    examples: [{ expression: "unixNano(now())", result: "1600000000500000000" }],
    mayFail: false,
    pure: false,
    signatures: [contextSignature([], "time", ({ services }) => services.now())],
  },
];

/** Examples are for 2020-09-13T12:26:40.5Z in UTC. */
function field(
  name: string,
  doc: string,
  read: (date: Date) => number,
  result: string,
): FunctionSpec {
  return {
    name,
    doc: `${doc} In the server's local zone.`,
    examples: [{ expression: `${name}("time")`, result }],
    mayFail: false,
    pure: true,
    signatures: [contextSignature(["time"], "int", (context, time) => read(local(context, time)))],
  };
}

/** A date whose UTC fields are the local ones of the time. */
function local({ services }: CallContext, time: Time): Date {
  return new Date(time.ms + (services.zoneOffsetMs?.(time.ms) ?? 0));
}
