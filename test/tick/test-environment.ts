/**
 * A small world for scripts: enough node types to show every rule of resolving methods and properties.
 * The specifications are for these tests alone; the real ones are the engine's.
 */

import type {
  NodeType,
  ObjectSpec,
  ParamType,
  PropertySpec,
  TickEnvironment,
} from "#tick/environment.ts";

const assignable = (name: string, type: ParamType, opens?: ObjectSpec): PropertySpec => ({
  name,
  params: [type],
  assignable: true,
  doc: "",
  ...(opens === undefined ? {} : { opens }),
});

const method = (name: string, params: readonly ParamType[], rest?: ParamType): PropertySpec => ({
  name,
  params,
  doc: "",
  ...(rest === undefined ? {} : { rest }),
});

type Shape = Pick<NodeType, "method" | "wants" | "provides"> & Partial<NodeType>;

function node(goName: string, shape: Shape): NodeType {
  return {
    desc: shape.method,
    goType: `*pipeline.${goName}Node`,
    params: [],
    doc: "",
    ...shape,
    ...{ properties: [method("quiet", []), ...(shape.properties ?? [])] },
  };
}

const POST_HANDLER: ObjectSpec = {
  goType: "*pipeline.AlertHTTPPostHandler",
  properties: [method("header", ["string", "string"]), assignable("endpoint", "string")],
};
const MQTT_HANDLER: ObjectSpec = {
  goType: "*pipeline.MQTTHandler",
  properties: [assignable("topic", "string")],
};

const TYPES: readonly NodeType[] = [
  node("Stream", {
    method: "stream",
    wants: "stream",
    provides: "stream",
    onlyChildren: ["from", "stats", "deadman"],
  }),
  node("Batch", { method: "batch", wants: "batch", provides: "batch", onlyChildren: ["query"] }),
  node("From", {
    method: "from",
    wants: "stream",
    provides: "stream",
    onlyParents: ["stream", "from"],
    properties: [
      assignable("measurement", "string"),
      assignable("database", "string"),
      assignable("truncate", "duration"),
      method("where", ["lambda"]),
      method("groupBy", [], "any"),
    ],
  }),
  node("Query", {
    method: "query",
    wants: "batch",
    provides: "batch",
    params: ["string"],
    onlyParents: ["batch"],
    properties: [assignable("period", "duration"), method("groupBy", [], "any")],
  }),
  node("Window", {
    method: "window",
    wants: "stream",
    provides: "batch",
    properties: [
      assignable("period", "duration"),
      assignable("periodCount", "int"),
      method("align", []),
    ],
    validate({ calls }) {
      const named = (name: string): boolean => calls.some((call) => call.name === name);
      if (named("period") && named("periodCount")) {
        throw new Error("cannot specify both period and periodCount");
      }
    },
  }),
  node("GroupBy", { method: "groupBy", wants: "either", provides: "same", rest: "any" }),
  node("Where", { method: "where", wants: "either", provides: "same", params: ["lambda"] }),
  node("Eval", {
    method: "eval",
    wants: "either",
    provides: "same",
    rest: "lambda",
    properties: [method("as", [], "string"), method("keep", [], "string")],
  }),
  node("Join", {
    method: "join",
    wants: "either",
    provides: "same",
    rest: "node",
    joinsArguments: true,
    properties: [method("as", [], "string")],
  }),
  node("Stats", {
    method: "stats",
    wants: "either",
    provides: "stream",
    params: ["duration"],
    observesParent: true,
    properties: [method("align", [])],
  }),
  node("NoOp", { method: "noop", wants: "either", provides: "same", hidden: true }),
  node("Derivative", {
    method: "derivative",
    wants: "either",
    provides: "same",
    params: ["string"],
  }),
  node("Alert", {
    method: "alert",
    wants: "either",
    provides: "same",
    properties: [
      assignable("crit", "lambda"),
      assignable("topic", "string"),
      assignable("history", "int"),
      assignable("pattern", "regex"),
      method("flapping", ["float", "float"]),
      method("stateChangesOnly", [], "duration"),
      { ...method("post", [], "string"), opens: POST_HANDLER },
      { ...method("mqtt", ["string"]), opens: MQTT_HANDLER },
    ],
  }),
  node("HTTPOut", {
    method: "httpOut",
    desc: "http_out",
    wants: "either",
    provides: "same",
    params: ["string"],
  }),
  node("InfluxDBOut", {
    method: "influxDBOut",
    desc: "influxdb_out",
    wants: "either",
    provides: "none",
  }),
  node("Alert", {
    method: "deadman",
    wants: "either",
    provides: "same",
    params: ["float", "duration"],
    rest: "lambda",
    expand({ parent, args, add }) {
      const interval = args[1] ?? { kind: "duration", value: 0 };
      const position = { line: 0, char: 0 };
      const align = { name: "align", args: [], calls: [], position };
      const stats = add("stats", parent, [interval], [align]);
      const rate = add("derivative", stats, [{ kind: "string", value: "emitted" }], []);
      return add("alert", rate, [], []);
    },
  }),
];

const UDF = node("UDF", {
  method: "f",
  wants: "stream",
  provides: "stream",
  properties: [method("opt", ["int"])],
});

export const TEST_ENVIRONMENT: TickEnvironment = {
  nodes: new Map(TYPES.map((type) => [type.method, type])),
  dynamic: new Map([["f", { ...UDF, desc: "f" }]]),
};
