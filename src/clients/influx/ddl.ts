/** Texts of the statements sent to InfluxDB besides SELECT; exact, since people read them in its logs. */

import { quoteIdent, quoteString } from "./ident.ts";

export const SHOW_DATABASES = "SHOW DATABASES";
export const SHOW_SUBSCRIPTIONS = "SHOW SUBSCRIPTIONS";

export function showRetentionPolicies(db: string): string {
  return `SHOW RETENTION POLICIES ON ${quoteIdent(db)}`;
}

/** With a retention policy named, or with InfluxDB's default one when `rp` is empty. */
export function createDatabase(db: string, rp: string): string {
  const text = `CREATE DATABASE ${quoteIdent(db)}`;
  return rp === "" ? text : `${text} WITH NAME ${quoteIdent(rp)}`;
}

/** Which subscription of which database and retention policy. */
export interface SubscriptionName {
  readonly db: string;
  readonly rp: string;
  readonly name: string;
}

/** `mode` is ANY or ALL; at least one destination. */
export function createSubscription(
  which: SubscriptionName,
  mode: string,
  destinations: readonly string[],
): string {
  const targets = destinations.map(quoteString).join(", ");
  return `CREATE SUBSCRIPTION ${place(which)} DESTINATIONS ${mode} ${targets}`;
}

export function dropSubscription(which: SubscriptionName): string {
  return `DROP SUBSCRIPTION ${place(which)}`;
}

function place({ db, rp, name }: SubscriptionName): string {
  return `${quoteIdent(name)} ON ${quoteIdent(db)}.${quoteIdent(rp)}`;
}
