import { sql } from "drizzle-orm";
import type { Database } from "../database.js";
import { done, type Steps } from "../steps.js";
import { partsOf, wordsOf } from "./ddl.js";
import type { LogNames, SchemaRow } from "./definition.js";

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

/** These tables with their indexes and triggers. */
export function* schemaRows(db: Database, tables: readonly string[]): Steps<SchemaRow[]> {
  const query = sql`select tbl_name, type, name, sql from sqlite_master
    where sql is not null and lower(tbl_name) in (select lower(value) from json_each(${JSON.stringify(tables)}))`;
  const rows: [string, string, string, string][] = yield* done(db.values(query));
  // Rows of libsql can be indexed, not iterated.
  return rows.map((row) => ({ table: row[0], type: row[1], name: row[2], sql: row[3] }));
}

export function* logState(
  db: Database,
  { table, consumers }: LogNames,
  recordTable: string,
): Steps<LogState> {
  const all = yield* schemaRows(db, [table, consumers, recordTable]);
  const record = all.find((row) => row.table === recordTable);
  const rows = all.filter((row) => row.table !== recordTable);
  if (!record) return { rows, recorded: [], hasNames: false };
  const query = sql`select hash, created_at from ${sql.identifier(recordTable)}`;
  const records: [string, unknown][] = yield* done(db.values(query));
  const recorded = records.map((row) => ({ hash: row[0], createdAt: Number(row[1]) }));
  return { rows, recorded, hasNames: partsOf(wordsOf(record.sql)).columns.has("name") };
}
