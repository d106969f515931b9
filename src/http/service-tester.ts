/**
 * The self-tests of all services: those that the handler kinds bring along, and those of services that are no
 * handler's.
 *
 * A kind's test sends one real event by its handler: no topic, no queue, no repetition. Each test is bounded in
 * time, and one that is not built says so. Source: http-api §9.
 */

import type { HandlerKind, HandlerServices } from "#alert/handler.ts";
import { sectionElements } from "#handlers/section-reader.ts";
import { handlerTests, withinTestTime } from "#handlers/self-test.ts";
import { OTHER_SERVICES } from "./service-test-table.ts";
import type { ServiceTest } from "./services.ts";

export interface ServiceTesterParts {
  readonly kinds: readonly HandlerKind[];
  /** Kinds that may not send: `-disable-handlers`. Their tests are listed, and fail. */
  readonly disabled?: ReadonlySet<string> | undefined;
  /** Sections are asked for at test time, so that overrides count. */
  readonly services: HandlerServices;
  /** Reaches an InfluxDB by name: why it cannot be reached, or undefined. Absent: cannot be tested. */
  readonly pingInflux?:
    | ((cluster: string, signal: AbortSignal) => Promise<string | undefined>)
    | undefined;
}

/** The self-tests of all services, also of those that are not enabled. */
export function serviceTestsOf(parts: ServiceTesterParts): readonly ServiceTest[] {
  const others = OTHER_SERVICES.map(({ name, options }) => ({
    name,
    options,
    run: async (given: ServiceTest["options"]) =>
      name === "influxdb" ? testInflux(given, parts) : `testing ${name} is not available yet`,
  }));
  return [...handlerTests(parts.kinds, parts.services, parts.disabled), ...others];
}

async function testInflux(
  options: ServiceTest["options"],
  { services, pingInflux }: ServiceTesterParts,
): Promise<string | undefined> {
  const cluster = String(options["cluster"] ?? "");
  const isEnabled = sectionElements(services, "influxdb").some(
    (element) => element.text("name") === cluster && element.flag("enabled"),
  );
  if (!isEnabled) return `cluster ${JSON.stringify(cluster)} is not enabled or does not exist`;
  if (pingInflux === undefined) return "testing influxdb is not available yet";
  return withinTestTime(services.clock, (signal) => pingInflux(cluster, signal));
}
