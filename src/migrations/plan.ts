import { type LogProblem, MigrationError } from "../migration-error.js";
import { type Definition, definitionOf, problemsOf, statementsOf } from "./definition.js";
import { MIGRATIONS, type Migration } from "./sql.js";
import type { LogState, Recorded } from "./state.js";

/** The name for the table in which Drizzle's `migrate` records this package's migrations. */
export const migrationsTable = "__event_log_migrations";

/** Each log has its own: Drizzle's migrators take a table of migrations for the whole truth of one folder. */
export function recordTableOf(table: string): string {
  return table === "events" ? migrationsTable : `${migrationsTable}_${table}`;
}

/** The statements that are missing, in order. */
export function planOf(table: string, state: LogState): string[] {
  const definition = definitionOf(table);
  if (state.recorded.some(isNewer)) return [];
  const pending = MIGRATIONS.filter((migration) => !state.recorded.some((row) => isOf(row, migration)));
  const problems = problemsOf(definition, state.rows);
  const isMissing = problems[0]?.kind === "table" && problems[0].problem === "missing";
  if (isMissing) return [...recordTable(table), ...applied(MIGRATIONS, table, state)];
  // Nothing recorded: the table is another tool's, such as drizzle-kit's.
  if (pending.length > 0 && state.recorded.length > 0) return applied(pending, table, state);
  return repairs(definition, problems);
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

function applied(migrations: readonly Migration[], table: string, { hasNames }: LogState): string[] {
  return migrations.flatMap((migration) => [
    ...statementsOf(migration, table),
    recorded(migration, recordTableOf(table), hasNames),
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
  const fatal = wrong.filter(({ kind }) => kind !== "index" && kind !== "trigger");
  if (fatal.length > 0) {
    const list = fatal.map(({ kind, name, problem }) => `${kind} ${name} is ${problem}`).join(", ");
    const message =
      `The table ${table} is not the log that this version of drizzle-event-log makes: ${list}. ` +
      "Migrate it with the tool that made it.";
    throw new MigrationError("LOG_DIFFERS", message, {}, fatal);
  }
  return wrong.flatMap(({ kind, name, problem }) => {
    const { sql } = made.find((statement) => statement.kind === kind && statement.name === name)!;
    return problem === "different" ? [`DROP ${kind.toUpperCase()} "${name}"`, sql] : [sql];
  });
}
