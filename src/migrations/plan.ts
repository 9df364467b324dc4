import { type LogProblem, MigrationError } from "../migration-error.js";
import { namedStatement, wordsOf } from "./ddl.js";
import {
  consumersProblems,
  type Definition,
  definitionOf,
  type LogNames,
  problemsOf,
  statementsOf,
} from "./definition.js";
import { MIGRATIONS, type Migration } from "./sql.js";
import type { LogState, Recorded } from "./state.js";

/** The name for the table in which Drizzle's `migrate` records this package's migrations. */
export const migrationsTable = "__event_log_migrations";

/** Each log has its own: Drizzle's migrators take a table of migrations for the whole truth of one folder. */
export function recordTableOf(table: string): string {
  return table === "events" ? migrationsTable : `${migrationsTable}_${table}`;
}

/** The statements that are missing, in order. */
export function planOf(names: LogNames, state: LogState): string[] {
  const definition = definitionOf(names);
  if (state.recorded.some(isNewer)) return [];
  const pending = MIGRATIONS.filter((migration) => !state.recorded.some((row) => isOf(row, migration)));
  const problems = problemsOf(definition, state.rows);
  const isMissing = problems[0]?.kind === "table" && problems[0].problem === "missing";
  const isOurs = isMissing || state.recorded.length > 0;
  // Where another tool has made the log, it makes the table of consumers, too, if the app's schema has it.
  const ofConsumers = isOurs ? consumersProblems(definition, state.rows) : [];
  const lacksConsumers = ofConsumers[0]?.kind === "table" && ofConsumers[0].problem === "missing";
  if (!lacksConsumers) refuse(names.consumers, ofConsumers);
  if (isMissing) {
    const made = applied(MIGRATIONS, names, state);
    return [
      ...recordTable(names.table),
      ...(lacksConsumers ? made : made.filter((sql) => !isTable(sql, names.consumers))),
    ];
  }
  if (pending.length > 0 && isOurs) return applied(pending, names, state);
  return [...(lacksConsumers ? [definition.consumersTable.sql] : []), ...repairs(definition, problems)];
}

function isTable(sql: string, table: string): boolean {
  const { kind, name } = namedStatement(wordsOf(sql));
  return kind === "table" && name === table.toLowerCase();
}

/** Of a later version of this package, which another process may have: what it made is not to be undone. */
function isNewer({ createdAt }: Recorded): boolean {
  return createdAt >= MIGRATIONS.at(-1)!.createdAt + 1000;
}

function isOf(row: Recorded, { hash, createdAt }: Migration): boolean {
  // Drizzle 1.0 knows them by the second.
  return row.hash === hash || Math.floor(row.createdAt / 1000) === createdAt / 1000;
}

// As Drizzle 0.45 makes it: 0.45 does not mind what 1.0 adds, and 1.0 adds it to a table of 0.45.
function recordTable(table: string): string[] {
  const name = recordTableOf(table);
  return [
    `CREATE TABLE IF NOT EXISTS "${name}" (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)`,
  ];
}

function applied(migrations: readonly Migration[], names: LogNames, { hasNames }: LogState): string[] {
  return migrations.flatMap((migration) => [
    ...statementsOf(migration, names),
    recorded(migration, recordTableOf(names.table), hasNames),
  ]);
}

function recorded({ hash, createdAt, name }: Migration, recordTable: string, hasNames: boolean): string {
  const [columns, values] = hasNames
    ? ["hash, created_at, name, applied_at", `, '${name}', strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`]
    : ["hash, created_at", ""];
  return `INSERT INTO "${recordTable}" (${columns}) SELECT '${hash}', ${createdAt}${values}
    WHERE NOT EXISTS (SELECT 1 FROM "${recordTable}" WHERE hash = '${hash}')`;
}

/** Indexes and triggers hold nothing of their own: they can be made anew. */
function repairs({ table, made }: Definition, problems: readonly LogProblem[]): string[] {
  const wrong = problems.filter(({ problem }) => problem !== "unknown");
  refuse(
    table,
    wrong.filter(({ kind }) => kind !== "index" && kind !== "trigger"),
  );
  return wrong.flatMap(({ kind, name, problem }) => {
    const { sql } = made.find((statement) => statement.kind === kind && statement.name === name)!;
    return problem === "different" ? [`DROP ${kind.toUpperCase()} "${name}"`, sql] : [sql];
  });
}

/** What cannot be made right without losing what the table holds. */
function refuse(table: string, fatal: readonly LogProblem[]): void {
  if (fatal.length === 0) return;
  const list = fatal.map(({ kind, name, problem }) => `${kind} ${name} is ${problem}`).join(", ");
  const message =
    `The table ${table} is not the one that this version of drizzle-event-log makes: ${list}. ` +
    "Migrate it with the tool that made it, or give the log's tables other names.";
  throw new MigrationError("LOG_DIFFERS", message, {}, fatal);
}
