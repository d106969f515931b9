/** TICKscript as the definitions room asks for it: the tick room over a given set of nodes. */

import type { TickEnvironment } from "#tick/environment.ts";
import { evaluateScript, inferTaskType } from "#tick/evaluate.ts";
import { formatScript } from "#tick/format.ts";
import { parseVars, varsToJson, varValues } from "#tick/vars.ts";
import type { Language } from "./ports.ts";

/** `environment` names the methods that scripts may call; see the engine's node registry. */
export function tickLanguage(environment: TickEnvironment): Language {
  return {
    taskType: inferTaskType,
    evaluate: (script, vars) => evaluateScript(script, { environment, vars: varValues(vars) }),
    evaluateTemplate: (script) => evaluateScript(script, { environment, template: true }),
    format: formatScript,
    parseVars,
    varsToJson: (vars) => ({ ...varsToJson(vars) }),
  };
}
