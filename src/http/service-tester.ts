/**
 * Self-tests of services: one test alert, sent by the handler kind as any alert would be, with its outcome.
 *
 * The alert goes straight to an opened handler: no topic, no queue, no repetition. It is bounded in time, and its
 * error texts come from the handlers, which keep secrets out of them. Services whose protocol is not built say so.
 * Source: http-api §9.
 */

import type { AlertEvent } from "#alert/event.ts";
import type { HandlerServices } from "#alert/handler.ts";
import type { HandlerKinds } from "#alert/handler-kinds.ts";
import { CRITICAL, OK } from "#alert/level.ts";
import { namedElement, SectionReader, sectionElements } from "#handlers/section-reader.ts";
import { errorMessage } from "#lib/errors.ts";
import { SERVICE_TEST_MS_MAX } from "./limits.ts";
import {
  SERVICES,
  type ServiceSpec,
  type TestAlert,
  type TestOptions,
} from "./service-test-table.ts";
import type { ServiceTest } from "./services.ts";

export interface ServiceTesterParts {
  readonly kinds: HandlerKinds;
  /** Sections are asked for at test time, so that overrides count. */
  readonly services: HandlerServices;
  /** Reaches an InfluxDB by name: why it cannot be reached, or undefined. Absent: cannot be tested. */
  readonly pingInflux?:
    | ((cluster: string, signal: AbortSignal) => Promise<string | undefined>)
    | undefined;
}

/** The self-tests of all services, also of those that are not enabled. */
export function serviceTestsOf(parts: ServiceTesterParts): readonly ServiceTest[] {
  return SERVICES.map((spec) => ({
    name: spec.name,
    get options() {
      return spec.options(sectionOf(spec, parts));
    },
    run: (options) => run(spec, options, parts),
  }));
}

function sectionOf({ name }: ServiceSpec, { services }: ServiceTesterParts): SectionReader {
  const elements = sectionElements(services, name);
  return namedElement(elements, "", "") ?? new SectionReader({});
}

async function run(
  spec: ServiceSpec,
  options: TestOptions,
  parts: ServiceTesterParts,
): Promise<string | undefined> {
  const aborter = new AbortController();
  const cancel = parts.services.clock.after(SERVICE_TEST_MS_MAX, () => aborter.abort());
  try {
    if (spec.name === "influxdb") return await pingInflux(options, parts, aborter.signal);
    if (spec.alert === undefined) return `testing ${spec.name} is not available yet`;
    return await send(spec.alert(options), parts, aborter.signal);
  } catch (error) {
    return errorMessage(error);
  } finally {
    cancel();
  }
}

async function pingInflux(
  options: TestOptions,
  { services, pingInflux }: ServiceTesterParts,
  signal: AbortSignal,
): Promise<string | undefined> {
  const cluster = String(options["cluster"] ?? "");
  const isEnabled = sectionElements(services, "influxdb").some(
    (element) => element.text("name") === cluster && element.flag("enabled"),
  );
  if (!isEnabled) return `cluster ${JSON.stringify(cluster)} is not enabled or does not exist`;
  if (pingInflux === undefined) return "testing influxdb is not available yet";
  return pingInflux(cluster, signal);
}

async function send(
  alert: TestAlert,
  { kinds, services }: ServiceTesterParts,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { kind, options } = alert;
  const checked = kinds.check({
    id: "service-test",
    topic: "service-test",
    kind,
    match: "",
    options,
  });
  if (!checked.ok) return checked.error;
  const handler = checked.handler.kind.open(checked.handler.options, services);
  try {
    const event = { ...emptyEvent(services), ...alert.event };
    const outcome = await handler.send({ event, previousLevel: OK }, signal);
    return outcome.kind === "sent" ? undefined : outcome.error;
  } finally {
    await handler.close?.();
  }
}

function emptyEvent({ clock }: HandlerServices): AlertEvent {
  return {
    topic: "",
    id: "",
    message: "",
    details: "",
    time: clock.now(),
    duration: 0,
    level: CRITICAL,
    name: "",
    taskName: "",
    category: "",
    group: "nil",
    tags: {},
    fields: {},
    recoverable: false,
    series: null,
    hops: 0,
  };
}
