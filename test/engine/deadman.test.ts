import { describe, expect, test } from "bun:test";
import { makeTickEnvironment } from "#engine/tick-environment.ts";
import { evaluateScript } from "#tick/evaluate.ts";

const TEXTS = { id: "NODE_NAME", message: "INTERVAL" };

function names(global: boolean, script: string): readonly string[] {
  const environment = makeTickEnvironment({ handlers: [], deadman: { ...TEXTS, global } });
  return evaluateScript(script, { environment }).nodes.map(({ name }) => name);
}

describe("a global deadman", () => {
  test("watches the source of a stream task, behind the script's own nodes", () => {
    expect(names(true, "stream|from()|log()")).toEqual([
      "stream0",
      "from1",
      "log2",
      "stats3",
      "derivative4",
      "alert5",
    ]);
  });

  test("is not there when the configuration does not ask for it", () => {
    expect(names(false, "stream|from()|log()")).toEqual(["stream0", "from1", "log2"]);
  });

  test.each([
    [{ threshold: 2, interval: 30_000_000_000 }, "30s"],
    [{}, "10s"],
  ])("takes threshold and interval from %p", (given, interval) => {
    const deadman = { ...TEXTS, global: true, ...given };
    const environment = makeTickEnvironment({ handlers: [], deadman });
    const { nodes } = evaluateScript("stream|from()|log()", { environment });
    const alert = nodes.at(-1);
    const said = alert?.calls.find(({ name }) => name === "message")?.args[0];
    expect(said).toEqual({ kind: "string", value: interval });
    const threshold = "threshold" in given ? given.threshold : 0;
    expect(JSON.stringify(alert?.calls)).toContain(`"kind":"float","value":${threshold}`);
  });
});
