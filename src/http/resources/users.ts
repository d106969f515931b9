/** `/users`: who may use the API. Source: http-api §11. */

import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Principal } from "#auth/permissions.ts";
import { type UserChange, UserError, type UserService } from "#auth/user-service.ts";
import { compileGlob, type Glob } from "#lib/glob.ts";
import { answerJson, answerNothing, link } from "../answer.ts";
import { readJson } from "../body.ts";
import { ApiError, badRequest, failure, unknown } from "../errors.ts";
import { LIST_QUERY, listItems, readListParams } from "../list-params.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

const maybeText = Type.Optional(Type.Union([Type.String(), Type.Null()]));

const UserBody = Type.Object({
  name: maybeText,
  password: maybeText,
  type: Type.Optional(
    Type.Union([Type.Literal("normal"), Type.Literal("admin"), Type.Literal(""), Type.Null()]),
  ),
  permissions: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
});

export const users = defineResource({
  name: "users",
  doc: "Users and their permissions. Answers 501 where no user store is configured.",
  routes: [
    {
      method: "GET",
      path: "/users",
      summary: "Lists users by name.",
      query: LIST_QUERY,
      answers: { 200: '{"users": […]}', 400: "error" },
      answer: listUsers,
    },
    {
      method: "POST",
      path: "/users",
      summary: "Creates a user.",
      body: UserBody,
      answers: { 200: "the user", 400: "error" },
      answer: createUser,
    },
    {
      method: "GET",
      path: "/users/*",
      summary: "Shows a user.",
      answers: { 200: "the user", 400: "error", 404: "error" },
      answer: getUser,
    },
    {
      method: "PATCH",
      path: "/users/*",
      summary: "Changes a user; what is absent stays.",
      body: UserBody,
      answers: { 200: "the user", 400: "error", 500: "error" },
      answer: updateUser,
    },
    {
      method: "DELETE",
      path: "/users/*",
      summary: "Deletes a user.",
      answers: { 204: "gone, or was never there", 400: "error" },
      answer: deleteUser,
    },
  ],
});

function storeOf(services: HttpServices): UserService {
  if (services.users === undefined)
    throw new ApiError(501, "users are not available: [auth] is not enabled");
  return services.users;
}

function listUsers(call: Call, services: HttpServices): Response {
  const params = readListParams(call.query);
  const glob = readGlob(params.pattern);
  const start = Math.max(0, params.offset);
  const rows = storeOf(services)
    .list()
    .filter((user) => glob(user.name))
    .slice(start, params.limit < 0 ? undefined : start + params.limit);
  return answerJson({
    users: listItems(rows, params, { fields: FIELDS, always: ["link", "name"] }),
  });
}

/** A malformed glob matches nothing, as in the other lists. */
function readGlob(pattern: string): Glob {
  try {
    return compileGlob(pattern);
  } catch {
    return () => false;
  }
}

async function createUser(call: Call, services: HttpServices): Promise<Response> {
  const body = await readBody(call);
  const change = changeOf(body);
  return answered(() => storeOf(services).create(body.name ?? "", change), "");
}

async function updateUser(call: Call, services: HttpServices): Promise<Response> {
  const name = nameOf(call);
  const change = changeOf(await readBody(call));
  return answered(
    () => storeOf(services).update(name, change),
    "failed to create user: updating user: ",
  );
}

function getUser(call: Call, services: HttpServices): Response {
  const user = storeOf(services).get(nameOf(call));
  if (user === undefined) throw unknown("no user exists");
  return answerJson(userJson(user));
}

async function deleteUser(call: Call, services: HttpServices): Promise<Response> {
  const name = nameOf(call);
  try {
    await storeOf(services).delete(name);
  } catch (error) {
    throw refusal(error, "");
  }
  return answerNothing();
}

async function answered(edit: () => Promise<Principal>, missing: string): Promise<Response> {
  try {
    return answerJson(userJson(await edit()));
  } catch (error) {
    throw refusal(error, missing);
  }
}

/** A refused change with its status; `missing` stands before the text of an unknown user. */
function refusal(error: unknown, missing: string): unknown {
  if (!(error instanceof UserError)) return error;
  switch (error.reason) {
    case "invalid":
      return badRequest(error.message);
    case "missing":
      return failure(missing + error.message);
    case "busy":
      return new ApiError(503, error.message);
  }
}

function nameOf(call: Call): string {
  const name = call.params["*"] ?? "";
  if (name === "") throw badRequest("must specify username on path");
  return name;
}

async function readBody(call: Call): Promise<Static<typeof UserBody>> {
  const body = await readJson(call.request);
  if (!body.ok || !Value.Check(UserBody, body.value)) throw badRequest("invalid JSON");
  return body.value;
}

function changeOf(body: Static<typeof UserBody>): UserChange {
  const { password, type, permissions } = body;
  return {
    ...(typeof password === "string" ? { password } : {}),
    ...(type === "normal" || type === "admin" ? { type } : {}),
    ...(Array.isArray(permissions) ? { permissions } : {}),
  };
}

const FIELDS = {
  link: (user: Principal) => link(`/users/${user.name}`),
  name: (user: Principal) => user.name,
  type: (user: Principal) => (user.isAdmin ? "admin" : "normal"),
  permissions: (user: Principal) => user.permissions,
} as const;

function userJson(user: Principal): unknown {
  return {
    link: FIELDS.link(user),
    name: user.name,
    type: FIELDS.type(user),
    permissions: user.permissions,
  };
}
