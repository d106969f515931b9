/**
 * Is this a task that could run? The checks of the script in the order in which clients see their errors:
 * parse, type, evaluation, then databases and retention policies.
 *
 * Nothing is changed here. Source: http-api §3.4 for the order and every text.
 */

import { errorMessage } from "#lib/errors.ts";
import type { Dbrp } from "#model/dbrp.ts";
import type { ScriptResult, Var } from "#tick/environment.ts";
import type { Language } from "./ports.ts";
import { invalid } from "./task-error.ts";

/** Evaluates a task's script, or throws the `invalid` `TaskError` that names its first fault. */
export function checkScript(
  language: Language,
  script: string,
  vars: Readonly<Record<string, Var>>,
): ScriptResult {
  checkParses(language, script);
  return evaluated(() => language.evaluate(script, vars));
}

/** The same for a template's script, whose required vars have no value yet. */
export function checkTemplateScript(language: Language, script: string): ScriptResult {
  checkParses(language, script);
  return evaluated(() => language.evaluateTemplate(script));
}

function checkParses(language: Language, script: string): void {
  if (script.trim() === "") throw invalid("must provide TICKscript");
  const type = evaluated(() => language.taskType(script));
  if (type === undefined) throw invalid("invalid task type: invalid");
}

function evaluated<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    throw Object.assign(invalid(`invalid TICKscript: ${errorMessage(cause)}`), { cause });
  }
}

/** A new task's dbrps: those of the script or those of the request, never both, never none. */
export function dbrpsOfNew(script: ScriptResult, given: readonly Dbrp[]): readonly Dbrp[] {
  if (script.dbrps.length === 0 && given.length === 0) throw invalid("must specify dbrp");
  if (script.dbrps.length > 0 && given.length > 0) {
    throw invalid("cannot specify dbrp in both implicitly and explicitly");
  }
  return given.length > 0 ? given : script.dbrps;
}

/** A changed task's dbrps; `stored` are kept unless they came from the old script or are replaced. */
export function dbrpsOfChanged(
  script: ScriptResult,
  given: readonly Dbrp[],
  stored: readonly Dbrp[],
  hadImplicit: boolean,
): readonly Dbrp[] {
  if (given.length > 0) {
    if (script.dbrps.length > 0) {
      throw invalid("cannot specify dbrp in implicitly and explicitly");
    }
    return given;
  }
  if (script.dbrps.length > 0) return script.dbrps;
  if (hadImplicit) throw invalid("must specify dbrp");
  return stored;
}
