/**
 * Bearer tokens: JWTs signed with the secret that `[http] shared-secret` names.
 *
 * `jose` checks the signature; the claims are judged here, because every refusal has a text that clients show.
 * An empty secret accepts no token: a key that everybody knows is none. Source: http-api §1.10.
 */

import { compactVerify, errors } from "jose";
import { parseJson } from "#lib/json.ts";
import { BEARER_LENGTH_MAX } from "./limits.ts";

export type BearerResult =
  | { readonly ok: true; readonly username: string }
  | { readonly ok: false; readonly error: string };

const ALGORITHMS = ["HS256", "HS384", "HS512"];

type Claims = Readonly<Record<string, unknown>>;

/** Who a token speaks for; `error` is the complete text. `nowMs` is wall time. */
export async function readBearer(
  token: string,
  secret: string,
  nowMs: number,
): Promise<BearerResult> {
  const parts = token.length > BEARER_LENGTH_MAX ? [] : token.split(".");
  if (parts.length !== 3) return invalid("token contains an invalid number of segments");
  const header = segment(parts[0] ?? "");
  const claims = segment(parts[1] ?? "");
  if (header === undefined || claims === undefined) return invalid("token is malformed");
  const algorithm = header["alg"];
  if (typeof algorithm !== "string" || !ALGORITHMS.includes(algorithm))
    return invalid(`unexpected signing method: ${shown(algorithm)}`);
  const problem = secret === "" ? "signature is invalid" : await signatureProblem(token, secret);
  return problem === undefined ? judge(claims, nowMs / 1000) : invalid(problem);
}

async function signatureProblem(token: string, secret: string): Promise<string | undefined> {
  try {
    await compactVerify(token, new TextEncoder().encode(secret), { algorithms: ALGORITHMS });
    return undefined;
  } catch (error) {
    const isForged = error instanceof errors.JWSSignatureVerificationFailed;
    return isForged ? "signature is invalid" : "token is malformed";
  }
}

/** `now` is seconds since 1970. */
function judge(claims: Claims, now: number): BearerResult {
  const expires = seconds(claims["exp"]);
  if (expires > 0 && expires < now) return invalid("Token is expired");
  if (seconds(claims["iat"]) > now) return invalid("Token used before issued");
  if (seconds(claims["nbf"]) > now) return invalid("Token is not valid yet");
  if (expires <= 0) return refused("token expiration required");
  const username = claims["username"];
  if (typeof username !== "string") return refused("username in token must be a string");
  return username === "" ? refused("token must contain a username") : { ok: true, username };
}

/** A time claim; anything but a number counts as absent. */
function seconds(claim: unknown): number {
  return typeof claim === "number" || typeof claim === "bigint" ? Number(claim) : 0;
}

function segment(text: string): Claims | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return undefined;
  const parsed = parseJson(Buffer.from(text, "base64url").toString("utf8"));
  if (!parsed.ok || typeof parsed.value !== "object" || parsed.value === null) return undefined;
  return Object.fromEntries(Object.entries(parsed.value));
}

const SHOWN_LENGTH_MAX = 32;

function shown(algorithm: unknown): string {
  return typeof algorithm === "string" ? algorithm.slice(0, SHOWN_LENGTH_MAX) : "<nil>";
}

function invalid(reason: string): BearerResult {
  return refused(`invalid token: ${reason}`);
}

function refused(error: string): BearerResult {
  return { ok: false, error };
}
