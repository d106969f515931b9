/**
 * Tokens by which InfluxDB's subscriptions prove that they were created by us: the password of the user
 * `~subscriber` in a subscription's destination.
 *
 * Whoever keeps the subscriptions grants and revokes them; here they are stored, listed and checked. A token is
 * kept as it is, because it stands in InfluxDB in clear text too and must be comparable with what is found there.
 * Source: storage-and-influx §3.2, §3.3.
 */

import { jsonKind, type Kind, put, remove, StorageError, type Store } from "#storage/store.ts";
import { SUBSCRIPTION_TOKEN_LENGTH_MAX, SUBSCRIPTION_TOKENS_MAX } from "./limits.ts";

/** The token is the key; the value says nothing more. */
export const subscriptionTokenKind: Kind<true> = jsonKind("subscription_tokens", (input) => {
  if (input !== true) throw new StorageError("stored subscription token of unknown form");
  return input;
});

export class SubscriptionTokenStore {
  readonly #store: Store;
  readonly #tokens: Set<string>;

  /** Reads all tokens. Throws `StorageError`. */
  constructor(store: Store) {
    this.#store = store;
    const rows = store.table(subscriptionTokenKind).entries();
    this.#tokens = new Set(rows.map(([token]) => token));
  }

  list(): readonly string[] {
    return [...this.#tokens];
  }

  has(token: string): boolean {
    return this.#tokens.has(token);
  }

  /** Makes a token valid; durable when it resolves. Throws `Error` for one too long or one too many. */
  async grant(token: string): Promise<void> {
    if (this.#tokens.has(token)) return;
    if (token === "" || token.length > SUBSCRIPTION_TOKEN_LENGTH_MAX)
      throw new Error(
        `a subscription token must have 1 to ${SUBSCRIPTION_TOKEN_LENGTH_MAX} characters`,
      );
    if (this.#tokens.size >= SUBSCRIPTION_TOKENS_MAX)
      throw new Error(`at most ${SUBSCRIPTION_TOKENS_MAX} subscription tokens are kept`);
    await this.#store.commit([put(subscriptionTokenKind, token, true)]);
    this.#tokens.add(token);
  }

  /** Makes a token worthless at once, and for good when it resolves. */
  async revoke(token: string): Promise<void> {
    if (!this.#tokens.delete(token)) return;
    await this.#store.commit([remove(subscriptionTokenKind, token)]);
  }
}
