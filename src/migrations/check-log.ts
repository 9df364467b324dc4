import { getTableName } from "drizzle-orm";
import { checkDatabase, type Database, type Result } from "../database.js";
import { checkedOptions } from "../input-error.js";
import type { LogProblem } from "../migration-error.js";
import type { EventsTable } from "../schema.js";
import { run, type Steps } from "../steps.js";
import { type ConsumersOptions, consumersOf, tableOf } from "../table.js";
import { consumersProblems, definitionOf, type LogNames, problemsOf } from "./definition.js";
import { recordTableOf } from "./plan.js";
import { schemaRows } from "./state.js";

export interface MigrationOptions extends ConsumersOptions {
  /** The log's table; default `events`. */
  table?: EventsTable<any, any>;
}

export interface LogReport {
  ok: boolean;
  problems: LogProblem[];
}

export function namesOf(options: MigrationOptions | undefined): LogNames {
  const { table, consumers } = checkedOptions(options);
  const log = tableOf({ table });
  return { table: getTableName(log), consumers: getTableName(consumersOf(log, consumers)) };
}

/**
 * Whether the log's columns, checks, indexes and triggers are what this version of the package makes: `drizzle-kit
 * push`, and a migration that rebuilds the table, leave a log without triggers and say nothing. One small query, for
 * the start of an app or its health check. Another way of writing the same is no problem; nor are the app's own
 * triggers and indexes, but for a unique index and a trigger that passes over inserts by RAISE(IGNORE). The table of
 * consumers is looked at where this package's migrations made the log, and where you give it: another tool makes it only
 * if the app's schema has it.
 */
export function checkLog<D extends Database>(db: D, options?: MigrationOptions): Result<D, LogReport> {
  checkDatabase(db);
  const names = namesOf(options);
  return run(db, checking(db, names, checkedOptions(options).consumers !== undefined));
}

function* checking(db: Database, names: LogNames, isGiven: boolean): Steps<LogReport> {
  const record = recordTableOf(names.table);
  const rows = yield* schemaRows(db, [names.table, names.consumers, record]);
  const definition = definitionOf(names);
  const problems = problemsOf(definition, rows);
  if (isGiven || rows.some(({ table }) => table === record)) {
    problems.push(...consumersProblems(definition, rows));
  }
  return { ok: problems.length === 0, problems };
}
