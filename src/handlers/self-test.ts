/**
 * Self-tests of services as data: a kind says with which options and which event its handler is tried, and the
 * event goes the way of every other event. So a test that succeeds has sent the real request.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { HandlerKind, HandlerServices, HandlerTest, TestResult } from "#alert/handler.ts";
import { CRITICAL, INFO, type Level, levelName, OK, WARNING } from "#alert/level.ts";
import { parseGoDuration } from "#lib/duration.ts";
import { errorMessage } from "#lib/errors.ts";
import type { DurationNs } from "#lib/int64.ts";
import { parseTime, type Time } from "#lib/time.ts";
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

/** The event as options describe it: `Name`, `TaskName`, `Group`, `Tags`. */
export function testEventData(data: SectionReader): Partial<AlertEvent> {
  return {
    name: data.text("Name"),
    taskName: data.text("TaskName"),
    group: data.text("Group"),
    tags: data.textMap("Tags"),
  };
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
          disabled.has(kind.kind) ? "handler disabled" : runTest({ kind, test }, services, options),
      },
    ];
  });
}

async function runTest(
  { kind, test }: { readonly kind: HandlerKind; readonly test: HandlerTest },
  services: HandlerServices,
  options: Readonly<Record<string, unknown>>,
): Promise<string | undefined> {
  const abort = new AbortController();
  const { promise, resolve } = Promise.withResolvers<TestResult>();
  const cancel = services.clock.after(SERVICE_TEST_MS_MAX, () => {
    const message = `no answer within ${SERVICE_TEST_MS_MAX / 1000}s`;
    resolve(failed(message));
    abort.abort(new Error(message));
  });
  try {
    const running = test.run(options, services, { kind, signal: abort.signal });
    const { success, message } = await Promise.race([running, promise]);
    return success ? undefined : message;
  } catch (error) {
    return errorMessage(error);
  } finally {
    cancel();
  }
}
