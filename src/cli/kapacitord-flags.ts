/** The flags of the daemon's commands, for its parser, its help and shell completions. Source: cli §8. */

import type { FlagSpec } from "./go-args.ts";

const CONFIG_FLAG: FlagSpec = {
  name: "config",
  kind: "text",
  value: "path",
  doc: "configuration file; /dev/null for the compiled defaults",
};
const HOSTNAME_FLAG: FlagSpec = {
  name: "hostname",
  kind: "text",
  value: "name",
  doc: "overrides hostname",
};

export const RUN_FLAGS: readonly FlagSpec[] = [
  CONFIG_FLAG,
  HOSTNAME_FLAG,
  { name: "pidfile", kind: "text", value: "path", doc: "write the process number to this file" },
  { name: "log-file", kind: "text", value: "path", doc: "overrides file of [logging]" },
  { name: "log-level", kind: "text", value: "level", doc: "overrides level of [logging]" },
  {
    name: "blacklist-cidrs",
    kind: "text",
    value: "list",
    doc: "refuse outgoing HTTP to these ranges, comma separated; private = all private ranges",
  },
  {
    name: "disable-handlers",
    kind: "text",
    value: "list",
    doc: "refuse these kinds of alert handlers, comma separated",
  },
  { name: "cpuprofile", kind: "text", value: "path", doc: "", hidden: true },
  { name: "memprofile", kind: "text", value: "path", doc: "", hidden: true },
];

export const CONFIG_FLAGS: readonly FlagSpec[] = [CONFIG_FLAG, HOSTNAME_FLAG];

export const UNIT_FLAGS: readonly FlagSpec[] = [
  {
    name: "config",
    kind: "text",
    value: "path",
    doc: "configuration file (default /etc/kapacitor/kapacitor.conf)",
  },
  { name: "user", kind: "text", value: "name", doc: "who runs it (default kapacitor)" },
];
