/**
 * `aggregate`: a summary event per interval instead of every event.
 *
 * Intervals are aligned to the epoch, so that all owners of a topic cut at the same moments and their summaries
 * are one event. What is pending when the handler is changed or closed is summed up then.
 */

import type { Static } from "@sinclair/typebox";
import type { AlertEvent } from "#alert/event.ts";
import {
  type Delivery,
  defineHandler,
  type Handler,
  type HandlerServices,
} from "#alert/handler.ts";
import type { Level } from "#alert/level.ts";
import { durationOption, optionsSchema, textOption } from "#alert/options.ts";
import { type Outcome, SENT } from "#alert/outcome.ts";
import type { Cancel } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { DurationNs } from "#lib/int64.ts";
import { compareTime } from "#lib/time.ts";
import type { Row } from "#model/result.ts";
import type { Template } from "#template/template.ts";
import { GoDuration, GoStruct } from "#template/values.ts";
import { AGGREGATE_EVENTS_MAX, PUBLISH_HOPS_MAX } from "./limits.ts";
import { optionTemplate, templateProblem } from "./option-template.ts";

const DEFAULT_MESSAGE = "Received {{ .Count }} events in the last {{.Interval}}.";

const options = optionsSchema({
  interval: durationOption("Time between two summaries."),
  topic: textOption("Topic in which the summary is raised."),
  id: textOption("Event ID of the summary."),
  message: textOption("Template of the summary's message; sees Count and Interval."),
});

type AggregateOptions = Static<typeof options>;

export const aggregate = defineHandler<AggregateOptions>({
  kind: "aggregate",
  goType: "*alert.AggregateHandlerConfig",
  doc: "Sums up the events of an interval in one event of another topic.",
  options,
  external: false,
  check({ interval = 0, topic = "", message }) {
    if (interval <= 0) return "aggregate handler needs an interval greater than 0";
    if (topic === "") return "aggregate handler needs a topic";
    return templateProblem({ message });
  },
  open: (given, services) => new AggregateHandler(given, services),
});

class AggregateHandler implements Handler {
  readonly #services: HandlerServices;
  readonly #interval: DurationNs;
  readonly #topic: string;
  readonly #id: string;
  readonly #message: Template;
  #events: AlertEvent[] = [];
  #count = 0;
  #timer: Cancel | undefined;

  constructor(given: AggregateOptions, services: HandlerServices) {
    this.#services = services;
    this.#interval = given.interval ?? 0;
    this.#topic = given.topic ?? "";
    this.#id = given.id ?? "";
    this.#message = optionTemplate("message", given.message ?? DEFAULT_MESSAGE);
  }

  async send({ event }: Delivery): Promise<Outcome> {
    if (event.hops >= PUBLISH_HOPS_MAX) {
      return { kind: "rejected", error: "event was summed up too often; the topics form a circle" };
    }
    this.#count++;
    if (this.#events.length < AGGREGATE_EVENTS_MAX) this.#events.push(event);
    this.#timer ??= this.#services.clock.after(this.#untilNextMs(), () => this.#flush());
    return SENT;
  }

  close(): void {
    this.#timer?.();
    this.#flush();
  }

  #untilNextMs(): number {
    const { ms, ns } = this.#services.clock.now();
    const intervalMs = Number(this.#interval) / 1e6;
    const nowMs = ms + ns / 1e6;
    return Math.max(1, intervalMs - (nowMs % intervalMs));
  }

  #flush(): void {
    this.#timer = undefined;
    const events = this.#events;
    const count = this.#count;
    this.#events = [];
    this.#count = 0;
    const [first] = events;
    if (first === undefined) return;
    try {
      this.#services.publish(this.#summary(first, events, count));
    } catch (error) {
      this.#services.log.error("failed to sum up events", { err: errorMessage(error) });
    }
  }

  #summary(first: AlertEvent, events: readonly AlertEvent[], count: number): AlertEvent {
    let { time, duration } = first;
    let level: Level = first.level;
    let hops = 0;
    const series: Row[] = [];
    for (const event of events) {
      if (event.level > level) level = event.level;
      if (compareTime(event.time.ms, event.time.ns, time.ms, time.ns) > 0) time = event.time;
      if (event.duration > duration) duration = event.duration;
      hops = Math.max(hops, event.hops);
      for (const row of event.series ?? []) series.push(row);
    }
    const data = new GoStruct("alert.aggregateData", {
      Count: count,
      Interval: new GoDuration(this.#interval),
    });
    return {
      topic: this.#topic,
      id: this.#id,
      message: this.#message.render(data),
      details: events.map((event) => event.message).join("\n"),
      ...{ time, duration, level, series, hops: hops + 1 },
      ...{ name: "", taskName: "", category: "", group: "", tags: {}, fields: {} },
      recoverable: false,
    };
  }
}
