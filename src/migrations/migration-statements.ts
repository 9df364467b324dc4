import { type MigrationOptions, namesOf } from "./check-log.js";
import { statementsOf } from "./definition.js";
import { MIGRATIONS } from "./sql.js";

/** The SQL of a log and of its consumers, for a tool that applies it and keeps account of it itself. */
export function migrationStatements(options?: MigrationOptions): string[] {
  const names = namesOf(options);
  return MIGRATIONS.flatMap((migration) => statementsOf(migration, names));
}
