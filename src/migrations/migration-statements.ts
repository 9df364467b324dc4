import { getTableName } from "drizzle-orm";
import { checkedOptions } from "../input-error.js";
import { tableOf } from "../table.js";
import type { MigrationOptions } from "./check-log.js";
import { statementsOf } from "./definition.js";
import { MIGRATIONS } from "./sql.js";

/** The SQL of a log, for a tool that applies it and keeps account of it itself. */
export function migrationStatements(options?: MigrationOptions): string[] {
  const table = getTableName(tableOf(checkedOptions(options)));
  return MIGRATIONS.flatMap((migration) => statementsOf(migration, table));
}
