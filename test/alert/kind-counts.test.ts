import { expect, test } from "bun:test";
import { KindCounts } from "#alert/kind-counts.ts";
import { KIND_COUNTS_MAX } from "#alert/limits.ts";

test("counts per name and tags, up to a number of series", () => {
  const counts = new KindCounts();
  for (let i = 0; i <= KIND_COUNTS_MAX; i++) counts.add("kafka", { topic: `t${i}` }, "sent");
  counts.add("kafka", { topic: "t0" }, "sent");
  counts.add("kafka", { topic: "t0" }, "failed");
  const all = counts.all();
  expect(all).toHaveLength(KIND_COUNTS_MAX);
  expect(all[0]).toEqual({
    name: "kafka",
    tags: { topic: "t0" },
    values: { sent: 2, failed: 1 },
  });
});
