/**
 * Who is asking, and may they? Credentials from the request, and the answers to bad ones.
 *
 * Sources in this order: a bearer token, Basic, the `u` and `p` query parameters. Where there is no user store,
 * every name and password is let in as administrator, as the original without one does; tokens must still
 * be signed with the shared secret and not be expired. Source: http-api §1.10 for order and texts.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { administrator, isAllowed, type Principal, privilegeOf } from "#auth/permissions.ts";
import { parseJson } from "#lib/json.ts";
import { ApiError, unauthorized } from "./errors.ts";
import type { HttpServices } from "./services.ts";

/** Throws 401 with the exact text when there are no credentials or bad ones. */
export async function authenticate(
  request: Request,
  query: URLSearchParams,
  services: HttpServices,
): Promise<Principal> {
  const header = request.headers.get("authorization") ?? "";
  const [scheme, credentials, ...more] = header.split(" ");
  if (scheme === "Bearer" && credentials !== undefined && more.length === 0) {
    return existing(checkToken(credentials, services), services);
  }
  if (scheme === "Basic" && credentials !== undefined) {
    const decoded = Buffer.from(credentials, "base64").toString("utf8");
    const colon = decoded.indexOf(":");
    if (colon >= 0) return login(decoded.slice(0, colon), decoded.slice(colon + 1), services);
  }
  const user = query.get("u") ?? "";
  const password = query.get("p") ?? "";
  if (user !== "" && password !== "") return login(user, password, services);
  throw unauthorized("unable to parse authentication credentials");
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

const SUBSCRIBER = "~subscriber";

async function login(name: string, password: string, services: HttpServices): Promise<Principal> {
  if (name === "") throw unauthorized("username required");
  if (services.users === undefined) return administrator(name);
  if (name === SUBSCRIBER) {
    if (services.subscriptions.isToken?.(password) !== true) {
      throw unauthorized("invalid subscription token");
    }
    return { name, isAdmin: false, permissions: ["write_points"] };
  }
  const user = await services.users.verify(name, password);
  if (user === undefined) throw unauthorized("authorization failed");
  return user;
}

function existing(name: string, { users }: HttpServices): Principal {
  if (users === undefined) return administrator(name);
  const user = users.get(name);
  if (user === undefined) throw unauthorized("authorization failed");
  return user;
}

const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ["HS256", "sha256"],
  ["HS384", "sha384"],
  ["HS512", "sha512"],
]);

function checkToken(token: string, { settings, clock }: HttpServices): string {
  const parts = token.split(".");
  const [head = "", body = "", signature = ""] = parts;
  if (parts.length !== 3) throw badToken("token contains an invalid number of segments");
  const algorithm = String(readSegment(head)["alg"]);
  const claims = readSegment(body);
  const hash = ALGORITHMS.get(algorithm);
  if (hash === undefined) throw badToken(`unexpected signing method: ${algorithm}`);
  const secret = settings.sharedSecret;
  if (secret === "" || !isSigned(hash, secret, `${head}.${body}`, signature)) {
    throw badToken("signature is invalid");
  }
  return checkClaims(claims, clock.now().ms);
}

function isSigned(hash: string, secret: string, text: string, given: string): boolean {
  const wanted = createHmac(hash, secret).update(text).digest();
  const signature = Buffer.from(given, "base64url");
  return signature.length === wanted.length && timingSafeEqual(signature, wanted);
}

function checkClaims(claims: Readonly<Record<string, unknown>>, nowMs: number): string {
  const expires = Number(claims["exp"] ?? 0);
  if (!(expires > 0)) throw unauthorized("token expiration required");
  if (expires * 1000 < nowMs) throw badToken("Token is expired");
  const name = claims["username"];
  if (typeof name !== "string") throw unauthorized("username in token must be a string");
  if (name === "") throw unauthorized("token must contain a username");
  return name;
}

function readSegment(segment: string): Readonly<Record<string, unknown>> {
  const parsed = parseJson(Buffer.from(segment, "base64url").toString("utf8"));
  if (!parsed.ok || typeof parsed.value !== "object" || parsed.value === null) {
    throw badToken("token is malformed");
  }
  return Object.fromEntries(Object.entries(parsed.value));
}

function badToken(reason: string): Error {
  return unauthorized(`invalid token: ${reason}`);
}
