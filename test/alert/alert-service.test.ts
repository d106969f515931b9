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
    ["kind not built", { kind: "kafka" }, 'handler kind "kafka" is not available yet'],
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

  test("a property that is not built names its kind", () => {
    const { service } = bench(HANDLER_KINDS);
    expect(() => service.openInline("a", [call("email", "x@y")])).toThrow(
      'handler kind "smtp" is not available yet',
    );
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

describe("silences", () => {
  const now = 1_600_000_000_000;
  const silence = (overrides = {}) => ({
    id: "s1",
    matchers: [{ on: "tag", tag: "host", pattern: "h*" } as const],
    start: { ms: now - 1000, ns: 0 },
    end: { ms: now + 1000, ns: 0 },
    author: "me",
    comment: "",
    ...overrides,
  });

  test("a silenced event changes the topic and is not told", async () => {
    const fake = new FakeKind();
    const { service, clock } = bench([fake.kind()]);
    service.set(spec());
    service.silences.set(silence());
    service.publish(event(), "cluster");
    await quiet();
    expect(fake.sent).toEqual([]);
    expect(service.get("t")?.level).toBe(CRITICAL);
    expect(service.handlerReports()[0]?.stopped.silenced).toBe(1);
    clock.advance(1000);
    service.publish(event({ time: at(2000) }), "cluster");
    await quiet();
    expect(fake.sent.length).toBe(1);
  });

  test.each([
    [{ matchers: [{ on: "topic", pattern: "t" }] }, true],
    [{ matchers: [{ on: "topic", pattern: "x" }] }, false],
    [{ matchers: [{ on: "id", pattern: "cpu:*" }] }, true],
    [{ matchers: [{ on: "level", max: WARNING }] }, false],
    [{ matchers: [{ on: "level", max: CRITICAL }] }, true],
    [
      {
        matchers: [
          { on: "tag", tag: "nope", pattern: "" },
          { on: "topic", pattern: "t" },
        ],
      },
      true,
    ],
    [
      {
        matchers: [
          { on: "topic", pattern: "t" },
          { on: "id", pattern: "x" },
        ],
      },
      false,
    ],
    [{ start: { ms: now + 1, ns: 0 } }, false],
    [{ start: { ms: now, ns: 0 } }, true],
    [{ end: { ms: now, ns: 0 } }, false],
  ])("%p", (overrides, covers) => {
    const { service, clock } = bench([]);
    service.silences.set(silence(overrides));
    expect(service.silences.covering(event(), clock.now()) !== undefined).toBe(covers);
  });

  test.each([
    [{ id: "" }, "silence must have an ID"],
    [{ matchers: [] }, "silence must have at least one matcher"],
    [{ end: { ms: 0, ns: 0 } }, "silence must end after it starts"],
    [{ matchers: [{ on: "id", pattern: "[" }] }, "syntax error in pattern"],
    [{}, undefined],
  ])("check of %p", (overrides, want) => {
    expect(bench([]).service.checkSilence(silence(overrides))).toBe(want);
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
});
