/**
 * The texts of an alert node's events: ID, message and details, from their templates.
 *
 * Templates are parsed when the task starts. The ID is rendered once per series of a group; message and
 * details only for an event that somebody gets. The default templates are not run: what they make is known. What
 * each template sees: reference nodes.md §10.
 */

import { type Level, levelName } from "#alert/level.ts";
import type { DurationNs } from "#lib/int64.ts";
import type { Time } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { JSON_FUNCTIONS } from "#template/functions.ts";
import { TEMPLATE_OUTPUT_MAX } from "#template/limits.ts";
import { parseHtmlTemplate, parseTextTemplate, type Template } from "#template/template.ts";
import { GoDuration, GoFloat, GoStruct, GoTime, stringMap } from "#template/values.ts";
import { JSON_DETAILS, JsonDetails } from "./alert-json-details.ts";
import { ALERT_TEMPLATES_MAX } from "./limits.ts";
import type { NodeContext } from "./node.ts";

export interface AlertTemplates {
  readonly id: string;
  readonly message: string;
  readonly details: string;
}

/** What an event is about, for its message and details. */
export interface AlertSubject {
  readonly id: string;
  readonly name: string;
  readonly group: Group;
  readonly tags: Readonly<Record<string, string>>;
  /** The point that decided the level. */
  readonly point: Point;
  readonly level: Level;
  readonly time: Time;
  readonly duration: DurationNs;
}

type SeenByTexts = Readonly<Record<string, unknown>>;

/** What a node has without properties of its own. */
export const DEFAULT_TEMPLATES: AlertTemplates = {
  id: "{{ .Name }}:{{ .Group }}",
  message: "{{ .ID }} is {{ .Level }}",
  details: JSON_DETAILS,
};

/** Go's names of what templates see, for error texts. */
const ID_TYPE = "kapacitor.idInfo";
const MESSAGE_TYPE = "kapacitor.messageInfo";
const DETAILS_TYPE = "kapacitor.detailsInfo";

/** Parsed templates by name and source. Most tasks have the default ones; parsing them was half of their start. */
let parsed = new Map<string, Template>();

/** Throws `TemplateError`. */
function sharedTemplate(name: "id" | "message" | "details", source: string): Template {
  const key = `${name} ${source}`;
  let template = parsed.get(key);
  if (template === undefined) {
    template =
      name === "details"
        ? parseHtmlTemplate(source, { name, functions: JSON_FUNCTIONS })
        : parseTextTemplate(source, { name });
    if (parsed.size >= ALERT_TEMPLATES_MAX) parsed = new Map();
    parsed.set(key, template);
  }
  return template;
}

export class AlertTexts {
  readonly #task: string;
  readonly #server: GoStruct;
  readonly #id: Template;
  readonly #message: Template;
  readonly #details: Template;
  readonly #hasDefaultId: boolean;
  readonly #hasDefaultMessage: boolean;
  /** In place of the default details. */
  readonly #jsonDetails: JsonDetails | undefined;
  /** What the templates see of the event last asked for. */
  #seen: { readonly of: AlertSubject; readonly fields: SeenByTexts } | undefined;

  /** Throws `TemplateError`. */
  constructor(templates: AlertTemplates, context: NodeContext) {
    const { hostname, clusterId, serverId } = context.services.server;
    this.#task = context.task.id;
    this.#server = new GoStruct("kapacitor.serverInfo", {
      Hostname: hostname,
      ClusterID: clusterId,
      ServerID: serverId,
    });
    this.#id = sharedTemplate("id", templates.id);
    this.#message = sharedTemplate("message", templates.message);
    this.#details = sharedTemplate("details", templates.details);
    this.#hasDefaultId = templates.id === DEFAULT_TEMPLATES.id;
    this.#hasDefaultMessage = templates.message === DEFAULT_TEMPLATES.message;
    const isJson = templates.details === JSON_DETAILS;
    this.#jsonDetails = isJson ? new JsonDetails(this.#task, context.services.server) : undefined;
  }

  /** Throws `TemplateError` when the template does not fit. */
  id(name: string, group: Group, tags: Readonly<Record<string, string>>): string {
    const known = this.#hasDefaultId ? `${name}:${groupText(group)}` : undefined;
    if (known !== undefined && known.length <= TEMPLATE_OUTPUT_MAX) return known;
    return this.#id.render(new GoStruct(ID_TYPE, this.#common(name, group, tags)));
  }

  /** Throws `TemplateError` when the template does not fit. */
  message(subject: AlertSubject): string {
    const { id, level } = subject;
    const known = this.#hasDefaultMessage ? `${id} is ${levelName(level)}` : undefined;
    if (known !== undefined && known.length <= TEMPLATE_OUTPUT_MAX) return known;
    return this.#message.render(new GoStruct(MESSAGE_TYPE, this.#seenOf(subject)));
  }

  /** `message` is the subject's. Throws `TemplateError` when the template does not fit. */
  details(subject: AlertSubject, message: string): string {
    const known = this.#jsonDetails?.render(subject, groupText(subject.group), message);
    if (known !== undefined) return known;
    const fields = { ...this.#seenOf(subject), Message: message };
    return this.#details.render(new GoStruct(DETAILS_TYPE, fields));
  }

  /** Worked out once for both. */
  #seenOf(subject: AlertSubject): SeenByTexts {
    if (this.#seen?.of === subject) return this.#seen.fields;
    const fields = {
      ...this.#common(subject.name, subject.group, subject.tags),
      ID: subject.id,
      Fields: templateFields(subject.point),
      Level: levelName(subject.level),
      Time: new GoTime(subject.time),
      Duration: new GoDuration(subject.duration),
    };
    this.#seen = { of: subject, fields };
    return fields;
  }

  #common(
    name: string,
    group: Group,
    tags: Readonly<Record<string, string>>,
  ): Record<string, unknown> {
    return {
      Name: name,
      TaskName: this.#task,
      Group: groupText(group),
      Tags: stringMap(tags),
      ServerInfo: this.#server,
    };
  }
}

/** The group as events and templates show it. */
export function groupText(group: Group): string {
  return group.id === "" ? "nil" : group.id;
}

/** Fields with the types that templates print: floats stay floats also when they are whole. */
function templateFields(point: Point): Readonly<Record<string, unknown>> {
  const { shape, values } = point;
  const fields: Record<string, unknown> = {};
  for (const name of shape.sortedNames) {
    const slot = shape.slot(name);
    const held = values[slot];
    const type = shape.types[slot];
    fields[name] =
      type === "float"
        ? new GoFloat(held as number)
        : type === "duration"
          ? new GoDuration(held as number | bigint)
          : held;
  }
  return fields;
}
