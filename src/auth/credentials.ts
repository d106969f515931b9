/**
 * What a request offers as proof of who sent it. The first source that fits wins: a bearer token, Basic, the
 * query parameters `u` and `p` (both not empty). Source: http-api §1.10.
 */

export type Credentials =
  | { readonly kind: "bearer"; readonly token: string }
  | { readonly kind: "password"; readonly name: string; readonly password: string }
  | { readonly kind: "subscription"; readonly token: string }
  | { readonly kind: "none" };

/** The user name under which subscriptions give their token as password. */
export const SUBSCRIBER = "~subscriber";

export interface Offered {
  /** The header `Authorization`. */
  readonly authorization: string | null;
  readonly query: URLSearchParams;
}

export function readCredentials({ authorization, query }: Offered): Credentials {
  const [scheme, value, ...more] = (authorization ?? "").split(" ");
  if (value !== undefined && more.length === 0) {
    if (scheme === "Bearer") return { kind: "bearer", token: value };
    if (scheme === "Basic") {
      const basic = readBasic(value);
      if (basic !== undefined) return basic;
    }
  }
  const name = query.get("u") ?? "";
  const password = query.get("p") ?? "";
  return name === "" || password === "" ? { kind: "none" } : { kind: "password", name, password };
}

function readBasic(encoded: string): Credentials | undefined {
  const decoded = Buffer.from(encoded, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  if (colon < 0) return undefined;
  const name = decoded.slice(0, colon);
  const password = decoded.slice(colon + 1);
  if (name === SUBSCRIBER) return { kind: "subscription", token: password };
  return { kind: "password", name, password };
}
