/** The data all template cases are rendered with. */

import { GoDuration, GoFloat, GoStruct, GoTime, stringMap } from "#template/values.ts";

export const EVENT = new GoStruct("kapacitor.detailsInfo", {
  Name: "cpu",
  TaskName: "cpu_alert",
  Group: "host=a",
  Tags: stringMap({ host: "a", dc: "x" }),
  ServerInfo: new GoStruct("kapacitor.serverInfo", {
    Hostname: "box",
    ClusterID: "c1",
    ServerID: "s1",
  }),
  ID: "cpu:host=a",
  Fields: {
    value: new GoFloat(95.5),
    whole: new GoFloat(1e6),
    tiny: new GoFloat(1e-7),
    inf: new GoFloat(Number.POSITIVE_INFINITY),
    nan: new GoFloat(Number.NaN),
    count: 3,
    big: 9223372036854775807n,
    up: true,
    text: "x<y",
    umlaut: "ü",
    nothing: null,
    list: [1, "two", 3.5],
    empty: [],
    table: [
      [1, 2],
      [3, 4],
    ],
    nested: { a: { b: 1 } },
    later: new GoTime({ ms: 1_600_000_000_500, ns: 0 }),
    zero: new GoDuration(0),
    micro: new GoDuration(1_500),
    evil: `"><script>alert('1')</script>`,
    link: "https://example.com/a b?c=d&e",
    script: "javascript:alert(1)",
    quote: `it's "q"`,
  },
  Level: "CRITICAL",
  Time: new GoTime({ ms: 1_600_000_000_000, ns: 0 }),
  Duration: new GoDuration(85_000_000_000),
  Message: "cpu is CRITICAL",
});
