/** `/templates`: scripts with open vars. Source: http-api §4. */

import { sorted } from "#lib/json.ts";
import { parseTemplateChange, TemplateBody } from "#tasks/task-change.ts";
import type { StoredTemplate } from "#tasks/task-store.ts";
import type { TemplateInspection } from "#tasks/template-service.ts";
import { answerJson, answerNothing, link } from "../answer.ts";
import { jsonOf } from "../body.ts";
import { badRequest, unknown } from "../errors.ts";
import { choice, LIST_QUERY, listItems, readListParams } from "../list-params.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

const VIEW_QUERY = { "script-format": "formatted (default) or raw." } as const;

export const templates = defineResource({
  name: "templates",
  doc: "Templates: scripts with open vars, of which tasks are made.",
  routes: [
    {
      method: "GET",
      path: "/templates",
      summary: "Lists templates by ID.",
      query: { ...LIST_QUERY, ...VIEW_QUERY },
      answers: { 200: '{"templates": […]}', 400: "error" },
      answer: listTemplates,
    },
    {
      method: "POST",
      path: "/templates",
      summary: "Defines a template.",
      body: TemplateBody,
      answers: { 200: "the template", 400: "error" },
      answer: createTemplate,
    },
    {
      method: "GET",
      path: "/templates/*",
      summary: "Shows a template.",
      query: VIEW_QUERY,
      answers: { 200: "the template", 400: "error", 404: "error" },
      answer: getTemplate,
    },
    {
      method: "PATCH",
      path: "/templates/*",
      summary: "Changes a template and restarts its running tasks, all or none.",
      body: TemplateBody,
      answers: { 200: "the template", 400: "error", 404: "error", 500: "nothing was changed" },
      answer: updateTemplate,
    },
    {
      method: "DELETE",
      path: "/templates/*",
      summary: "Deletes a template; its tasks keep running.",
      answers: { 204: "gone, or was never there", 400: "error" },
      answer: deleteTemplate,
    },
  ],
});

type Format = "formatted" | "raw";

function listTemplates(call: Call, services: HttpServices): Response {
  const params = readListParams(call.query);
  const format = readFormat(call.query);
  const rows = services.templates
    .list(params)
    .map((template) => new TemplateRow(template, format, services));
  const items = listItems(rows, params, {
    fields: FIELDS,
    always: ["id", "link"],
    onRequest: ["vars"],
  });
  return answerJson({ templates: items });
}

async function createTemplate(call: Call, services: HttpServices): Promise<Response> {
  return answerTemplate(await services.templates.create(await readChange(call)), services);
}

async function updateTemplate(call: Call, services: HttpServices): Promise<Response> {
  const id = templateId(call);
  return answerTemplate(await services.templates.update(id, await readChange(call)), services);
}

async function deleteTemplate(call: Call, services: HttpServices): Promise<Response> {
  await services.templates.delete(templateId(call));
  return answerNothing();
}

function getTemplate(call: Call, services: HttpServices): Response {
  const id = templateId(call);
  const format = readFormat(call.query);
  const template = services.templates.get(id);
  if (template === undefined) throw unknown("no template exists");
  return answerTemplate(template, services, format);
}

function readFormat(query: URLSearchParams): Format {
  return choice(query, "script-format", ["formatted", "raw"]);
}

function templateId(call: Call): string {
  const id = call.params["*"] ?? "";
  if (id === "") throw badRequest("must specify template id on path");
  return id;
}

async function readChange(call: Call) {
  return parseTemplateChange(await jsonOf(call.request));
}

function answerTemplate(
  template: StoredTemplate,
  services: HttpServices,
  format: Format = "formatted",
): Response {
  const row = new TemplateRow(template, format, services);
  return answerJson(Object.fromEntries(OBJECT_ORDER.map((field) => [field, FIELDS[field](row)])));
}

/** One template with what is worked out for it at most once per answer. */
class TemplateRow {
  readonly template: StoredTemplate;
  readonly #format: Format;
  readonly #services: HttpServices;
  #inspection: TemplateInspection | undefined;

  constructor(template: StoredTemplate, format: Format, services: HttpServices) {
    this.template = template;
    this.#format = format;
    this.#services = services;
  }

  inspect(): TemplateInspection {
    this.#inspection ??= this.#services.templates.inspect(this.template);
    return this.#inspection;
  }

  script(): string {
    return this.#services.tasks.script(this.template, this.#format);
  }
}

const FIELDS = {
  link: (row: TemplateRow) => link(`/templates/${row.template.id}`),
  id: (row: TemplateRow) => row.template.id,
  type: (row: TemplateRow) => row.template.type,
  script: (row: TemplateRow) => row.script(),
  vars: (row: TemplateRow) => sorted(row.inspect().vars),
  dot: (row: TemplateRow) => row.inspect().dot,
  error: (row: TemplateRow) => row.inspect().error,
  created: (row: TemplateRow) => row.template.created,
  modified: (row: TemplateRow) => row.template.modified,
} as const;

const OBJECT_ORDER = [
  "link",
  "id",
  "type",
  "script",
  "vars",
  "dot",
  "error",
  "created",
  "modified",
] as const;
