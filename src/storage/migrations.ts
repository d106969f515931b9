/**
 * The schema of the database file, as a list of numbered steps.
 *
 * A kind's own table needs no step: it is created when missing. A step is for changes to what exists, such as a
 * renamed kind or values to be rewritten. Steps already released never change and numbers are never reused;
 * a file whose number is higher than ours comes from a newer program and is refused.
 */

import type { Database } from "bun:sqlite";

export interface Migration {
  /** 1, 2, 3 … without gaps. */
  readonly version: number;
  readonly name: string;
  /** Runs inside the transaction that also records the step. */
  up(database: Database): void;
}

/** Where the steps already taken are listed. */
export const MIGRATIONS_TABLE = "schema_migrations";

export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: "one table of key and value per kind", up: () => {} },
];

/** The schema this program writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** Takes the steps above `from` in order and records each; the caller holds the transaction. */
export function migrate(database: Database, from: number, nowText: string): void {
  database.run(
    `CREATE TABLE IF NOT EXISTS ${MIGRATIONS_TABLE}
       (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied TEXT NOT NULL)`,
  );
  for (const step of MIGRATIONS) {
    if (step.version <= from) continue;
    step.up(database);
    database.run(`INSERT INTO ${MIGRATIONS_TABLE} (version, name, applied) VALUES (?, ?, ?)`, [
      step.version,
      step.name,
      nowText,
    ]);
  }
  database.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
}
