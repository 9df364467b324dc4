import { getTableName } from "drizzle-orm";
import { checkDatabase, type Database, type Result } from "../database.js";
import { checkedOptions } from "../input-error.js";
import type { LogProblem } from "../migration-error.js";
import type { EventsTable } from "../schema.js";
import { run, type Steps } from "../steps.js";
import { tableOf } from "../table.js";
import { definitionOf, problemsOf } from "./definition.js";
import { schemaRows } from "./state.js";

export interface MigrationOptions {
  /** The log's table; default `events`. */
  table?: EventsTable<any, any>;
}

export interface LogReport {
  ok: boolean;
  problems: LogProblem[];
}

/**
 * Whether the log's columns, checks, indexes and triggers are what this version of the package makes: `drizzle-kit
 * push`, and a migration that rebuilds the table, leave a log without triggers and say nothing. One small query, for
 * the start of an app or its health check. Another way of writing the same is no problem; nor are the app's own
 * triggers and plain indexes.
 */
export function checkLog<D extends Database>(db: D, options?: MigrationOptions): Result<D, LogReport> {
  checkDatabase(db);
  const table = getTableName(tableOf(checkedOptions(options)));
  return run(db, checking(db, table));
}

function* checking(db: Database, table: string): Steps<LogReport> {
  const problems = problemsOf(definitionOf(table), yield* schemaRows(db, table));
  return { ok: problems.length === 0, problems };
}
