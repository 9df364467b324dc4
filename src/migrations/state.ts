import { sql } from "drizzle-orm";
import type { Database } from "../database.js";
import { done, type Steps } from "../steps.js";
import { partsOf, wordsOf } from "./ddl.js";
import type { SchemaRow } from "./definition.js";

export interface Recorded {
  hash: string;
  createdAt: number;
}

/** What a database holds of a log. */
export interface LogState {
  rows: SchemaRow[];
  /** What the table of migrations says was applied. */
  recorded: Recorded[];
  /** Whether that table has the columns that Drizzle 1.0 adds. */
  hasNames: boolean;
}

/** The log's table, indexes and triggers. */
export function* schemaRows(db: Database, table: string): Steps<SchemaRow[]> {
  const query = sql`select type, name, sql from sqlite_master
    where sql is not null and (tbl_name = ${table} collate nocase)`;
  const rows: [string, string, string][] = yield* done(db.values(query));
  // Rows of libsql can be indexed, not iterated.
  return rows.map((row) => ({ type: row[0], name: row[1], sql: row[2] }));
}

export function* logState(db: Database, table: string, recordTable: string): Steps<LogState> {
  const rows = yield* schemaRows(db, table);
  const [record] = yield* schemaRows(db, recordTable);
  if (!record) return { rows, recorded: [], hasNames: false };
  const query = sql`select hash, created_at from ${sql.identifier(recordTable)}`;
  const records: [string, unknown][] = yield* done(db.values(query));
  const recorded = records.map((row) => ({ hash: row[0], createdAt: Number(row[1]) }));
  return { rows, recorded, hasNames: partsOf(wordsOf(record.sql)).columns.has("name") };
}
