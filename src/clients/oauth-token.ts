/**
 * Access tokens by OAuth 2.0 client credentials: fetched when needed, kept until shortly before they expire.
 */

import type { Clock } from "#lib/clock.ts";
import { parseJson } from "#lib/json.ts";
import { refusal, SendError, trouble, troubleText } from "./send-error.ts";

export interface OauthSettings {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scopes: readonly string[];
  /** Further members of the request, e.g. `audience`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** How long before its end a token is no longer used, ms. */
  readonly expiryMarginMs: number;
}

/** One request for a token, ms. */
const TOKEN_TIMEOUT_MS = 10_000;

/** Assumed when the answer names no time, s. */
const LIFETIME_DEFAULT_S = 60;

/** The longest answer read, characters. */
const ANSWER_MAX = 65_536;

export class OauthToken {
  readonly #settings: OauthSettings;
  readonly #clock: Clock;
  #kept: { readonly token: string; readonly until: number } | undefined;

  constructor(settings: OauthSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** A token that is good for now. Throws `SendError`; its text holds no secrets. */
  async get(): Promise<string> {
    const now = this.#clock.monoMs();
    if (this.#kept !== undefined && now < this.#kept.until) return this.#kept.token;
    const { token, lifetimeMs } = await this.#fetch();
    this.#kept = { token, until: now + lifetimeMs - this.#settings.expiryMarginMs };
    return token;
  }

  async #fetch(): Promise<{ readonly token: string; readonly lifetimeMs: number }> {
    const { tokenUrl, clientId, clientSecret, scopes, parameters } = this.#settings;
    const body = new URLSearchParams({ ...parameters, grant_type: "client_credentials" });
    if (scopes.length > 0) body.set("scope", scopes.join(" "));
    body.set("client_id", clientId);
    body.set("client_secret", clientSecret);
    const abort = new AbortController();
    const cancel = this.#clock.after(TOKEN_TIMEOUT_MS, () => abort.abort(new Error("timed out")));
    try {
      const answer = await fetch(tokenUrl, { method: "POST", body, signal: abort.signal });
      const text = (await answer.text()).slice(0, ANSWER_MAX);
      if (answer.ok) return tokenIn(text);
      const error = `the token server answered with status ${answer.status}`;
      throw answer.status === 429 || answer.status >= 500 ? trouble(error) : refusal(error);
    } catch (error) {
      if (error instanceof SendError) throw error;
      throw trouble(`no answer from the token server: ${troubleText(error)}`, error);
    } finally {
      cancel();
    }
  }
}

function tokenIn(text: string): { readonly token: string; readonly lifetimeMs: number } {
  const parsed = parseJson(text);
  const value: unknown = parsed.ok ? parsed.value : undefined;
  const answer = new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
  const token: unknown = answer.get("access_token");
  if (typeof token !== "string" || token === "") {
    throw refusal("the token server's answer holds no access_token");
  }
  const expires = Number(answer.get("expires_in") ?? LIFETIME_DEFAULT_S);
  return { token, lifetimeMs: (expires > 0 ? expires : LIFETIME_DEFAULT_S) * 1000 };
}
