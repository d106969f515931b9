/**
 * The `sasl-*` options of a `[[kafka]]` element. Not an entry of the registry.
 *
 * PLAIN, SCRAM and OAUTHBEARER are understood; Kerberos (GSSAPI) is not, and says so.
 */

import type { KafkaSasl } from "#clients/kafka.ts";
import type { OauthSettings } from "#clients/oauth-token.ts";
import type { SectionReader } from "./section-reader.ts";

export type SaslChoice =
  | {
      /** `undefined` = no authentication. */
      readonly sasl: KafkaSasl | undefined;
      /** Texts that must not show in errors. */
      readonly secrets: readonly string[];
    }
  | { readonly error: string };

/** Without a mechanism, a user name means PLAIN and an access token OAUTHBEARER. */
export function kafkaSasl(element: SectionReader): SaslChoice {
  const secrets = ["sasl-password", "sasl-access-token", "sasl-oauth-client-secret"].map((key) =>
    element.text(key),
  );
  const mechanism = mechanismOf(element);
  switch (mechanism) {
    case "":
      return { sasl: undefined, secrets };
    case "PLAIN":
    case "SCRAM-SHA-256":
    case "SCRAM-SHA-512": {
      const [username, password] = [element.text("sasl-username"), element.text("sasl-password")];
      if (username === "" || password === "") {
        return { error: `sasl-mechanism ${mechanism} needs sasl-username and sasl-password` };
      }
      return { sasl: { mechanism: NAMES[mechanism], username, password }, secrets };
    }
    case "OAUTHBEARER": {
      const token = tokenOf(element);
      if (typeof token === "object" && "error" in token) return token;
      const extensions = element.textMap("sasl_extensions");
      return { sasl: { mechanism: "oauthbearer", token, extensions }, secrets };
    }
    case "GSSAPI":
      return { error: "sasl-mechanism GSSAPI (Kerberos) is not supported" };
    default:
      return { error: `unknown sasl-mechanism ${JSON.stringify(mechanism)}` };
  }
}

const NAMES = {
  PLAIN: "plain",
  "SCRAM-SHA-256": "scram-sha-256",
  "SCRAM-SHA-512": "scram-sha-512",
} as const;

function mechanismOf(element: SectionReader): string {
  const named = element.text("sasl-mechanism").toUpperCase();
  if (named !== "") return named;
  if (element.text("sasl-username") !== "") return "PLAIN";
  return element.text("sasl-access-token") === "" ? "" : "OAUTHBEARER";
}

function tokenOf(element: SectionReader): string | OauthSettings | { readonly error: string } {
  const token = element.text("sasl-access-token");
  if (token !== "") return token;
  const service = element.text("sasl-oauth-service").toLowerCase();
  const tokenUrl = tokenUrlOf(element, service);
  if (tokenUrl === undefined)
    return { error: `unknown sasl-oauth-service ${JSON.stringify(service)}` };
  const { protocol } = URL.parse(tokenUrl) ?? { protocol: "" };
  if (protocol !== "http:" && protocol !== "https:") {
    return {
      error: "sasl-mechanism OAUTHBEARER needs sasl-access-token or a sasl-oauth-token-url",
    };
  }
  return {
    tokenUrl,
    clientId: element.text("sasl-oauth-client-id"),
    clientSecret: element.text("sasl-oauth-client-secret"),
    scopes: element.texts("sasl-oauth-scopes"),
    parameters: element.textMap("sasl-oauth-parameters"),
    expiryMarginMs: element.number("sasl-oauth-token-expiry-margin") / 1e6,
  };
}

function tokenUrlOf(element: SectionReader, service: string): string | undefined {
  const given = element.text("sasl-oauth-token-url");
  if (service === "" || service === "custom" || service === "auth0") return given;
  if (service !== "azuread") return undefined;
  const tenant = encodeURIComponent(element.text("sasl-oauth-tenant-id"));
  if (given !== "" || tenant === "") return given;
  return `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`;
}
