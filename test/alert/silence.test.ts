/** Silences: what they cover, who may make them, how versions meet, and when they are forgotten. */

import { describe, expect, test } from "bun:test";
import { CRITICAL, OK } from "#alert/level.ts";
import {
  SILENCE_KEPT_MS,
  SILENCE_MATCHERS_MAX,
  SILENCE_TEXT_MAX,
  SILENCES_KEPT_MAX,
  SILENCES_MAX,
  SILENCES_SWEEP_MS,
} from "#alert/limits.ts";
import {
  checkSilence,
  type Silence,
  type SilenceChange,
  type SilenceDraft,
  type SilenceMatcher,
  Silences,
} from "#alert/silence.ts";
import { SilenceService } from "#alert/silence-service.ts";
import { VirtualClock } from "#lib/clock.ts";
import { silentLog } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { silences as silenceKind } from "#storage/kinds/silences.ts";
import { MemoryStore } from "#storage/memory.ts";
import { StorageError } from "#storage/store.ts";
import { StoredSilences } from "#storage/stored-silences.ts";
import { bench, event, FakeKind, quiet, spec } from "./support.ts";

const NOW_MS = 1_600_000_000_000;
const HOUR_MS = 3_600_000;
const at = (ms: number) => ({ ms: NOW_MS + ms, ns: 0 });

function matcher(name: string, value: string, how: Partial<SilenceMatcher> = {}): SilenceMatcher {
  return { name, value, isRegex: false, isEqual: true, ...how };
}

function draft(overrides: Partial<SilenceDraft> = {}): SilenceDraft {
  return {
    matchers: [matcher("topic", "t")],
    ...{ starts: at(0), ends: at(HOUR_MS), author: "me", comment: "" },
    ...overrides,
  };
}

function change(overrides: Partial<Silence> = {}, counter = 1, member = "m1"): SilenceChange {
  const silence = { ...draft(overrides), id: "s1", plannedEnds: at(HOUR_MS), ...overrides };
  return { silence, version: { counter, member } };
}

function world(store = new MemoryStore()) {
  const clock = new VirtualClock(at(0));
  const silences = new Silences();
  const parts = { silences, clock, random: new SeededRandom(1), log: silentLog, self: () => "m1" };
  const service = new SilenceService({ ...parts, store: new StoredSilences(store) });
  return { clock, silences, service, store };
}

async function made(service: SilenceService, overrides: Partial<SilenceDraft> = {}) {
  const edit = await service.create(draft(overrides));
  if (edit.kind === "refused") throw new Error(edit.error);
  return edit.silence;
}

describe("what a silence covers", () => {
  const regex = { isRegex: true };
  const not = { isEqual: false };
  test.each<[readonly SilenceMatcher[], boolean]>([
    [[matcher("topic", "t")], true],
    [[matcher("topic", "x")], false],
    [[matcher("topic", "x", not)], true],
    [[matcher("topic", "T")], false],
    [[matcher("id", "cpu:host=h1")], true],
    [[matcher("id", "cpu")], false],
    [[matcher("id", "cpu", regex)], false],
    [[matcher("id", "cpu.*", regex)], true],
    [[matcher("id", "mem|cpu:.*", regex)], true],
    [[matcher("id", "cpu:.*", { ...regex, ...not })], false],
    [[matcher("level", "CRITICAL")], true],
    [[matcher("level", "critical")], true],
    [[matcher("level", "WARNING")], false],
    [[matcher("level", "INFO|WARNING", { ...regex, ...not })], true],
    [[matcher("tag:host", "h1")], true],
    [[matcher("tag:host", "h[0-9]", regex)], true],
    [[matcher("tag:host", "h2")], false],
    [[matcher("tag:nope", "")], true],
    [[matcher("tag:nope", ".+", regex)], false],
    [[matcher("tag:toString", "")], true],
    [[matcher("topic", "t"), matcher("id", "x")], false],
    [[matcher("topic", "t"), matcher("tag:host", "h1")], true],
  ])("%j: %p", (matchers, covers) => {
    const silences = new Silences();
    silences.put(change({ matchers }));
    expect(silences.covering(event(), at(0))).toBe(covers ? "s1" : undefined);
  });

  test.each([
    [0, HOUR_MS, -1, false],
    [0, HOUR_MS, 0, true],
    [0, HOUR_MS, HOUR_MS - 1, true],
    [0, HOUR_MS, HOUR_MS, false],
  ])("from %d to %d, at %d: %p", (starts, ends, now, covers) => {
    const silences = new Silences();
    silences.put(change({ starts: at(starts), ends: at(ends) }));
    expect(silences.covering(event(), at(now)) !== undefined).toBe(covers);
  });

  test("parts of a millisecond count", () => {
    const silences = new Silences();
    silences.put(change({ starts: { ms: NOW_MS, ns: 5 }, ends: { ms: NOW_MS, ns: 7 } }));
    const covers = [4, 5, 6, 7].map((ns) => silences.covering(event(), { ms: NOW_MS, ns }));
    expect(covers).toEqual([undefined, "s1", "s1", undefined]);
  });

  test("follows the time, forth and back, and changes in between", () => {
    const silences = new Silences();
    const ask = (ms: number) => silences.covering(event(), at(ms));
    silences.put(change({ id: "late", starts: at(100), ends: at(200) }));
    silences.put(change({ id: "early", starts: at(0), ends: at(50) }));
    expect([0, 49, 50, 99, 100, 199, 200, 120, 10].map(ask)).toEqual([
      ...["early", "early", undefined, undefined, "late", "late", undefined, "late", "early"],
    ]);
    silences.put(change({ id: "early", starts: at(0), ends: at(5) }, 2));
    expect(ask(10)).toBeUndefined();
  });

  test("matchers of a newer program cover nothing", () => {
    const silences = new Silences();
    silences.put(change({ matchers: [matcher("moon", "full")] }));
    expect(silences.covering(event(), at(0))).toBeUndefined();
  });
});

test("a silenced event changes the topic, is not told, and the trace says so", async () => {
  const fake = new FakeKind();
  const { service, clock } = bench([fake.kind()]);
  service.set(spec());
  service.silences.put(change({ matchers: [matcher("tag:host", "h.*", { isRegex: true })] }));
  service.publish(event(), "cluster");
  await quiet();
  expect(fake.sent).toEqual([]);
  expect(service.get("t")?.level).toBe(CRITICAL);
  expect(service.handlerReports()[0]?.stopped.silenced).toBe(1);
  expect(service.trace("t", "cpu:host=h1")[0]?.steps).toMatchObject([
    { stage: "silence", handler: "h1", verdict: "stopped", reason: "silence s1" },
  ]);
  clock.advance(HOUR_MS);
  service.publish(event({ time: at(1), level: OK }), "cluster");
  await quiet();
  expect(fake.sent.length).toBe(1);
});

describe("a new silence is checked", () => {
  const many = (n: number) => Array.from({ length: n }, () => matcher("topic", "t"));
  const long = "x".repeat(SILENCE_TEXT_MAX);
  test.each<[Partial<SilenceDraft>, string | undefined]>([
    [{}, undefined],
    [{ matchers: [] }, "a silence needs at least one matcher"],
    [{ matchers: many(SILENCE_MATCHERS_MAX) }, undefined],
    [{ matchers: many(SILENCE_MATCHERS_MAX + 1) }, "a silence has at most 64 matchers"],
    [
      { matchers: [matcher("host", "x")] },
      'unknown matcher "host": a matcher is topic, id, level or tag:<key>',
    ],
    [
      { matchers: [matcher("tag:", "x")] },
      'unknown matcher "tag:": a matcher is topic, id, level or tag:<key>',
    ],
    [{ matchers: [matcher("level", "loud")] }, "unknown alert level 'LOUD'"],
    [{ matchers: [matcher("level", "W.*", { isRegex: true })] }, undefined],
    [{ matchers: [matcher("id", "a)(b", { isRegex: true })] }, "error parsing regexp"],
    [{ matchers: [matcher("id", "[", { isRegex: true })] }, 'matcher "id": error parsing regexp'],
    [{ matchers: [matcher("id", long)] }, "a matcher has at most 1000 characters"],
    [{ ends: at(0) }, "a silence must end after it starts"],
    [{ starts: at(-2), ends: at(-1) }, "a silence must end in the future"],
    [{ starts: at(-2), ends: at(1) }, undefined],
    [{ author: "" }, "a silence needs an author"],
    [{ comment: long }, undefined],
    [{ comment: `${long}x` }, "author and comment have at most 1000 characters"],
  ])("%j", (overrides, want) => {
    const problem = checkSilence(draft(overrides), at(0));
    if (want === undefined) expect(problem).toBeUndefined();
    else expect(problem).toContain(want);
  });
});

describe("edits", () => {
  test("a silence is made, kept over a restart, and expired", async () => {
    const { service, store, clock } = world();
    const silence = await made(service, { comment: "works" });
    expect(silence).toMatchObject({ comment: "works", plannedEnds: at(HOUR_MS) });
    expect(world(store).silences.covering(event(), at(0))).toBe(silence.id);
    clock.advance(10);
    const edit = await service.expire(silence.id);
    expect(edit).toMatchObject({ kind: "done", silence: { starts: at(0), ends: at(10) } });
    expect(world(store).service.get(silence.id)?.ends).toEqual(at(10));
    clock.advance(10);
    expect(await service.expire(silence.id)).toEqual(edit);
  });

  test("one that has not begun never will", async () => {
    const { service } = world();
    const { id } = await made(service, { starts: at(5) });
    const edit = await service.expire(id);
    expect(edit).toMatchObject({ silence: { starts: at(0), ends: at(0) } });
  });

  test("what is wrong is refused with its reason, and nothing changes", async () => {
    const { service, store } = world();
    expect(await service.create(draft({ author: "" }))).toEqual({
      ...{ kind: "refused", reason: "invalid", error: "a silence needs an author" },
    });
    expect(await service.expire("x")).toEqual({
      ...{ kind: "refused", reason: "unknown", error: 'unknown silence: "x"' },
    });
    expect(store.table(silenceKind).count()).toBe(0);
  });

  test("a full table refuses until one expires", async () => {
    const { service, silences, clock } = world();
    for (let i = 0; i < SILENCES_MAX; i++) silences.put(change({ id: `s${i}` }));
    expect(await service.create(draft())).toMatchObject({ kind: "refused", reason: "full" });
    await service.expire("s7");
    expect((await service.create(draft())).kind).toBe("done");
    clock.advance(1);
  });

  test("a store that fails leaves everything as it was", async () => {
    const { service, store } = world();
    const { id } = await made(service);
    await store.close();
    await expect(service.expire(id)).rejects.toThrow(StorageError);
    expect(service.get(id)?.ends).toEqual(at(HOUR_MS));
  });
});

describe("versions of members", () => {
  test("the newest wins, whatever the order", async () => {
    const versions = [
      change({}, 1),
      change({ ends: at(9) }, 2, "m1"),
      change({ ends: at(8) }, 2, "m2"),
    ];
    for (const order of [versions, versions.toReversed()]) {
      const { service } = world();
      for (const one of order) await service.applySilence(one);
      expect(service.get("s1")?.ends).toEqual(at(8));
      expect(await service.applySilence(change({}, 1))).toBe(false);
    }
  });

  test("an edit here is newer than all that came, and is handed on", async () => {
    const { service, store } = world();
    const told: SilenceChange[] = [];
    service.onChange(async (one) => void told.push(one));
    await service.applySilence(change({}, 41, "m9"));
    expect(told).toEqual([]);
    await service.expire("s1");
    expect(told.map(({ version }) => version)).toEqual([{ counter: 42, member: "m1" }]);
    expect(service.changes()).toEqual(told);
    expect(store.table(silenceKind).get("s1")).toEqual(told[0]);
  });

  test("an older version cannot revive a silence that was forgotten", async () => {
    const { service, clock } = world();
    service.open();
    await service.applySilence(change({ ends: at(1) }, 2));
    clock.advance(HOUR_MS + SILENCE_KEPT_MS + SILENCES_SWEEP_MS);
    await service.close();
    expect(service.list()).toEqual([]);
    expect(await service.applySilence(change({}, 1))).toBe(false);
  });
});

describe("sweeping", () => {
  test("forgets a silence some time after its planned end, not after its early one", async () => {
    const { service, clock, store } = world();
    service.open();
    const { id } = await made(service);
    await service.expire(id);
    clock.advance(HOUR_MS + SILENCE_KEPT_MS - 1);
    await service.expire("nobody");
    expect(service.list().length).toBe(1);
    clock.advance(SILENCES_SWEEP_MS);
    await service.close();
    expect(service.list()).toEqual([]);
    expect(store.table(silenceKind).count()).toBe(0);
  });

  test("of too many expired ones those planned to end first go", () => {
    const silences = new Silences();
    for (let i = 0; i <= SILENCES_KEPT_MAX; i++) {
      silences.put(change({ id: `s${i}`, ends: at(0), plannedEnds: at(1_000_000 - i) }));
    }
    silences.put(change({ id: "current" }));
    expect(silences.forget(at(1))).toEqual([`s${SILENCES_KEPT_MAX}`]);
    expect(silences.size).toBe(SILENCES_KEPT_MAX + 1);
  });
});

test.each(["", "{}", "[]", '{"id":"x"}', '{"id":"x","matchers":[1],"version":{"counter":1}}'])(
  "stored text %p is refused",
  (text) => {
    expect(() => silenceKind.decode(text)).toThrow();
  },
);
