/**
 * What a user may do. Permissions are words; each opens a part of the API.
 *
 * `api` opens everything but writes and configuration, `config_api` the configuration, `write_points` writes to
 * every database, `write_points:DB` (ours) writes to that one; each opens ping. Changing users takes an
 * administrator, so that nobody can raise himself (the original lets `api` do it). Source: http-api §1.10, §11.
 */

import { compareBytes } from "#lib/json.ts";

export const PERMISSIONS = ["none", "api", "config_api", "write_points", "all"] as const;

const WRITE_ONE = "write_points:";

/** Writes to one database, named behind the colon. */
export type WriteOne = `${typeof WRITE_ONE}${string}`;

export type Permission = (typeof PERMISSIONS)[number] | WriteOne;

export function writeTo(database: string): WriteOne {
  return `${WRITE_ONE}${database}`;
}

export interface Principal {
  readonly name: string;
  readonly isAdmin: boolean;
  readonly permissions: readonly Permission[];
}

export function isPermission(word: string): word is Permission {
  return PERMISSIONS.some((known) => known === word) || isWriteOne(word);
}

function isWriteOne(word: string): word is WriteOne {
  return word.startsWith(WRITE_ONE) && word.length > WRITE_ONE.length;
}

/** Everybody is an administrator where there are no users. */
export function administrator(name: string): Principal {
  return { name, isAdmin: true, permissions: [] };
}

/** The permissions in their shortest form: none is left out, all three parts are `all`. In a fixed order. */
export function collapse(permissions: readonly Permission[]): readonly Permission[] {
  const given = new Set(permissions);
  const whole = ["api", "config_api", "write_points"] as const;
  if (given.has("all") || whole.every((part) => given.has(part))) return ["all"];
  const parts = PERMISSIONS.filter((part) => part !== "none" && given.has(part));
  const databases = [...given].filter(isWriteOne).sort(compareBytes);
  return given.has("write_points") ? parts : [...parts, ...databases];
}

export type Privilege = "read" | "write" | "delete";

/** What a method asks for; `undefined` asks for nothing. */
export function privilegeOf(method: string): Privilege | undefined {
  if (method === "HEAD" || method === "OPTIONS") return undefined;
  if (method === "DELETE") return "delete";
  return method === "GET" ? "read" : "write";
}

/** May this user do that? `path` is below the API root: `/tasks/x`, `/write`. */
export function isAllowed(user: Principal, privilege: Privilege, path: string): boolean {
  if (user.isAdmin) return true;
  const [, part = ""] = path.split("/");
  if (part === "users" && privilege !== "read") return false;
  const given = new Set(user.permissions);
  if (given.has("all")) return true;
  const writes = given.has("write_points") || user.permissions.some(isWriteOne);
  switch (part) {
    case "ping":
      return given.has("api") || given.has("config_api") || writes;
    case "write":
      return writes;
    case "config":
      return given.has("config_api");
    default:
      return given.has("api");
  }
}

/** May this user, to whom `/write` is open, write to this database? */
export function mayWriteTo(user: Principal, database: string): boolean {
  if (user.isAdmin) return true;
  return user.permissions.some(
    (word) => word === "all" || word === "write_points" || word === writeTo(database),
  );
}
