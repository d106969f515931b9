/** Bearer tokens: every refusal with its text, and both sides of every limit in time. */

import { describe, expect, test } from "bun:test";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import fc from "fast-check";
import { readBearer } from "#auth/bearer.ts";
import { BEARER_LENGTH_MAX } from "#auth/limits.ts";

const SECRET = "s3cret";
const NOW_S = 1_800_000_000;
const GOOD = { username: "bob", exp: NOW_S + 60 };

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function token(claims: unknown, alg = "HS256", secret = SECRET): string {
  const text = `${part({ alg, typ: "JWT" })}.${part(claims)}`;
  const hash = `sha${alg.slice(2)}`;
  return `${text}.${createHmac(hash, secret).update(text).digest("base64url")}`;
}

function rsaToken(): string {
  const text = `${part({ alg: "RS256" })}.${part(GOOD)}`;
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return `${text}.${sign("sha256", Buffer.from(text), privateKey).toString("base64url")}`;
}

async function read(text: string, secret = SECRET): Promise<string> {
  const result = await readBearer(text, secret, NOW_S * 1000);
  return result.ok ? `user ${result.username}` : result.error;
}

test.each(["HS256", "HS384", "HS512"])("a token signed with %s is read", async (alg) => {
  expect(await read(token(GOOD, alg))).toBe("user bob");
});

describe("refusals", () => {
  const bad = "invalid token: ";
  const unsigned = `${part({ alg: "none" })}.${part(GOOD)}.`;
  test.each<[string, string, string]>([
    ["two parts", "a.b", `${bad}token contains an invalid number of segments`],
    ["four parts", "a.b.c.d", `${bad}token contains an invalid number of segments`],
    ["nothing", "", `${bad}token contains an invalid number of segments`],
    ["no JSON", "a.b.c", `${bad}token is malformed`],
    ["a list", `${part([])}.${part(5)}.x`, `${bad}token is malformed`],
    ["no signature", unsigned, `${bad}unexpected signing method: none`],
    [
      "a header without method",
      `${part({})}.${part({})}.x`,
      `${bad}unexpected signing method: <nil>`,
    ],
    ["another method", rsaToken(), `${bad}unexpected signing method: RS256`],
    ["another secret", token(GOOD, "HS256", "other"), `${bad}signature is invalid`],
    ["another secret, and expired", token({ exp: 1 }, "HS256", "x"), `${bad}signature is invalid`],
    ["expired", token({ ...GOOD, exp: NOW_S - 1 }), `${bad}Token is expired`],
    ["from the future", token({ ...GOOD, iat: NOW_S + 1 }), `${bad}Token used before issued`],
    ["not yet valid", token({ ...GOOD, nbf: NOW_S + 1 }), `${bad}Token is not valid yet`],
    ["no expiry", token({ username: "bob" }), "token expiration required"],
    ["expiry 0", token({ ...GOOD, exp: 0 }), "token expiration required"],
    ["expiry as text", token({ ...GOOD, exp: "9e9" }), "token expiration required"],
    ["no name", token({ exp: GOOD.exp }), "username in token must be a string"],
    ["a number as name", token({ ...GOOD, username: 5 }), "username in token must be a string"],
    ["an empty name", token({ ...GOOD, username: "" }), "token must contain a username"],
  ])("%s", async (_, text, error) => {
    expect(await read(text)).toBe(error);
  });

  test("an empty secret reads no token, not even one signed with it", async () => {
    const text = `${part({ alg: "HS256" })}.${part(GOOD)}`;
    const signed = createHmac("sha256", "").update(text).digest("base64url");
    expect(await read(`${text}.${signed}`, "")).toBe("invalid token: signature is invalid");
  });

  test("a token at the end of its second is still good", async () => {
    expect(await read(token({ ...GOOD, exp: NOW_S, iat: NOW_S, nbf: NOW_S }))).toBe("user bob");
  });

  test("one that is too long is not even read", async () => {
    const long = token({ ...GOOD, pad: "x".repeat(BEARER_LENGTH_MAX) });
    expect(await read(long)).toBe(`${bad}token contains an invalid number of segments`);
  });

  test("any text, and any change of a good token, is refused with a text", async () => {
    const good = token(GOOD);
    const changed = fc
      .tuple(fc.nat(good.length - 1), fc.string({ minLength: 1, maxLength: 2 }))
      .map(([at, text]) => good.slice(0, at) + text + good.slice(at + text.length));
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), changed), async (text) => {
        // The last character of a signature has spare bits, so another may mean the same bytes.
        const isSame = Buffer.from(text, "base64url").equals(Buffer.from(good, "base64url"));
        if (text !== good && !isSame && text.slice(0, -1) !== good.slice(0, -1))
          expect(await read(text)).toStartWith("invalid token: ");
      }),
      { numRuns: 200 },
    );
  });
});
