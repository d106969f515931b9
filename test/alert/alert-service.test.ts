/** The alert core over a fake ownership: stages, checks, inline handlers, traces, silences. */

import { describe, expect, test } from "bun:test";
import { AlertService } from "#alert/alert-service.ts";
import { STAGES } from "#alert/deliver.ts";
import { CRITICAL, OK, WARNING } from "#alert/level.ts";
import { EARLY_EVENTS_MAX, TRACE_EVALUATIONS_MAX } from "#alert/limits.ts";
import type { Outcome } from "#alert/outcome.ts";
import { HANDLER_KINDS } from "#handlers/registry.ts";
import type { PropertyCall } from "#tick/environment.ts";
import {
  bench,
  event,
  FakeKind,
  LocalOwnership,
  MemoryTopicStore,
  quiet,
  spec,
} from "./support.ts";

const call = (name: string, ...texts: string[]): PropertyCall => ({
  name,
  args: texts.map((value) => ({ kind: "string", value })),
  calls: [],
  position: { line: 1, char: 1 },
});

const at = (second: number) => ({ ms: second * 1000, ns: 0 });

describe("checks of handlers have the original's texts", () => {
  const { service } = bench(HANDLER_KINDS);

  test.each([
    ["unknown kind", { kind: "nope" }, 'unsupported action kind "nope"'],
    ["kind that never was", { kind: "email" }, 'unsupported action kind "email"'],
    [
      "unknown option",
      { kind: "slack", options: { chanel: "x" } },
      "failed to decode options into *slack.HandlerConfig: 1 error(s) decoding:\n\n* '' has invalid keys: chanel",
    ],
    [
      "wrong type",
      { kind: "exec", options: { prog: "x", args: "y" } },
      "failed to decode options into *alert.ExecHandlerConfig: 1 error(s) decoding:\n\n* 'args': source data must be an array or slice, got string",
    ],
    [
      "undocumented spelling",
      { kind: "post", options: { url: "http://x", skipSSLVerification: true } },
      "failed to decode options into *httppost.HandlerConfig: 1 error(s) decoding:\n\n* '' has invalid keys: skipSSLVerification",
    ],
    [
      "relative log path",
      { kind: "log", options: { path: "rel.log" } },
      "log path must be absolute: rel.log is not absolute",
    ],
    [
      "post without a destination",
      { kind: "post", options: {} },
      "An appropriately formatted url must be specified if an endpoint is not specified",
    ],
    [
      "aggregate without interval",
      { kind: "aggregate", options: { topic: "x" } },
      "aggregate handler needs an interval greater than 0",
    ],
    [
      "bad option template",
      { kind: "discord", options: { "embed-title": "{{.Name" } },
      "template: embed-title:1: unclosed action",
    ],
    [
      "unknown word in match",
      { kind: "log", options: { path: "/x" }, match: "level() >= warn" },
      'invalid match expression: unknown identifier "warn"',
    ],
  ])("%s", (_name, overrides, want) => {
    expect(service.check(spec(overrides))).toBe(want);
  });

  test("a syntax error in match", () => {
    const bad = spec({ kind: "log", options: { path: "/x" }, match: "level( >=" });
    expect(service.check(bad)).toStartWith("invalid match expression: parser: ");
  });

  test("an unknown kind is refused with a match, too", () => {
    expect(service.check(spec({ kind: "nope", match: "TRUE" }))).toBe(
      'unsupported action kind "nope"',
    );
  });

  test("a good one passes", () => {
    expect(
      service.check(spec({ kind: "log", options: { path: "/x", mode: 420 } })),
    ).toBeUndefined();
  });
});

describe("match", () => {
  test.each([
    ["", true],
    ["level() >= WARNING", true],
    ["level() == OK", false],
    ["changed() == TRUE", true],
    ["name() == 'cpu'", true],
    ["taskName() == 'other'", false],
    ["\"host\" == 'h1' AND level() == CRITICAL", true],
    ["duration() > 1s", false],
    ["alertDuration() == 0s", true],
    ["\"nope\" == 'x'", false],
  ])("%s", async (match, wants) => {
    const fake = new FakeKind();
    const { service, logged } = bench([fake.kind()]);
    service.set(spec({ match }));
    service.publish(event(), "cluster");
    await quiet();
    expect(fake.sent.length).toBe(wants ? 1 : 0);
    if (match.includes("nope")) {
      const entry = logged.find((one) => one.message === "failed to evaluate match expression");
      expect(String(entry?.fields["err"])).toContain("no tag exists for nope");
      expect(service.handlerReports()[0]?.stopped.matchError).toBe(1);
    }
  });

  test("changed() looks at the topic's own previous level", async () => {
    const fake = new FakeKind();
    const { service } = bench([fake.kind()]);
    service.set(spec({ match: "changed() == TRUE" }));
    for (const [i, level] of [CRITICAL, CRITICAL, WARNING, WARNING, OK, OK].entries()) {
      service.publish(event({ level, time: at(i) }), "cluster");
    }
    await quiet();
    expect(fake.sent.map((one) => one.event.level)).toEqual([CRITICAL, WARNING, OK]);
    expect(fake.sent.map((one) => one.previousLevel)).toEqual([OK, CRITICAL, WARNING]);
  });
});

describe("delivery", () => {
  test("the stages are the documented list", () => {
    expect(STAGES.map((stage) => stage.name)).toEqual([
      "match",
      "inhibit",
      "silence",
      "own",
      "order",
      "send",
      "record",
    ]);
  });

  test("handlers are asked in the order of their IDs, and each outcome is told once", async () => {
    const fake = new FakeKind();
    const { service, ownership } = bench([fake.kind()]);
    for (const id of ["c", "a", "b"]) service.set(spec({ id }));
    expect(service.accept(event())).toEqual(["a", "b", "c"]);
    service.publish(event({ time: at(2000) }), "cluster");
    await quiet();
    expect(ownership.outcomes.map((end) => end.outcome.kind)).toEqual(["sent", "sent", "sent"]);
    expect(new Set(ownership.outcomes.map((end) => end.ticket)).size).toBe(3);
  });

  test("a send to a handler that is gone is rejected, after the call", async () => {
    const { service, ownership } = bench([]);
    service.send(7, event(), "gone");
    expect(ownership.outcomes).toEqual([]);
    await quiet();
    const error = 'no handler "gone" in topic "t"';
    expect(ownership.outcomes).toEqual([{ ticket: 7, outcome: { kind: "rejected", error } }]);
  });

  test("a cancelled send is aborted and not told", async () => {
    const fake = new FakeKind();
    fake.answer = () => new Promise<Outcome>(() => {});
    const { service, ownership } = bench([fake.kind()]);
    service.set(spec());
    service.publish(event(), "cluster");
    service.cancel(1);
    await quiet();
    expect(fake.signals[0]?.aborted).toBe(true);
    expect(ownership.outcomes).toEqual([]);
  });

  test("a hung handler slows only itself", async () => {
    const hung = new FakeKind();
    hung.answer = () => new Promise<Outcome>(() => {});
    const fine = new FakeKind();
    const { service } = bench([hung.kind("hung"), fine.kind("fine")]);
    service.set(spec({ id: "h", kind: "hung" }));
    service.set(spec({ id: "f", kind: "fine" }));
    for (let i = 0; i < 100; i++) service.publish(event({ time: at(i) }), "cluster");
    for (let i = 0; i < 20; i++) await quiet();
    expect(fine.sent.length).toBe(100);
    expect(hung.sent.length).toBe(1);
  });

  test("a handler this member cannot run leaves the send to others and says why", async () => {
    const { service, ownership } = bench([]);
    service.set(spec({ kind: "future" }));
    service.publish(event(), "cluster");
    await quiet();
    const error = 'unsupported action kind "future"';
    expect(ownership.outcomes).toEqual([{ ticket: 1, outcome: { kind: "retry", error } }]);
    expect(service.handlerReports()[0]?.broken).toBe(error);
  });

  test("a replaced handler is closed and the new one sends", async () => {
    const [before, after] = [new FakeKind(), new FakeKind()];
    const { service } = bench([before.kind("before"), after.kind("after")]);
    service.set(spec({ kind: "before" }));
    service.set(spec({ kind: "after" }));
    service.publish(event(), "cluster");
    await quiet();
    expect([before.closed, before.sent.length, after.sent.length]).toEqual([1, 0, 1]);
    service.remove("t", "h1");
    await quiet();
    expect(after.closed).toBe(1);
    expect(service.handlerReports()).toEqual([]);
  });

  test("events from before ownership are handed over when it comes, the oldest dropped when too many", () => {
    const { service: donor } = bench([]);
    const clock = bench([]).clock;
    const log = { debug() {}, info() {}, warn() {}, error() {}, with: () => log };
    const service = new AlertService({
      kinds: [],
      services: {
        clock,
        log,
        server: { hostname: "", clusterId: "", serverId: "" },
        section: () => undefined,
      },
      store: new MemoryTopicStore(),
      ...{ clock, log },
      random: { u32: () => 0, below: () => 0, float: () => 0, bytes: () => new Uint8Array() },
    });
    for (let i = 0; i <= EARLY_EVENTS_MAX; i++) service.publish(event({ id: `e${i}` }), "cluster");
    const ownership = new LocalOwnership(donor);
    service.setOwnership(ownership);
    expect(ownership.published.length).toBe(EARLY_EVENTS_MAX);
    expect(ownership.published[0]?.event.id).toBe("e1");
    expect(service.counters().earlyEventsDropped).toBe(1);
  });

  test("close drains all handlers", async () => {
    const fake = new FakeKind();
    const { service } = bench([fake.kind()]);
    service.set(spec());
    service.openInline("main:x:alert2", [call("fake")]);
    await service.close();
    expect(fake.closed).toBe(2);
  });
});

describe("inline handlers", () => {
  test("each call is a handler of its own with a stable ID", async () => {
    const fake = new FakeKind();
    const { service } = bench([fake.kind()]);
    service.openInline("main:x:alert2", [call("fake"), call("fake")]);
    expect(service.accept(event({ topic: "main:x:alert2" }))).toEqual(["fake0", "fake1"]);
    service.closeInline("main:x:alert2");
    await quiet();
    expect(service.accept(event({ topic: "main:x:alert2" }))).toEqual([]);
    expect(service.lastState("main:x:alert2", "cpu:host=h1")?.level).toBe(CRITICAL);
    expect(fake.closed).toBe(2);
  });

  test("wrong options are thrown and nothing is opened", () => {
    const { service } = bench(HANDLER_KINDS);
    const calls = [call("log", "/ok.log"), call("log", "rel.log")];
    expect(() => service.openInline("a", calls)).toThrow("log path must be absolute");
    expect(service.handlerReports("a")).toEqual([]);
  });

  test.each([
    ["off", { enabled: true, global: false }, [], 0],
    ["on", { enabled: true, global: true }, [], 1],
    ["named already", { enabled: true, global: true }, [call("fake")], 1],
    ["not enabled", { enabled: false, global: true }, [], 0],
  ] as const)("a global handler (%s)", (_name, section, calls, want) => {
    const { service } = bench([new FakeKind().kind()], { sections: { fake: section } });
    service.openInline("a", calls);
    expect(service.handlerReports("a").length).toBe(want);
  });

  test("global with state-changes-only switches the whole node", () => {
    const fake = { enabled: true, global: true, "state-changes-only": true };
    const { service } = bench([new FakeKind().kind()], { sections: { fake } });
    expect(service.globals([])).toEqual({ kinds: ["fake"], stateChangesOnly: true });
    expect(service.globals([call("fake")])).toEqual({ kinds: [], stateChangesOnly: true });
  });
});

describe("trace", () => {
  test("tells what stopped an event and what became of a send", async () => {
    const fake = new FakeKind();
    fake.answer = async () => ({ kind: "rejected", error: "bad request" });
    const { service } = bench([fake.kind()]);
    service.set(spec({ id: "no", match: "level() == OK" }));
    service.set(spec({ id: "yes" }));
    service.publish(event(), "cluster");
    await quiet();
    const [evaluation] = service.trace("t", "cpu:host=h1");
    expect(evaluation).toMatchObject({ level: CRITICAL, previousLevel: OK });
    expect(
      evaluation?.steps.map(({ stage, handler, verdict, reason }) => [
        stage,
        handler,
        verdict,
        reason,
      ]),
    ).toEqual([
      ["match", "no", "stopped", "the match expression is false"],
      ["own", "yes", "passed", "wanted"],
      ["send", "yes", "failed", "failed: bad request"],
    ]);
  });

  test("keeps the last evaluations of an ID", () => {
    const { service } = bench([]);
    for (let i = 0; i <= TRACE_EVALUATIONS_MAX; i++) service.accept(event({ time: at(i) }));
    const times = service.trace("t", "cpu:host=h1").map((evaluation) => evaluation.time.ms);
    expect(times.length).toBe(TRACE_EVALUATIONS_MAX);
    expect(times[0]).toBe(1000);
  });

  test("an evaluation that was inhibited is there, although nothing was published", () => {
    const { service } = bench([]);
    service.accept(event({ level: WARNING }));
    const { topic, id, level } = event();
    service.inhibited({ topic, id, level, time: at(1), category: "app" });
    const last = service.trace("t", "cpu:host=h1").at(-1);
    expect(last).toMatchObject({ level: CRITICAL, previousLevel: WARNING });
    expect(last?.steps).toMatchObject([
      { stage: "inhibit", verdict: "stopped", reason: 'an active alert inhibits category "app"' },
    ]);
  });

  test("a send that another owner did is told as such, once", async () => {
    const fake = new FakeKind();
    fake.answer = () => new Promise(() => {});
    const { service } = bench([fake.kind()]);
    service.set(spec());
    service.publish(event(), "cluster");
    service.cancel(1);
    service.cancel(1);
    const [evaluation] = service.trace("t", "cpu:host=h1");
    expect(evaluation?.steps.map(({ stage, reason }) => [stage, reason])).toEqual([
      ["own", "wanted"],
      ["own", "another owner has sent it"],
    ]);
  });
});

describe("disabled kinds", () => {
  const disabled = new Set(["fake"]);

  test("are refused everywhere and never added by the configuration", () => {
    const sections = { fake: { enabled: true, global: true } };
    const { service } = bench([new FakeKind().kind()], { sections, disabled });
    expect(service.check(spec())).toBe("handler disabled");
    expect(() => service.openInline("t", [call("fake")])).toThrow("handler disabled");
    expect(service.globals([]).kinds).toEqual([]);
  });

  test("a stored handler stays attached and says why it does nothing", async () => {
    const { service, ownership } = bench([new FakeKind().kind()], { disabled });
    service.set(spec());
    service.publish(event(), "cluster");
    await quiet();
    expect(service.handlerReports("t")[0]?.broken).toBe("handler disabled");
    expect(ownership.outcomes[0]?.outcome).toEqual({ kind: "retry", error: "handler disabled" });
  });
});

test("match expressions know the time", async () => {
  const fake = new FakeKind();
  const { service } = bench([fake.kind()]);
  service.set(spec({ id: "yes", match: "year(now()) == 2020" }));
  service.set(spec({ id: "no", match: "year(now()) == 2021" }));
  service.publish(event(), "cluster");
  await quiet();
  const reports = service.handlerReports("t");
  expect(reports.map(({ id, sent, stopped }) => [id, sent, stopped.matchFalse])).toEqual([
    ["no", 0, 1],
    ["yes", 1, 0],
  ]);
});

test("statistics name every handler", async () => {
  const fake = new FakeKind();
  fake.answer = () => new Promise(() => {});
  const { service } = bench([fake.kind()], { limits: { inFlightMax: 1 } });
  service.set(spec());
  for (const id of ["a", "b", "c"]) service.publish(event({ id }), "cluster");
  await quiet();
  expect(service.statistics()).toEqual([
    {
      name: "alert_delivery",
      tags: {},
      values: { early_events_dropped: 0, topic_store_failures: 0, silences: 0 },
    },
    {
      name: "alert_handlers",
      tags: { topic: "t", handler: "h1", kind: "fake" },
      values: {
        ...{ sent: 0, failed: 0, retried: 0, superseded: 0, expired: 0, dropped: 0 },
        ...{ passed_on: 0, waiting: 2, in_flight: 1, broken: 0 },
        ...{ stopped_match_false: 0, stopped_match_error: 0, stopped_silenced: 0 },
      },
    },
  ]);
});
