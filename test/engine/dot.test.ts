import { describe, expect, test } from "bun:test";
import { dotOfScript } from "#engine/dot.ts";
import { TestEngine } from "#test/support/engine.ts";
import { evaluateScript } from "#tick/evaluate.ts";

const SCRIPT = "stream\n|from().measurement('m')\n|window().period(1s).every(1s)\n|count('v')";

describe("the DOT form", () => {
  test("of a script that does not run has edges only", () => {
    const { environment } = new TestEngine();
    const { nodes } = evaluateScript(SCRIPT, { environment });
    expect(dotOfScript("t1", nodes)).toBe(
      "digraph t1 {\nstream0 -> from1;\nfrom1 -> window2;\nwindow2 -> count3;\n}",
    );
  });

  test("of a running task has attributes sorted by name", async () => {
    const t = new TestEngine();
    t.start("t1", SCRIPT);
    await t.write("m v=1 0\nm v=1 500000000\nm v=1 1000000000\n");
    t.clock.advance(2_000);
    expect(t.engine.dot("t1", "attributes")).toBe(
      'digraph t1 {\ngraph [throughput="1.50 points/s"];\n\n' +
        'stream0 [avg_exec_time_ns="0s" errors="0" working_cardinality="0" ];\n' +
        'stream0 -> from1 [processed="3"];\n\n' +
        'from1 [avg_exec_time_ns="0s" errors="0" working_cardinality="0" ];\n' +
        'from1 -> window2 [processed="3"];\n\n' +
        'window2 [avg_exec_time_ns="0s" errors="0" working_cardinality="1" ];\n' +
        'window2 -> count3 [processed="1"];\n\n' +
        'count3 [avg_exec_time_ns="0s" errors="0" working_cardinality="1" ];\n}',
    );
  });

  test("with labels puts everything into one text", () => {
    const t = new TestEngine();
    t.start("t1", "stream|from()");
    expect(t.engine.dot("t1", "labels")).toBe(
      'digraph t1 {\ngraph [label="Throughput: 0.00 points/s" forcelabels=true pad="0.8,0.5"];\n\n' +
        'stream0 [xlabel="avg_exec_time_ns=0s\\rerrors=0\\rworking_cardinality=0"];\n' +
        'stream0 -> from1 [label="processed=0"];\n\n' +
        'from1 [xlabel="avg_exec_time_ns=0s\\rerrors=0\\rworking_cardinality=0"];\n}',
    );
  });

  test("of an unknown task is nothing", () => {
    expect(new TestEngine().engine.dot("x", "labels")).toBeUndefined();
  });
});
