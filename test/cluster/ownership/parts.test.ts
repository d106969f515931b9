import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Absences } from "#cluster/ownership/absences.ts";
import { type CompletionRow, Completions } from "#cluster/ownership/completions.ts";
import { Journal, type StoredWrite } from "#cluster/ownership/journal.ts";
import type { CompletionEntry } from "#cluster/ownership/notices.ts";
import { PullGate } from "#cluster/ownership/pull-gate.ts";
import { compareStamps } from "#cluster/ownership/stamp.ts";
import { TimerHeap } from "#cluster/ownership/timer-heap.ts";
import type { ClusterView, MemberStatus } from "#cluster/ports.ts";
import { memberId } from "#test/cluster/rpc/fake-network.ts";

describe("the timer heap", () => {
  test("runs timers by time, then by creation, and not those that were called off", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(50), fc.boolean()), { maxLength: 200 }), (plan) => {
        const heap = new TimerHeap();
        const ran: number[] = [];
        const timers = plan.map(([at], i) => heap.set(at, () => ran.push(i)));
        plan.forEach(([, isOff], i) => {
          const timer = timers[i];
          if (isOff && timer !== undefined) timer.live = false;
        });
        heap.runDue(50);
        const expected = plan
          .map(([at, isOff], i) => ({ at, isOff, i }))
          .filter(({ isOff }) => !isOff)
          .sort((a, b) => a.at - b.at || a.i - b.i)
          .map(({ i }) => i);
        expect(ran).toEqual(expected);
        expect(heap.nextAt()).toBeUndefined();
      }),
    );
  });

  test("runs what a timer sets for now, and leaves what is later", () => {
    const heap = new TimerHeap();
    const ran: string[] = [];
    heap.set(1, () => {
      ran.push("a");
      heap.set(2, () => ran.push("b"));
      heap.set(3, () => ran.push("c"));
    });
    heap.runDue(2);
    expect(ran).toEqual(["a", "b"]);
    expect(heap.nextAt()).toBe(3);
  });
});

const entry = (id: string, ms: number, by = 1, more: Partial<CompletionEntry> = {}) => ({
  topic: "t",
  id,
  handler: "h",
  stamp: { ms, ns: 0, level: 1 as const },
  by: memberId(by),
  ...more,
});

describe("the journal", () => {
  const row = (id: string, ms: number): CompletionRow => ({
    topic: "t",
    id,
    handlers: { h: { stamp: { ms, ns: 0, level: 1 }, by: memberId(1) } },
  });
  const step = fc.record({
    what: fc.constantFrom("alone", "shared", "heard", "heard", "remove", "take", "release"),
    id: fc.constantFrom("a", "b"),
  });

  test("whatever is kept back, the last completions of an ID are the last that are written", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const journal = new Journal("boot");
        const now = new Map<string, CompletionRow>();
        const disk = new Map<string, CompletionRow>();
        const take = (number: number): void => {
          for (const write of journal.take(number) ?? []) store(disk, write);
        };
        steps.forEach(({ what, id }, i) => {
          if (what === "take") take(i);
          else if (what === "release") journal.releaseHeard();
          else if (what === "remove") {
            now.delete(id);
            journal.removeCompletions("t", id);
          } else {
            now.set(id, row(id, i));
            journal.putCompletions(row(id, i), what);
          }
        });
        journal.releaseHeard();
        take(steps.length);
        expect(disk).toEqual(now);
        expect(journal.heard).toBe(0);
      }),
    );
  });

  function store(disk: Map<string, CompletionRow>, write: StoredWrite): void {
    if (write.kind === "put-completions") disk.set(write.row.id, write.row);
    else if (write.kind === "remove-completions") disk.delete(write.id);
  }

  test("what was heard is kept back, and nothing else", () => {
    const journal = new Journal("boot");
    journal.putCompletions(row("a", 1), "heard");
    expect(journal.take(1)).toBeUndefined();
    journal.putCompletions(row("b", 1), "shared");
    expect(journal.take(2)).toEqual([{ kind: "put-completions", row: row("b", 1), mayWait: true }]);
    journal.putCompletions(row("a", 2), "alone");
    expect(journal.take(3)).toEqual([
      { kind: "put-completions", row: row("a", 2), mayWait: false },
    ]);
    journal.releaseHeard();
    expect(journal.take(4)).toBeUndefined();
  });
});

describe("the completion table", () => {
  const entries = fc.array(
    fc.record({
      topic: fc.constantFrom("t", "u"),
      id: fc.constantFrom("a", "b", "c"),
      handler: fc.constantFrom("h", "k"),
      stamp: fc.record({
        ms: fc.nat(3),
        ns: fc.nat(2),
        level: fc.constantFrom(0 as const, 1 as const, 3 as const),
      }),
      by: fc.integer({ min: 1, max: 3 }).map(memberId),
    }),
    { maxLength: 60 },
  );

  test("ends equal in any order and with repeats, and the digest says so", () => {
    fc.assert(
      fc.property(entries, fc.nat(), (all, turn) => {
        const a = new Completions();
        const b = new Completions();
        for (const one of all) a.merge(one);
        const cut = all.length === 0 ? 0 : turn % all.length;
        for (const one of [...all.slice(cut), ...all, ...all.slice(0, cut)].reverse()) b.merge(one);
        expect(a.digest).toBe(b.digest);
        for (const { topic, id, handler } of all) {
          expect(a.last(topic, id, handler)).toEqual(b.last(topic, id, handler));
        }
      }),
    );
  });

  test("pages give everything changed since a sequence number, newest first, once", () => {
    fc.assert(
      fc.property(entries, entries, fc.integer({ min: 1, max: 4 }), (first, then, max) => {
        const table = new Completions();
        const copy = new Completions();
        for (const one of first) {
          table.merge(one);
          copy.merge(one);
        }
        const since = table.sequence;
        for (const one of then) table.merge(one);
        let before = 0;
        do {
          const page = table.page({ since, before, max, wanted: () => true });
          for (const one of page.entries) copy.merge(one);
          before = page.next;
        } while (before !== 0);
        expect(copy.digest).toBe(table.digest);
      }),
    );
  });

  test("an older event does not replace a newer one; of two levels at one time the higher is newer", () => {
    const table = new Completions();
    expect(table.merge(entry("a", 5))).toBe(true);
    expect(table.merge(entry("a", 4))).toBe(false);
    expect(table.merge(entry("a", 5, 1, { stamp: { ms: 5, ns: 0, level: 3 } }))).toBe(true);
    expect(table.merge(entry("a", 5))).toBe(false);
    expect(compareStamps({ ms: 1, ns: 2, level: 3 }, { ms: 1, ns: 3, level: 0 })).toBeLessThan(0);
  });

  test("forgetting a topic leaves the others and an equal digest", () => {
    const table = new Completions();
    table.merge(entry("a", 1));
    const before = table.digest;
    table.merge(entry("b", 1, 1, { topic: "u" }));
    expect(table.forget("u")).toEqual(["b"]);
    expect(table.digest).toBe(before);
    expect(table.page({ since: 0, before: 0, max: 10, wanted: () => true }).entries.length).toBe(1);
  });
});

describe("the gate for sends", () => {
  const [a, b] = [memberId(1), memberId(2)];
  const nobodyGone = () => false;

  test("opens when all that are there have answered", () => {
    const gate = new PullGate();
    gate.shut({ until: 100, expect: [a, b], extend: true });
    gate.answered(a);
    expect(gate.tryOpen(nobodyGone)).toBe(false);
    expect(gate.tryOpen((member) => member === b)).toBe(true);
    expect(gate.isShut).toBe(false);
  });

  test("gives the others only a moment once one has answered after a start", () => {
    const gate = new PullGate();
    gate.shut({ until: 5000, expect: [a, b], extend: true, afterFirstMs: 1000 });
    gate.heard(100);
    expect(gate.until).toBe(1100);
  });

  test("is not held longer by connections that come and go, but by a new reason", () => {
    const gate = new PullGate();
    gate.shut({ until: 100, expect: [a], extend: true });
    gate.shut({ until: 500, expect: [b], extend: false });
    expect(gate.until).toBe(100);
    gate.shut({ until: 500, expect: [b], extend: true });
    expect(gate.until).toBe(500);
  });
});

describe("who is gone", () => {
  const view = (status: MemberStatus, crashEvidence = false): ClusterView => ({
    clusterId: "c",
    localId: memberId(1),
    initialized: true,
    members: [
      {
        id: memberId(2),
        gossipAddress: "",
        rpcAddress: "",
        apiAddress: "",
        roles: [],
        status,
        joined: 1,
        redundancy: 0,
        crashEvidence,
      },
    ],
  });
  const reason = (absences: Absences, of: ClusterView, now: number) =>
    absences.of(of, now).get(memberId(2));

  test.each([
    ["alive", false, undefined],
    ["suspect", false, undefined],
    ["suspect", true, undefined],
    ["leaving", false, "gone_left"],
    ["left", false, "gone_left"],
    ["dead", true, "gone_dead_refused"],
    ["dead", false, undefined],
  ] as const)("%s with crash evidence %p is at once %p", (status, evidence, expected) => {
    expect(reason(new Absences(1000), view(status, evidence), 0)).toBe(expected);
  });

  test("a silent death counts at the very moment that was named, whatever the clock's fractions", () => {
    const time = fc.double({ min: 0, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(time, (since) => {
        const absences = new Absences(10_000);
        absences.of(view("dead", false), since);
        const at = absences.nextAt(since) ?? Number.NaN;
        expect(reason(absences, view("dead", false), at)).toBe("gone_dead_silent");
      }),
      { numRuns: 2_000 },
    );
  });

  test("silence counts when it is older than the delay, and starts anew", () => {
    const absences = new Absences(1000);
    expect(reason(absences, view("dead"), 50)).toBeUndefined();
    expect(absences.nextAt(50)).toBe(1050);
    expect(reason(absences, view("dead"), 1049)).toBeUndefined();
    expect(reason(absences, view("dead"), 1050)).toBe("gone_dead_silent");
    expect(reason(absences, view("alive"), 1060)).toBeUndefined();
    expect(reason(absences, view("dead"), 1070)).toBeUndefined();
  });

  test("refused connections count at once, until one comes up", () => {
    const absences = new Absences(1000);
    absences.setLink(memberId(2), "lost");
    expect(reason(absences, view("alive"), 0)).toBeUndefined();
    absences.setLink(memberId(2), "refused");
    expect(reason(absences, view("alive"), 0)).toBe("gone_refused");
    absences.setLink(memberId(2), "up");
    expect(reason(absences, view("alive"), 0)).toBeUndefined();
  });

  test("a connection that comes up to a member called dead proves the contrary", () => {
    const absences = new Absences(1000);
    expect(reason(absences, view("dead"), 0)).toBeUndefined();
    expect(reason(absences, view("dead"), 2000)).toBe("gone_dead_silent");
    absences.setLink(memberId(2), "up");
    expect(reason(absences, view("dead"), 2001)).toBeUndefined();
    expect(reason(absences, view("dead"), 9000)).toBeUndefined();
    absences.setLink(memberId(2), "lost");
    expect(reason(absences, view("dead"), 9001)).toBeUndefined();
    expect(reason(absences, view("dead"), 10_001)).toBe("gone_dead_silent");
  });

  test("who left and is connected again is there, whatever gossip still says", () => {
    const absences = new Absences(1000);
    absences.setLink(memberId(2), "up");
    expect(reason(absences, view("left"), 0)).toBe("gone_left");
    absences.setLink(memberId(2), "lost");
    expect(reason(absences, view("left"), 1)).toBe("gone_left");
    absences.setLink(memberId(2), "up");
    expect(reason(absences, view("left"), 2)).toBeUndefined();
    expect(reason(absences, view("alive"), 3)).toBeUndefined();
    expect(reason(absences, view("leaving"), 4)).toBe("gone_left");
    expect(reason(absences, view("left"), 5)).toBe("gone_left");
  });
});
