/** A write whose alert could not be made safe is not acknowledged. */

import { expect, test } from "bun:test";
import { TestEngine } from "#test/support/engine.ts";

const SCRIPT = `stream|from().measurement('m')|alert().crit(lambda: "v" > 1.0).topic('t')`;

test.each([
  ["m v=2 1", "rejected"],
  ["m v=0 1", "written"],
])("the write of %p is %s when events cannot be stored", async (line, expected) => {
  const probe = new TestEngine();
  probe.alerts.settled = () => Promise.reject(new Error("disk full"));
  probe.start("t", SCRIPT);
  const pending = probe.write(line).then(
    ({ kind }) => kind,
    () => "rejected",
  );
  probe.clock.advance(10);
  expect(await pending).toBe(expected as never);
});
