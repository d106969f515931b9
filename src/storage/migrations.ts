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
  { version: 2, name: "states and completions in the order of their keys", up: orderByKey },
];

function orderByKey(database: Database): void {
  for (const table of ["topic_events", "alert_completions"]) {
    const find = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?";
    if (database.query(find).get(table) === null) continue;
    database.run(`ALTER TABLE "${table}" RENAME TO "${table}_old"`);
    database.run(
      `CREATE TABLE "${table}" (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID`,
    );
    database.run(`INSERT INTO "${table}" SELECT key, value FROM "${table}_old" ORDER BY key`);
    database.run(`DROP TABLE "${table}_old"`);
  }
}

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
