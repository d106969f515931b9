import { describe, expect, test } from "bun:test";
import { TickError } from "#tick/diagnostic.ts";
import type { NodeDefinition, ScriptResult, TaskType, TickValue } from "#tick/environment.ts";
import { evaluateScript, inferTaskType, vetScript } from "#tick/evaluate.ts";
import { formatExpression, formatScript } from "#tick/format.ts";
import { compileLambda } from "#tick/lambda/lambda.ts";
import { varsFromJson } from "#tick/vars.ts";
import errors from "../golden/tick/script-errors.json";
import scripts from "../golden/tick/scripts.json";
import { makePoint, SERVICES } from "./lambda-support.ts";
import { TEST_ENVIRONMENT } from "./test-environment.ts";

const evaluate = (
  script: string,
  more: { vars?: unknown; type?: string; template?: boolean } = {},
): ScriptResult =>
  evaluateScript(script, {
    environment: TEST_ENVIRONMENT,
    ...(more.vars === undefined ? {} : { vars: varsFromJson(more.vars) }),
    ...(more.type === undefined ? {} : { type: more.type as TaskType }),
    ...(more.template === undefined ? {} : { template: more.template }),
  });

const shape = (node: NodeDefinition): string => {
  const parents = node.parents.map(({ name }) => name).join("+");
  return `${parents === "" ? "" : `${parents} -> `}${node.name}`;
};

const plain = (value: TickValue): unknown => {
  switch (value.kind) {
    case "lambda":
      return formatExpression(value.value);
    case "list":
      return value.value.map(plain);
    case "node":
      return value.value.name;
    case "timeDimension":
      return `time(${value.interval}, ${value.offset})`;
    case "star":
      return "*";
    default:
      return value.value;
  }
};

/** `name(args)` of each call on a node, nested calls in braces. */
const calls = (node: Pick<NodeDefinition, "calls"> | undefined): string =>
  (node?.calls ?? [])
    .map((call) => {
      const inner = calls(call);
      const args = call.args.map((arg) => JSON.stringify(plain(arg))).join(",");
      return `${call.name}(${args})${inner === "" ? "" : `{${inner}}`}`;
    })
    .join(" ");

const last = (result: ScriptResult): NodeDefinition | undefined => result.nodes.at(-1);

describe("errors of scripts", () => {
  test.each(errors)("are exact: $name", (row) => {
    let error: unknown;
    try {
      evaluate(row.script, row);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TickError);
    if (!(error instanceof TickError)) return;
    expect(error.message).toBe(row.error);
    expect({ line: error.line, char: error.char }).toEqual({ line: row.line, char: row.char });
    if (row.hint !== undefined) expect(error.hint).toBe(row.hint);
  });
});

describe("pipelines", () => {
  test("the source is 0 and each link takes the next number", () => {
    const { type, nodes } = evaluate("stream|from()|window()|httpOut('top')");
    expect(type).toBe("stream");
    expect(nodes.map(shape)).toEqual([
      "stream0",
      "stream0 -> from1",
      "from1 -> window2",
      "window2 -> http_out3",
    ]);
  });

  test("join takes a number per parent and keeps the last", () => {
    const { nodes } = evaluate(
      "var a = stream|from()\nvar b = stream|from()\na|join(b, a)|window()",
    );
    expect(nodes.map(shape).slice(3)).toEqual(["from1+from2+from1 -> join5", "join5 -> window6"]);
  });

  test("stats of a childless node adds a hidden noop after itself", () => {
    const { nodes } = evaluate("stream|from()|stats(1s)|window()");
    expect(nodes.map(shape).slice(2)).toEqual([
      "from1 -> stats2",
      "from1 -> noop3",
      "stats2 -> window4",
    ]);
  });

  test("stats of a node with children adds nothing", () => {
    const { nodes } = evaluate("var f = stream|from()\nf|window()\nf|stats(1s)");
    expect(nodes.map(shape).slice(2)).toEqual(["from1 -> window2", "from1 -> stats3"]);
  });

  test("deadman becomes several nodes and chains on from the last", () => {
    const { nodes } = evaluate("stream|from()|deadman(1.0, 10s).topic('t')|httpOut('x')");
    expect(nodes.map(({ name }) => name)).toEqual([
      ...["stream0", "from1", "stats2", "noop3", "derivative4", "alert5", "http_out6"],
    ]);
    expect(calls(nodes[5])).toBe('topic("t")');
    expect(calls(nodes[2])).toBe("align()");
  });

  test("UDFs are nodes with the program's name", () => {
    const { nodes } = evaluate("stream|from()@f().opt(5)|window()");
    expect(nodes.map(shape).slice(2)).toEqual(["from1 -> f2", "f2 -> window3"]);
    expect(calls(nodes[2])).toBe("opt(5)");
  });

  test("the first letter's case is free", () => {
    const { nodes } = evaluate("stream|From().Measurement('cpu')");
    expect(calls(nodes[1])).toBe('measurement("cpu")');
  });

  test("calls have their positions", () => {
    const [, from] = evaluate(
      "stream\n    |from()\n        .measurement('é').where(lambda: TRUE)",
    ).nodes;
    expect(from?.position).toEqual({ line: 2, char: 6 });
    expect(from?.calls[1]?.position).toEqual({ line: 3, char: 28 });
  });

  test.each([
    [
      'dbrp "a"."b"\ndbrp "c\\""."d"\nstream|from()',
      [
        { db: "a", rp: "b" },
        { db: 'c"', rp: "d" },
      ],
    ],
    ["stream|from()", []],
  ])("dbrps of %s", (script, dbrps) => {
    expect(evaluate(script).dbrps).toEqual(dbrps);
  });

  test.each([
    ["stream|from()", "stream"],
    ["var x = batch|query('a')", "batch"],
    ["stream|from()\nbatch|query('a')", undefined],
    ["var x = stream", undefined],
    ["5", undefined],
  ] as const)("type of %s", (script, type) => {
    expect(inferTaskType(script)).toBe(type);
  });
});

describe("arguments", () => {
  test.each([
    ["stream|from().groupBy('a', *)", 'groupBy("a","*")'],
    ["stream|from().groupBy(['a', 'b'])", 'groupBy("a","b")'],
    ["var t = 'b' var l = ['a', t, *] stream|from().groupBy(l)", 'groupBy("a","b","*")'],
    ["stream|from().groupBy(['a'], 'b')", 'groupBy(["a"],"b")'],
    ["stream|from().groupBy(time(1m))", 'groupBy("time(60000000000, 0)")'],
    ["stream|from().groupBy(time(1m, -5s))", 'groupBy("time(60000000000, -5000000000)")'],
    ["var d = time(1m) stream|from().groupBy(d, 'x')", 'groupBy("time(60000000000, 0)","x")'],
    ["stream|from().groupBy(1, 2.5, TRUE)", "groupBy(1,2.5,true)"],
    ["stream|from().truncate(2 * 1m)", "truncate(120000000000)"],
    ["var m = 'c' + 'pu' stream|from().measurement(m + '_x')", 'measurement("cpu_x")'],
    ["var x = 1 + int(5.0) stream|from().groupBy(x)", "groupBy(6)"],
    ["var x = int(5.0) stream|from()", ""],
    [
      "var a = -5 var b = -a stream|from().groupBy(-a, b, -1.5, -1m, !TRUE)",
      "groupBy(5,5,-1.5,-60000000000,false)",
    ],
    [
      "var f = stream|from().measurement('m') var n = f.measurement f.groupBy(n, f.database)",
      'measurement("m") groupBy("m","")',
    ],
    ["1 + 2 'abc' stream|from()", ""],
    ["var a = 9223372036854775807 stream|from().groupBy(a + 1)", 'groupBy("min")'],
  ])("%s", (script, expected) => {
    const [, from] = evaluate(script).nodes;
    const min = (value: unknown): unknown => (value === -9223372036854775808n ? "min" : value);
    const shown = from?.calls.map((call) => ({
      ...call,
      args: call.args.map(
        (arg) => ({ kind: "string", value: String(min(plain(arg))) }) as TickValue,
      ),
    }));
    const exact = from?.calls.some(({ args }) =>
      args.some((arg) => typeof plain(arg) === "bigint"),
    );
    expect(exact === true ? calls({ calls: shown ?? [] }) : calls(from)).toBe(expected);
  });
});

describe("handler objects", () => {
  test.each([
    [
      "alert().post('u').header('a', 'b').header('c', 'd')",
      'post("u"){header("a","b") header("c","d")}',
    ],
    [
      "alert().post().endpoint('e').crit(lambda: TRUE).header('a', 'b')",
      'post(){endpoint("e") header("a","b")} crit("TRUE")',
    ],
    ["alert().mqtt('a').topic('b').topic('c')", 'mqtt("a"){topic("b") topic("c")}'],
    ["alert().post('u').topic('b')", 'post("u") topic("b")'],
    ["alert().post('u').mqtt('m').topic('t')", 'post("u") mqtt("m"){topic("t")}'],
    ["alert().mqtt('m').stateChangesOnly().topic('t')", 'mqtt("m") stateChangesOnly() topic("t")'],
  ])("%s", (chain, expected) => {
    expect(calls(last(evaluate(`stream|from()|${chain}`)))).toBe(expected);
  });

  test("are nodes for what is chained to them", () => {
    const { nodes } = evaluate(
      "var a = stream|from()|alert().post('u')\na|httpOut('x')\nstream|from()|join(a)",
    );
    expect(nodes.map(shape).slice(3)).toEqual([
      "alert2 -> http_out3",
      "stream0 -> from4",
      "from4+alert2 -> join6",
    ]);
  });
});

describe("lambdas", () => {
  const lambdaOf = (script: string): string => {
    const value = evaluate(script).nodes[1]?.calls.at(-1)?.args[0];
    return value?.kind === "lambda" ? formatExpression(value.value) : "none";
  };

  test.each([
    ['var t = 5 stream|from().where(lambda: "a" > t)', '"a" > 5'],
    ['var t = -5m stream|from().where(lambda: "a" > t)', '"a" > -5m'],
    ['var r = /x/ stream|from().where(lambda: "a" =~ r)', '"a" =~ /x/'],
    ['var l = lambda: "a" > 1 stream|from().where(l)', '"a" > 1'],
    [
      'var l = lambda: "a" > 1 stream|from().where(lambda: l AND "b" < 2)',
      'lambda: "a" > 1 AND "b" < 2',
    ],
    ["var s = 'x' stream|from().where(lambda: strLength(s) == 1)", "strLength('x') == 1"],
  ])("%s", (script, expected) => {
    expect(lambdaOf(script)).toBe(expected);
  });

  test("a nested lambda counts on its own, also when it is named twice", () => {
    const script =
      "var c = lambda: count() stream|from().where(lambda: c + c * 10 + count() * 100 > 0)";
    const value = evaluate(script).nodes[1]?.calls[0]?.args[0];
    if (value?.kind !== "lambda" || value.value.kind !== "binary") throw new Error("no lambda");
    const lambda = compileLambda(value.value.left);
    const state = lambda.newState(SERVICES);
    const point = makePoint({}, {});
    expect([1, 2].map(() => lambda.evaluate(point, state))).toEqual([111, 222]);
    expect(lambda.evaluate(point, state.forGroup())).toBe(133);
  });

  test("doubling lambda vars are stopped", () => {
    const lines = ["var v0 = lambda: 1 + 1"];
    for (let i = 1; i <= 60; i++) lines.push(`var v${i} = lambda: v${i - 1} + v${i - 1}`);
    const start = performance.now();
    expect(() => evaluate(`${lines.join("\n")}\nstream|from()`)).toThrow(
      "lambda vars expand to more than",
    );
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

describe("vars", () => {
  const script = [
    "// The measurement.",
    "//  Indented.",
    "var m = 'cpu'",
    "var limit float",
    "",
    "// not this",
    "",
    "// Wait",
    "var d = 1m // after",
    "var data = stream|from().measurement(m).groupBy(limit, d)",
  ].join("\n");

  test("have types, defaults and descriptions; nodes are none", () => {
    const { vars } = evaluate(script, { template: true });
    expect([...vars]).toEqual([
      [
        "m",
        {
          type: "string",
          value: { kind: "string", value: "cpu" },
          description: "The measurement.\n Indented.",
        },
      ],
      ["limit", { type: "float", value: undefined, description: "" }],
      ["d", { type: "duration", value: { kind: "duration", value: 60e9 }, description: "Wait" }],
    ]);
  });

  test("supplied values override defaults", () => {
    const vars = {
      m: { type: "string", value: "mem" },
      limit: { type: "float", value: 2 },
      other: { type: "int", value: 1 },
    };
    const { nodes } = evaluate(script, { vars });
    expect(calls(nodes[1])).toBe('measurement("mem") groupBy(2,60000000000)');
  });

  test("a supplied lambda may name earlier vars, and nothing else", () => {
    const text = "var t = 5 var l lambda stream|from().where(l)";
    const vars = (value: string) => ({ vars: { l: { type: "lambda", value } } });
    expect(calls(evaluate(text, vars('"a" > t')).nodes[1])).toBe('where("\\"a\\" > 5")');
    expect(() => evaluate(text, vars("nope > 1"))).toThrow('name "nope" is undefined');
  });

  test("a template gets zero values", () => {
    expect(calls(evaluate(script, { template: true }).nodes[1])).toContain("groupBy(0,");
  });

  test.each(["int", "float", "bool", "string", "regex", "duration", "lambda", "list", "star"])(
    "a template may leave a %s open",
    (type) => {
      const { vars } = evaluate(`var x ${type} stream|from()`, { template: true });
      expect(vars.get("x")).toEqual({ type, value: undefined, description: "" } as never);
    },
  );

  test("a template may do nothing yet", () => {
    expect(evaluate("var x = 1 stream", { template: true, type: "stream" }).nodes).toHaveLength(1);
  });
});

describe("whole scripts", () => {
  test.each(scripts.map((script) => [script.split("\n")[0], script]))("%s", (_name, script) => {
    const result = evaluate(script, { template: true });
    expect(result.nodes.length).toBeGreaterThan(2);
    const formatted = evaluate(formatScript(script), { template: true });
    expect(formatted.nodes.map(shape)).toEqual(result.nodes.map(shape));
    expect(formatted.nodes.map(calls)).toEqual(result.nodes.map(calls));
    expect([...formatted.vars.keys()]).toEqual([...result.vars.keys()]);
  });
});

describe("vetScript", () => {
  const vet = (script: string) => vetScript(script, { environment: TEST_ENVIRONMENT });

  test("goes on inside a chain: wrong quotes, a wrong operator and an unknown property are all told", () => {
    const script = `stream
    |from()
        .measurement("cpu")
        .window()
        .perod(10s)
        .period(5)
    |alert()
        .crt(lambda: TRUE)`;
    expect(
      vet(script).map(({ line, message }) => [line, message.replace(/^line .*?: /, "")]),
    ).toEqual([
      [3, expect.stringContaining("did you use double quotes instead of single quotes?")],
      [4, expect.stringContaining('no property method "window"')],
      [5, 'no method or property "perod" on *pipeline.WindowNode'],
      [6, expect.stringContaining("value of type int64 is not assignable to type time.Duration")],
      [8, 'no method or property "crt" on *pipeline.AlertNode'],
    ]);
  });

  test("is silent about a good script", () => {
    expect(vet("stream|from()")).toEqual([]);
  });

  test("reports every statement that fails, not what depends on them", () => {
    const found = vet("var a = y\nvar b = a|window()\nvar c = 1 + 'x'\nstream|from().foo()");
    expect(found.map(({ line }) => line)).toEqual([1, 3, 4]);
  });

  test("reports syntax errors alone", () => {
    expect(vet("var = 5\nstream|from().foo()").map(({ line }) => line)).toEqual([1]);
  });

  test.each(["", "5", `var x = ${"(".repeat(10_000)}`])("survives %p", (script) => {
    expect(vet(script).length).toBe(1);
  });
});
