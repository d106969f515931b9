/**
 * What a request to create or change a task or template says, after its JSON has been read.
 *
 * Absent, null and empty members all mean "not given", as clients in Go send empty values for what they do
 * not set. Any wrong type makes the whole body `invalid JSON`. Unknown keys are ignored.
 * Source: http-api §3.4, §3.5, §4.
 */

import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Dbrp } from "#model/dbrp.ts";
import type { TaskType, Var } from "#tick/environment.ts";
import type { Language } from "./ports.ts";
import { invalid } from "./task-error.ts";

const maybe = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]));

const TypeWord = Type.Union([Type.Literal("stream"), Type.Literal("batch"), Type.Literal("")]);

/** The body of `POST /tasks` and `PATCH /tasks/ID`. */
export const TaskBody = Type.Object({
  id: maybe(Type.String({ description: "Random when empty." })),
  "template-id": maybe(Type.String({ description: "Template to take the script from." })),
  type: maybe(TypeWord),
  dbrps: maybe(
    Type.Array(Type.Object({ db: maybe(Type.String()), rp: maybe(Type.String()) }), {
      description: "Databases and retention policies the task reads.",
    }),
  ),
  script: maybe(Type.String({ description: "TICKscript." })),
  status: maybe(Type.Union([Type.Literal("enabled"), Type.Literal("disabled"), Type.Literal("")])),
  vars: maybe(Type.Record(Type.String(), Type.Unknown())),
  cluster: maybe(
    Type.Boolean({
      description:
        "true: stored once for the whole cluster, and run by as many members as `[alert] redundancy` says.",
    }),
  ),
});

/** The body of `POST /templates` and `PATCH /templates/ID`. */
export const TemplateBody = Type.Object({
  id: maybe(Type.String()),
  type: maybe(TypeWord),
  script: maybe(Type.String({ description: "TICKscript whose vars tasks fill in." })),
});

export interface TaskChange {
  readonly id: string;
  readonly templateId: string;
  readonly dbrps: readonly Dbrp[];
  readonly script: string;
  readonly status: "enabled" | "disabled" | "";
  readonly vars: Readonly<Record<string, Var>>;
  /** Absent: as it is. */
  readonly cluster?: boolean;
}

export interface TemplateChange {
  readonly id: string;
  readonly type: TaskType | "";
  readonly script: string;
}

/** Reads a task body. Throws an `invalid` `TaskError` with the text `invalid JSON`. */
export function parseTaskChange(input: unknown, language: Language): TaskChange {
  const body = checked(TaskBody, input);
  return {
    id: body.id ?? "",
    templateId: body["template-id"] ?? "",
    dbrps: (body.dbrps ?? []).map(({ db, rp }) => ({ db: db ?? "", rp: rp ?? "" })),
    script: body.script ?? "",
    status: body.status ?? "",
    vars: readVars(body.vars ?? {}, language),
    ...(typeof body.cluster === "boolean" ? { cluster: body.cluster } : {}),
  };
}

/** Reads a template body. Throws as `parseTaskChange` does. */
export function parseTemplateChange(input: unknown): TemplateChange {
  const body = checked(TemplateBody, input);
  return { id: body.id ?? "", type: body.type ?? "", script: body.script ?? "" };
}

function checked<T extends TSchema>(schema: T, input: unknown): Static<T> {
  if (!Value.Check(schema, input)) throw invalid("invalid JSON");
  return input;
}

function readVars(input: unknown, language: Language): Readonly<Record<string, Var>> {
  try {
    return language.parseVars(input);
  } catch (cause) {
    throw Object.assign(invalid("invalid JSON"), { cause });
  }
}
