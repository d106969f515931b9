/**
 * Who is asking, and may they? The credentials of a request, judged, and the answers to bad ones.
 *
 * Where there is no user store ([auth] is not enabled), every name and password, every valid bearer token and
 * every subscription token is let in as administrator, as the original does. Where there is one, everything is
 * checked. While it holds no administrator, one request needs no credentials: creating a user, so that nobody is
 * locked out by switching authentication on. Source: http-api §1.10 for order and texts.
 */

import { readBearer } from "#auth/bearer.ts";
import { type Offered, readCredentials, SUBSCRIBER } from "#auth/credentials.ts";
import {
  administrator,
  isAllowed,
  mayWriteTo,
  type Principal,
  privilegeOf,
} from "#auth/permissions.ts";
import { UserError } from "#auth/user-service.ts";
import { ApiError, unauthorized } from "./errors.ts";
import { requestPath } from "./request-path.ts";
import type { HttpServices } from "./services.ts";

/** Throws 401 with the exact text when there are no credentials or bad ones; 503 when too many are checked. */
export async function authenticate(
  request: Request,
  offered: Offered,
  services: HttpServices,
): Promise<Principal> {
  if (isFirstUser(request, services)) return administrator("-");
  const credentials = readCredentials(offered);
  switch (credentials.kind) {
    case "none":
      throw unauthorized("unable to parse authentication credentials");
    case "bearer":
      return bearer(credentials.token, services);
    case "subscription":
      return subscriber(credentials.token, services);
    case "password":
      return login(credentials.name, credentials.password, services);
  }
}

/**
 * Clients of InfluxDB 2 send `Token user:password` where they talk to a server with users; the header as Basic.
 * Other headers are given back as they are.
 */
export function basicOfToken(authorization: string | null): string | null {
  const token = /^Token ([^ ]*:[^ ]*)$/.exec(authorization ?? "")?.[1];
  return token === undefined ? authorization : `Basic ${Buffer.from(token).toString("base64")}`;
}

/** Throws 403 when the user may not do this. `path` is below the API root. */
export function authorize(user: Principal, method: string, path: string): void {
  const privilege = privilegeOf(method);
  if (privilege === undefined || isAllowed(user, privilege, path)) return;
  const endpoint = path === "/write" ? path : `/kapacitor/v1${path}`;
  throw new ApiError(
    403,
    `user ${user.name} does not have "${privilege}" privilege for API endpoint "${endpoint}"`,
    "compact",
  );
}

/** Throws 401 when the user may not write to this database. */
export function authorizeWrite(user: Principal, database: string): void {
  if (mayWriteTo(user, database)) return;
  const [name, db] = [JSON.stringify(user.name), JSON.stringify(database)];
  throw unauthorized(`${name} user is not authorized to write to database ${db}`);
}

function isFirstUser({ method, url }: Request, { users }: HttpServices): boolean {
  if (users === undefined || method !== "POST") return false;
  return /^\/kapacitor\/v1(preview)?\/users$/.test(requestPath(url).path) && !users.hasAdmin();
}

async function bearer(token: string, services: HttpServices): Promise<Principal> {
  const { settings, clock, users } = services;
  const read = await readBearer(token, settings.sharedSecret, clock.now().ms);
  if (!read.ok) throw unauthorized(read.error);
  if (users === undefined) return administrator(read.username);
  const user = users.get(read.username);
  if (user === undefined) throw unauthorized("authorization failed");
  return user;
}

function subscriber(token: string, { users, subscriptions }: HttpServices): Principal {
  if (users === undefined) return administrator(SUBSCRIBER);
  const permission = subscriptions.permissionOf?.(token);
  if (permission === undefined) throw unauthorized("invalid subscription token");
  return { name: SUBSCRIBER, isAdmin: false, permissions: [permission] };
}

async function login(name: string, password: string, services: HttpServices): Promise<Principal> {
  if (name === "") throw unauthorized("username required");
  if (services.users === undefined) return administrator(name);
  const user = await verified(name, password, services.users);
  if (user === undefined) throw unauthorized("authorization failed");
  return user;
}

async function verified(
  name: string,
  password: string,
  users: NonNullable<HttpServices["users"]>,
): Promise<Principal | undefined> {
  try {
    return await users.verify(name, password);
  } catch (error) {
    if (error instanceof UserError) throw new ApiError(503, error.message, "compact");
    throw error;
  }
}
