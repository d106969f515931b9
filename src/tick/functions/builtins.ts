/** Every function that a lambda may call, by name. Names are case-sensitive. */

import { conditionFunctions } from "./conditions.ts";
import { conversionFunctions } from "./conversion.ts";
import { mathFunctions } from "./math.ts";
import type { FunctionSpec } from "./spec.ts";
import { statefulFunctions } from "./stateful.ts";
import { stringFunctions } from "./strings.ts";
import { timeFunctions } from "./time.ts";

export const builtins: ReadonlyMap<string, FunctionSpec> = new Map(
  [
    ...conditionFunctions,
    ...conversionFunctions,
    ...mathFunctions,
    ...statefulFunctions,
    ...stringFunctions,
    ...timeFunctions,
  ].map((spec) => [spec.name, spec]),
);
