/**
 * Options that are templates: checked when the handler is made, parsed once, rendered per event.
 */

import { handlerTemplateData } from "#alert/data.ts";
import type { Delivery } from "#alert/handler.ts";
import type { Outcome } from "#alert/outcome.ts";
import { errorMessage } from "#lib/errors.ts";
import { parseTextTemplate, type Template } from "#template/template.ts";
import { TemplateError } from "#template/template-error.ts";

/** The first template error among these texts, or undefined. */
export function templateProblem(
  texts: Readonly<Record<string, string | undefined>>,
): string | undefined {
  for (const [name, text] of Object.entries(texts)) {
    if (text === undefined) continue;
    try {
      parseTextTemplate(text, { name });
    } catch (error) {
      return errorMessage(error);
    }
  }
  return undefined;
}

/** A parsed option; a text without actions costs nothing to render. */
export function optionTemplate(name: string, text: string): Template {
  return text.includes("{{") ? parseTextTemplate(text, { name }) : { render: () => text };
}

/** Renders against the usual data of handler templates. Throws `TemplateError`. */
export function renderOption(template: Template, delivery: Delivery): string {
  return template.render(handlerTemplateData(delivery));
}

/** Runs code that renders; a template that does not fit the event is a rejection. */
export async function rejectingTemplateErrors(run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof TemplateError) return { kind: "rejected", error: error.message };
    throw error;
  }
}
