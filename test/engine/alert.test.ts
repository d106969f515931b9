import { describe, expect, test } from "bun:test";
import type { EventState } from "#alert/event.ts";
import { TestEngine } from "#test/support/engine.ts";

const SCRIPT = (more: string) =>
  `stream|from().groupBy('h')|alert().crit(lambda: "v" > 1.0).stateChangesOnly()${more}`;

function state(id: string, level: EventState["level"], seconds: number): EventState {
  return { id, level, message: "", details: "", time: { ms: seconds * 1000, ns: 0 }, duration: 0 };
}

describe("an alert node", () => {
  test("takes up the state of its anonymous topic: a lasting condition stays quiet", async () => {
    const t = new TestEngine();
    t.alerts.states.set("main:a:alert2\nm:h=x", state("m:h=x", 3, 10));
    t.start("a", SCRIPT(".post('u')"));
    await t.write("m,h=x v=2 20000000000\nm,h=x v=0 30000000000\n");
    expect(t.alerts.events.map(({ level, duration }) => [level, duration])).toEqual([
      [0, 20_000_000_000],
    ]);
  });

  test("prefers the anonymous topic's state to the named one's", async () => {
    const t = new TestEngine();
    t.alerts.states.set("main:a:alert2\nm:h=x", state("m:h=x", 0, 10));
    t.alerts.states.set("named\nm:h=x", state("m:h=x", 3, 10));
    t.start("a", SCRIPT(".post('u').topic('named')"));
    await t.write("m,h=x v=2 20000000000\n");
    expect(t.alerts.events.map(({ topic }) => topic)).toEqual(["main:a:alert2", "named"]);
  });

  test("tells members of the cluster about named topics only", async () => {
    const t = new TestEngine();
    t.start("a", SCRIPT(".post('u').topic('named')"));
    await t.write("m,h=x v=2 20000000000\n");
    expect(t.alerts.scopes).toEqual(["local", "cluster"]);
  });

  test("hands its inline handlers over with their own calls, and takes its own back out", () => {
    const t = new TestEngine();
    t.start("a", SCRIPT(".post('u').header('k', 'v').id('x').post('w')"));
    const handlers = t.alerts.inline.get("main:a:alert2") ?? [];
    expect(handlers.map(({ name, args, calls }) => [name, args.length, calls.length])).toEqual([
      ["post", 1, 1],
      ["post", 1, 0],
    ]);
  });

  test("tells global handlers without naming any, with all fields of the point", async () => {
    const t = new TestEngine();
    t.alerts.global = { kinds: ["slack"], stateChangesOnly: false };
    t.start("a", SCRIPT(""));
    await t.write("m,h=x v=2,w=3 20000000000\n");
    expect([...t.alerts.inline.keys()]).toEqual(["main:a:alert2"]);
    expect(t.alerts.events.map(({ topic, fields }) => [topic, fields])).toEqual([
      ["main:a:alert2", { v: 2, w: 3 }],
    ]);
  });

  test.each([
    [true, 1],
    [false, 2],
  ])("reports changes only when the configuration says so for all: %p", async (only, events) => {
    const t = new TestEngine();
    t.alerts.global = { kinds: [], stateChangesOnly: only };
    t.start("a", "stream|from()|alert().crit(lambda: TRUE).topic('x')");
    await t.write("m v=2 1\nm v=2 2\n");
    expect(t.alerts.events.length).toBe(events);
  });

  test("tells the types of fields, so that a whole float is told from an int", async () => {
    const t = new TestEngine();
    t.start("a", "stream|from()|alert().crit(lambda: TRUE).topic('x')");
    await t.write('m f=2,i=2i,s="x" 1\n');
    expect(t.alerts.events[0]?.fieldTypes).toEqual({ f: "float", i: "int", s: "string" });
  });

  test.each([
    ["both differ: the named one follows", 0, 3, 0, 0],
    ["only the named one is known: the anonymous one follows", undefined, 3, 3, 3],
    ["only the anonymous one is known: the named one stays unknown", 3, undefined, 3, undefined],
  ] as const)("makes its two topics agree when a group is first seen: %s", async (...row) => {
    const [, own, named, ownAfter, namedAfter] = row;
    const t = new TestEngine();
    if (own !== undefined) t.alerts.states.set("main:a:alert2\nm:h=x", state("m:h=x", own, 10));
    if (named !== undefined) t.alerts.states.set("named\nm:h=x", state("m:h=x", named, 10));
    const script = SCRIPT(".post('u').topic('named')").replace("> 1.0", "> 1000.0");
    t.start("a", script.replace("stateChangesOnly()", "stateChangesOnly().noRecoveries()"));
    await t.write("m,h=x v=2 20000000000\n");
    expect(t.alerts.states.get("main:a:alert2\nm:h=x")?.level).toBe(ownAfter);
    expect(t.alerts.states.get("named\nm:h=x")?.level).toBe(namedAfter);
  });

  test("uses the local time zone in its expressions", async () => {
    const t = new TestEngine({ zoneOffsetMs: () => 3_600_000 });
    t.start(
      "a",
      'stream|from()|alert().crit(lambda: hour("time") == 1).topic("x")'.replaceAll('"x"', "'x'"),
    );
    await t.write("m v=1 0\n");
    expect(t.alerts.events.map(({ level }) => level)).toEqual([3]);
  });

  test("closes its anonymous topic when the task stops", async () => {
    const t = new TestEngine();
    t.start("a", SCRIPT(".post('u')"));
    await t.engine.stop("a");
    expect([...t.alerts.inline.keys()]).toEqual([]);
  });

  test("refuses a broken template", () => {
    const t = new TestEngine();
    expect(t.start("a", SCRIPT(".id('{{ .Name')")).kind).toBe("refused");
  });

  test("counts an event whose template fails as dropped", async () => {
    const t = new TestEngine();
    t.start("a", SCRIPT(".message('{{ .Nope }}').topic('x')"));
    await t.write("m,h=x v=2 1\n");
    expect(t.alerts.events).toEqual([]);
    expect(t.engine.stats("a")?.nodeStats["alert2"]).toMatchObject({
      events_dropped: 1,
      errors: 1,
    });
  });

  test("puts everything into the event", async () => {
    const t = new TestEngine();
    t.start("a", `${SCRIPT(".topic('x').category('c')")}`);
    await t.write("m,h=x,k=y v=2,i=3i 1000000000\n");
    expect(t.alerts.events).toEqual([
      {
        topic: "x",
        id: "m:h=x",
        message: "m:h=x is CRITICAL",
        details: expect.stringContaining("&#34;Name&#34;:&#34;m&#34;") as unknown as string,
        time: { ms: 1000, ns: 0 },
        duration: 0,
        level: 3,
        name: "m",
        taskName: "a",
        category: "c",
        group: "h=x",
        tags: { h: "x", k: "y" },
        fields: { v: 2, i: 3 },
        fieldTypes: { v: "float", i: "int" },
        recoverable: true,
        series: [
          {
            name: "m",
            tags: { h: "x", k: "y" },
            columns: ["time", "i", "v"],
            values: [["1970-01-01T00:00:01Z", 3, 2]],
          },
        ],
        hops: 0,
      },
    ]);
  });

  test("renders the ID for each series when it shows tags that are not grouped by", async () => {
    const t = new TestEngine();
    t.start(
      "a",
      "stream|from()|alert().crit(lambda: TRUE).id('{{ index .Tags \"h\" }}').topic('x')",
    );
    await t.write("m,h=a v=1 1\nm,h=b v=1 2\nm,h=a v=1 3\n");
    expect(t.alerts.events.map(({ id }) => id)).toEqual(["a", "b", "a"]);
  });
});
