/**
 * Tokens for an InfluxDB that shares a secret with us: JWTs signed with HMAC-SHA256, made for each request.
 *
 * They name the user and expire soon, so a token that leaks is worth little.
 */

import { createHmac } from "node:crypto";
import type { Clock } from "#lib/clock.ts";

/** How long a token is valid, s. */
const VALID_S = 60;

/** Makes tokens of a user; `secret` must not be empty. */
export function tokenMaker(clock: Clock, username: string, secret: string): () => string {
  const head = encoded({ alg: "HS256", typ: "JWT" });
  return () => {
    const exp = Math.floor(clock.now().ms / 1_000) + VALID_S;
    const signed = `${head}.${encoded({ username, exp })}`;
    return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
  };
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
