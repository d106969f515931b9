import { describe, expect, test } from "bun:test";
import { type FieldNeeds, NO_FIELDS } from "#engine/field-needs.ts";
import { Fork, type ForkTarget } from "#engine/fork.ts";
import { TestEngine } from "#test/support/engine.ts";
import { point } from "#test/support/points.ts";

class Target implements ForkTarget {
  readonly got: string[] = [];
  readonly dbrps = [{ db: "db", rp: "rp" }];
  readonly measurements: ReadonlySet<string>;
  readonly fields: FieldNeeds;

  constructor(measurements: readonly string[], fields: FieldNeeds = "all") {
    this.measurements = new Set(measurements);
    this.fields = fields;
  }

  fieldsOf(): FieldNeeds {
    return this.fields;
  }

  push({ series }: ReturnType<typeof point>): void {
    this.got.push(series.name);
  }
}

describe("the fork", () => {
  test.each([
    ["its measurement", ["m"], ["m"]],
    ["all measurements", [""], ["m", "n"]],
    ["measured and unmeasured from nodes: twice", ["m", ""], ["m", "m", "n"]],
    ["another measurement", ["x"], []],
  ])("gives a task %s", (_name, measurements, got) => {
    const fork = new Fork();
    const target = new Target(measurements);
    fork.add(target);
    fork.push(point("m", {}, { v: 1 }, 0));
    fork.push(point("n", {}, { v: 1 }, 0));
    expect(target.got).toEqual(got);
  });

  test("keeps the order of starting also between tasks of one measurement and of all", () => {
    const order: string[] = [];
    const named = (name: string, measurements: readonly string[]): Target => {
      const target = new Target(measurements);
      target.push = () => void order.push(name);
      return target;
    };
    const fork = new Fork();
    const all = named("all", [""]);
    for (const target of [named("a", ["m"]), all, named("b", ["n", "m"])]) fork.add(target);
    fork.push(point("m", {}, { v: 1 }, 0));
    expect(order.splice(0)).toEqual(["a", "all", "b"]);
    fork.remove(all);
    fork.push(point("m", {}, { v: 1 }, 0));
    fork.push(point("n", {}, { v: 1 }, 0));
    expect(order).toEqual(["a", "b", "b"]);
  });

  test("finds new tasks for series it has seen, and leaves out removed ones", () => {
    const fork = new Fork();
    const seen = point("m", {}, { v: 1 }, 0);
    fork.push(seen);
    const target = new Target(["m"]);
    fork.add(target);
    fork.push(seen);
    fork.remove(target);
    fork.push(seen);
    expect(target.got).toEqual(["m"]);
  });

  test("two forks do not take each other's routes", () => {
    const [one, two] = [new Fork(), new Fork()];
    const [a, b] = [new Target(["m"]), new Target(["m"])];
    one.add(a);
    two.add(b);
    const shared = point("m", {}, { v: 1 }, 0);
    one.push(shared);
    two.push(shared);
    expect([a.got, b.got]).toEqual([["m"], ["m"]]);
    one.close();
    two.close();
  });

  test.each<[string, readonly Target[], boolean | readonly string[]]>([
    ["nobody", [], false],
    ["one that wants all", [new Target(["m"]), new Target(["m"], new Set(["a"]))], true],
    ["two", [new Target(["m"], new Set(["a"])), new Target([""], new Set(["b"]))], ["a", "b"]],
    ["one that wants none", [new Target(["m"], NO_FIELDS)], []],
  ])("asks for the fields of %s", (_name, targets, wants) => {
    const fork = new Fork();
    targets.forEach((target) => fork.add(target));
    expect(fork.wants(point("m", {}, { v: 1 }, 0).series)).toEqual(wants);
  });
});

describe("fields that tasks need", () => {
  const shown = (script: string): boolean | readonly string[] => {
    const t = new TestEngine();
    const outcome = t.start("a", script);
    expect(outcome).toEqual({ kind: "started" });
    return t.engine.wantsOf(point("m", {}, { v: 1 }, 0).series);
  };

  test.each<[string, boolean | readonly string[]]>([
    ["stream|from()|window().period(1s)|mean('v')|eval(lambda: \"mean\" + 1.0).as('x')", ["v"]],
    ["stream|from().where(lambda: \"a\" > 1)|derivative('v')", ["v", "a"]],
    ["stream|from()|where(lambda: \"a\" > 1)|httpOut('x')", true],
    ['stream|from()|alert().crit(lambda: "a" > 1)', ["a"]],
    ["stream|from()|alert().crit(lambda: \"a\" > 1).topic('x')", true],
    ["stream|from()|alert().crit(lambda: \"a\" > 1).post('x')", true],
    ["stream|from()|alert().crit(lambda: \"a\" > 1).message('{{ .Fields }}')", true],
    ["stream|from()|eval(lambda: \"a\").as('b').keep('c')|httpOut('x')", ["c", "a"]],
    ["stream|from()|eval(lambda: \"a\").as('b').keep()|httpOut('x')", true],
    ["stream|from()|max('v')|httpOut('x')", true],
    [
      "var a = stream|from()\na|join(a).as('x', 'y')|eval(lambda: \"x.v\" + \"y.w\").as('z')|httpOut('o')",
      ["v", "w"],
    ],
    ["var a = stream|from()\na|join(a).as('x', 'y').fill(0)|sum('x.v')", true],
  ])("of %s are %p", (script, wants) => {
    expect(shown(script)).toEqual(wants);
  });
});
