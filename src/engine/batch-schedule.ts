/**
 * When a batch query runs: at an interval, at multiples of it, or by a cron expression in local time.
 *
 * An interval counts on the monotonic clock and its ticks carry the wall time at which they happened. Aligned
 * and cron ticks carry the exact time they were due; they wait for the wall clock, which may be set, so the
 * wait is checked again at least every `SCHEDULE_WAIT_MS_MAX`. Ticks that were missed (a sleeping machine, a
 * clock set forward) are left out, not made up for.
 * Source: reference nodes.md §1 (query).
 */

import { Cron } from "croner";
import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { DurationNs } from "#lib/int64.ts";
import {
  addDuration,
  compareTime,
  roundTime,
  type Time,
  timeDifference,
  truncateTime,
} from "#lib/time.ts";
import { timerMs } from "./calls.ts";
import { SCHEDULE_WAIT_MS_MAX } from "./limits.ts";

export interface ScheduleSpec {
  /** 0 = none. */
  readonly every: DurationNs;
  /** "" = none. */
  readonly cron: string;
  /** For `every` only. */
  readonly align: boolean;
}

/** The part of a node's context that a schedule uses. */
export interface ScheduleTimers {
  readonly clock: Clock;
  after(delayMs: number, run: () => void): Cancel;
}

export interface Schedule {
  /** Calls `tick` with every time until the timers are cancelled. */
  start(timers: ScheduleTimers, tick: (time: Time) => void): void;
}

/** Shortest interval; a smaller one counts as this. */
const EVERY_MS_MIN = 1;

/** Throws `Error` with the original's text where there is one. */
export function makeSchedule({ every, cron, align }: ScheduleSpec): Schedule {
  if (every !== 0 && cron !== "") {
    throw new Error("must not set both 'every' and 'cron' properties");
  }
  if (cron !== "") return dueSchedule(cronTimes(cron));
  if (every === 0) throw new Error("must define one of 'every' or 'cron'");
  if (every < 0) throw new Error("'every' must be greater than zero");
  return align ? dueSchedule(alignedTimes(every)) : intervalSchedule(every);
}

function intervalSchedule(every: DurationNs): Schedule {
  const everyMs = Math.max(EVERY_MS_MIN, timerMs(every));
  return {
    start({ clock, after }, tick) {
      const arm = (dueMs: number): void => {
        after(Math.max(0, dueMs - clock.monoMs()), () => {
          const nowMs = clock.monoMs();
          arm(dueMs + everyMs > nowMs ? dueMs + everyMs : nowMs + everyMs);
          tick(clock.now());
        });
      };
      arm(clock.monoMs() + everyMs);
    },
  };
}

/** The first due time after a given one; `undefined` when there is none any more. */
type NextDue = (after: Time) => Time | undefined;

function dueSchedule(next: NextDue): Schedule {
  return {
    start({ clock, after }, tick) {
      const arm = (due: Time | undefined): void => {
        if (due === undefined) return;
        const now = clock.now();
        const waitMs = timerMs(timeDifference(due.ms, due.ns, now.ms, now.ns));
        after(Math.min(Math.max(0, waitMs), SCHEDULE_WAIT_MS_MAX), () => wake(due));
      };
      const wake = (due: Time): void => {
        const now = clock.now();
        if (compareTime(now.ms, now.ns, due.ms, due.ns) < 0) {
          // Woken early, or the clock was set back: then what is due next may have come nearer.
          const first = next(now);
          arm(first !== undefined && isBefore(first, due) ? first : due);
          return;
        }
        const following = next(due);
        arm(following === undefined || isBefore(now, following) ? following : next(now));
        tick(due);
      };
      arm(next(clock.now()));
    },
  };
}

/**
 * The times in (start, stop] at which it would have been due, for recordings: an interval counts from `start`,
 * aligned ones are rounded to its multiples. Throws `Error` as `makeSchedule` does.
 */
export function* dueBetween(spec: ScheduleSpec, start: Time, stop: Time): Generator<Time> {
  makeSchedule(spec);
  const next = nextOf(spec);
  for (let due = next(start); due !== undefined && !isBefore(stop, due); ) {
    yield due;
    const following = next(due);
    // A schedule that stands still would never end.
    if (following === undefined || !isBefore(due, following)) return;
    due = following;
  }
}

function nextOf({ every, cron, align }: ScheduleSpec): NextDue {
  if (cron !== "") return cronTimes(cron);
  return ({ ms, ns }) => {
    const due = addDuration(ms, ns, every);
    return align ? roundTime(due.ms, due.ns, every) : due;
  };
}

function isBefore(a: Time, b: Time): boolean {
  return compareTime(a.ms, a.ns, b.ms, b.ns) < 0;
}

/** Multiples of the interval since year 1. */
function alignedTimes(every: DurationNs): NextDue {
  return ({ ms, ns }) => {
    const down = truncateTime(ms, ns, every);
    return addDuration(down.ms, down.ns, every);
  };
}

/**
 * 5 fields are minute, hour, day of month, month, day of week; a sixth is the year; with seven the first is the
 * second. Throws `Error` when it is none.
 */
function cronTimes(text: string): NextDue {
  const fields = text.trim().split(/\s+/);
  const isName = fields.length === 1 && text.trim().startsWith("@");
  if (!isName && (fields.length < 5 || fields.length > 7)) {
    throw new Error(`invalid cron expression ${JSON.stringify(text)}: expected 5 to 7 fields`);
  }
  const pattern =
    isName || fields.length === 7
      ? text.trim()
      : ["0", ...fields, ...(fields.length === 5 ? ["*"] : [])].join(" ");
  const cron = parseCron(pattern, text);
  return ({ ms }) => {
    const due = cron.nextRun(new Date(ms));
    return due === null ? undefined : { ms: due.getTime(), ns: 0 };
  };
}

function parseCron(pattern: string, text: string): Cron {
  try {
    return new Cron(pattern, { paused: true, sloppyRanges: true });
  } catch (error) {
    const said = errorMessage(error).replace(/^\w+: /, "");
    throw new Error(`invalid cron expression ${JSON.stringify(text)}: ${said}`);
  }
}
