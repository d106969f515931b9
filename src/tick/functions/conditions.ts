/** Presence and choice. Both branches of `if` are evaluated before it chooses. */

import type { LambdaType } from "../lambda/value.ts";
import { type FunctionSpec, type Signature, signature } from "./spec.ts";

export const conditionFunctions: readonly FunctionSpec[] = [
  {
    name: "isPresent",
    doc: "TRUE unless the field or tag is missing on the point. The only function that takes a missing value.",
    examples: [
      { expression: 'isPresent("nowhere")', result: "false" },
      { expression: "isPresent(1)", result: "true" },
    ],
    mayFail: false,
    pure: true,
    signatures: [
      signature(["missing"], "boolean", () => false),
      signature(["boolean"], "boolean", () => true),
      signature(["string"], "boolean", () => true),
      signature(["int"], "boolean", () => true),
      signature(["float"], "boolean", () => true),
    ],
  },
  {
    name: "if",
    doc: "The second argument when the first is TRUE, else the third. Both must have the same type.",
    examples: [{ expression: "if(1 < 2, 'yes', 'no')", result: "yes" }],
    mayFail: false,
    pure: true,
    signatures: [
      choice("float"),
      choice("int"),
      choice("string"),
      choice("boolean"),
      choice("regex"),
      choice("time"),
      choice("duration"),
    ],
  },
];

function choice<T extends LambdaType>(type: T): Signature {
  return signature(["boolean", type, type], type, (condition, yes, no) => (condition ? yes : no));
}
