/**
 * Tokens by which InfluxDB's subscriptions prove that they were created by us: the password of the user
 * `~subscriber` in a subscription's destination.
 *
 * Whoever keeps the subscriptions grants and revokes them; here they are stored, listed and checked. A token opens
 * writes to the database of its subscription. It is kept as it is, because it stands in InfluxDB in clear text too
 * and must be comparable with what is found there.
 * Source: storage-and-influx §3.2, §3.3.
 */

import { jsonKind, type Kind, put, remove, StorageError, type Store } from "#storage/store.ts";
import { SUBSCRIPTION_TOKEN_LENGTH_MAX, SUBSCRIPTION_TOKENS_MAX } from "./limits.ts";
import { type Permission, writeTo } from "./permissions.ts";

/** What a token opens: writes to one database; `true`, from before databases were kept, opens all. */
type Scope = { readonly database: string } | true;

/** The token is the key. */
export const subscriptionTokenKind: Kind<Scope> = jsonKind("subscription_tokens", (input) => {
  if (input === true) return input;
  const database: unknown = Object(input).database;
  if (typeof database === "string") return { database };
  throw new StorageError("stored subscription token of unknown form");
});

export class SubscriptionTokenStore {
  readonly #store: Store;
  readonly #tokens: Map<string, Scope>;

  /** Reads all tokens. Throws `StorageError`. */
  constructor(store: Store) {
    this.#store = store;
    this.#tokens = new Map(store.table(subscriptionTokenKind).entries());
  }

  list(): readonly string[] {
    return [...this.#tokens.keys()];
  }

  /** What whoever sends this token may do; none for a token that is not ours. */
  permission(token: string): Permission | undefined {
    const scope = this.#tokens.get(token);
    if (scope === undefined) return undefined;
    return scope === true ? "write_points" : writeTo(scope.database);
  }

  /**
   * Makes a token valid for writes to one database; durable when it resolves. Throws `Error` for one too long or
   * one too many.
   */
  async grant(token: string, database: string): Promise<void> {
    if (this.#tokens.has(token)) return;
    if (token === "" || token.length > SUBSCRIPTION_TOKEN_LENGTH_MAX)
      throw new Error(
        `a subscription token must have 1 to ${SUBSCRIPTION_TOKEN_LENGTH_MAX} characters`,
      );
    if (this.#tokens.size >= SUBSCRIPTION_TOKENS_MAX)
      throw new Error(`at most ${SUBSCRIPTION_TOKENS_MAX} subscription tokens are kept`);
    await this.#store.commit([put(subscriptionTokenKind, token, { database })]);
    this.#tokens.set(token, { database });
  }

  /** Makes a token worthless at once, and for good when it resolves. */
  async revoke(token: string): Promise<void> {
    if (!this.#tokens.delete(token)) return;
    await this.#store.commit([remove(subscriptionTokenKind, token)]);
  }
}
