/** An event with every field set, for tests of what carries events. */

import type { AlertEvent } from "#alert/event.ts";

export const sampleAlert: AlertEvent = {
  topic: "t",
  id: "cpu:host=a",
  message: "m",
  details: "<b>d</b>",
  time: { ms: 1_500_000_000_123, ns: 456_789 },
  duration: 5_000_000_000,
  level: 3,
  name: "cpu",
  taskName: "task",
  category: "system",
  group: "host=a",
  tags: { host: "a" },
  fields: { value: 1.5, count: 9223372036854775807n, ok: true, text: "x" },
  recoverable: true,
  series: [
    {
      name: "cpu",
      tags: { host: "a" },
      columns: ["time", "value"],
      values: [["2017-07-14T02:40:00.123456789Z", 1.5]],
    },
  ],
  hops: 2,
};
