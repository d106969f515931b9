/**
 * Self-tests of services as data: a kind says with which options and which event its handler is tried, and the
 * event goes the way of every other event. So a test that succeeds has sent the real request.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { HandlerKind, HandlerServices, HandlerTest, TestResult } from "#alert/handler.ts";
import { HANDLER_DISABLED } from "#alert/handler-kinds.ts";
import { CRITICAL, INFO, type Level, levelName, OK, WARNING } from "#alert/level.ts";
import type { Clock } from "#lib/clock.ts";
import { parseGoDuration } from "#lib/duration.ts";
import { errorMessage } from "#lib/errors.ts";
import type { DurationNs } from "#lib/int64.ts";
import { parseTime, type Time } from "#lib/time.ts";
import type { FieldValue } from "#model/shape.ts";
import { SERVICE_TEST_MS_MAX } from "./limits.ts";
import { SectionReader } from "./section-reader.ts";

/** What a test sends: the handler's options and what differs from a plain CRITICAL event. */
export interface TestSend {
  readonly options?: Readonly<Record<string, unknown>>;
  readonly event: Partial<AlertEvent>;
}

/** A test that opens the handler and sends one event. A thrown error is the test's failure. */
export function sendsEvent(toSend: (given: SectionReader) => TestSend): HandlerTest["run"] {
  return async (given, services, { kind, signal }) => {
    const { options = {}, event } = toSend(new SectionReader(given));
    const problem = kind.check?.(options);
    if (problem !== undefined) return failed(problem);
    const handler = kind.open(options, services);
    try {
      const sent = { event: { ...plainEvent(services), ...event }, previousLevel: OK };
      const outcome = await handler.send(sent, signal);
      return outcome.kind === "sent" ? { success: true, message: "" } : failed(outcome.error);
    } finally {
      await handler.close?.();
    }
  };
}

function failed(message: string): TestResult {
  return { success: false, message };
}

function plainEvent({ clock }: HandlerServices): AlertEvent {
  return {
    ...{ topic: "", id: "test", message: "", details: "", time: clock.now(), duration: 0 },
    ...{ level: CRITICAL, name: "test", taskName: "", category: "", group: "nil" },
    ...{ tags: {}, fields: {}, recoverable: true, series: null, hops: 0 },
  };
}

// Reading test options; each throws an `Error` with the test's message.

const LEVELS: readonly Level[] = [OK, INFO, WARNING, CRITICAL];

/** A level's name; `RECOVERY` is what some receivers call OK. */
export function testLevel(text: string): Level {
  const name = text.toUpperCase();
  if (name === "RECOVERY") return OK;
  const level = LEVELS.find((known) => levelName(known) === name);
  if (level === undefined) throw new Error(`unknown alert level '${name}'`);
  return level;
}

export function testTime(text: string): Time {
  const time = parseTime(text);
  if (time === undefined) throw new Error(`invalid time ${JSON.stringify(text)}`);
  return time;
}

export function testDuration(text: string): DurationNs {
  const duration = parseGoDuration(text);
  if (duration === undefined) throw new Error(`time: invalid duration ${JSON.stringify(text)}`);
  return duration;
}

/** The default of an option that describes the event's data, with the members clients know. */
export function defaultEventData(name: string): Readonly<Record<string, unknown>> {
  return {
    ...{ Name: name, TaskName: "", Category: "", Group: "", Tags: null, Fields: null },
    ...{ Recoverable: false, Result: { series: null } },
  };
}

/** The event that such an option describes. The rows of `Result` are not taken over. */
export function testEventData(data: SectionReader): Partial<AlertEvent> {
  return {
    name: data.text("Name"),
    taskName: data.text("TaskName"),
    category: data.text("Category"),
    group: data.text("Group"),
    tags: data.textMap("Tags"),
    fields: fieldsOf(data.map("Fields")),
    recoverable: data.flag("Recoverable"),
  };
}

function fieldsOf(given: Readonly<Record<string, unknown>>): Readonly<Record<string, FieldValue>> {
  return Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, FieldValue] => isFieldValue(entry[1])),
  );
}

function isFieldValue(value: unknown): value is FieldValue {
  return ["string", "number", "bigint", "boolean"].includes(typeof value);
}

/** A service's self-test as the API wants it. */
export interface ServiceSelfTest {
  readonly name: string;
  /** Read anew each time: defaults follow the configuration. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Why it failed, or `undefined` for a success. Bounded in time; never rejects. */
  run(options: Readonly<Record<string, unknown>>): Promise<string | undefined>;
}

/** The tests of all kinds that have one. Kinds in `disabled` (`-disable-handlers`) say so instead of sending. */
export function handlerTests(
  kinds: readonly HandlerKind[],
  services: HandlerServices,
  disabled: ReadonlySet<string> = new Set(),
): readonly ServiceSelfTest[] {
  return kinds.flatMap((kind) => {
    const { test } = kind;
    if (test === undefined) return [];
    return [
      {
        name: test.service ?? kind.kind,
        get options() {
          return test.options(services);
        },
        run: async (options) =>
          disabled.has(kind.kind)
            ? HANDLER_DISABLED
            : withinTestTime(services.clock, async (signal) => {
                const { success, message } = await test.run(options, services, { kind, signal });
                return success ? undefined : message;
              }),
      },
    ];
  });
}

/** Bounds a test in time: why it failed, also when it throws or takes too long, or `undefined`. Never rejects. */
export async function withinTestTime(
  clock: Clock,
  run: (signal: AbortSignal) => Promise<string | undefined>,
): Promise<string | undefined> {
  const abort = new AbortController();
  const { promise, resolve } = Promise.withResolvers<string>();
  const cancel = clock.after(SERVICE_TEST_MS_MAX, () => {
    const message = `no answer within ${SERVICE_TEST_MS_MAX / 1000}s`;
    resolve(message);
    abort.abort(new Error(message));
  });
  try {
    return await Promise.race([run(abort.signal), promise]);
  } catch (error) {
    return errorMessage(error);
  } finally {
    cancel();
  }
}
