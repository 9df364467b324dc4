import { sql } from "drizzle-orm";
import { check, integer, type SQLiteTableWithColumns, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { Column, Integer, NotAnAlias, Text } from "./events-table.js";
import { checkTableName } from "./table-name.js";

/** A table of named consumers; its type names the table. */
export type ConsumersTable<N extends string = string> = SQLiteTableWithColumns<
  { name: N; schema: undefined; dialect: "sqlite"; columns: Columns<N> } & NotAnAlias
>;

type Columns<N extends string> = {
  name: Column<N, "name", Text, string, true, true, false>;
  /** The last event that it has applied or skipped, or that its filter has passed over; 0 for none. */
  seq: Column<N, "seq", Integer, number>;
  /** That event's id, NULL at seq 0. */
  id: Column<N, "id", Text, string, false>;
  /** How many events it was told to skip, since it began or was reset. */
  skipped: Column<N, "skipped", Integer, number>;
  /** The seq of the last of them. */
  lastSkipped: Column<N, "last_skipped", Integer, number, false>;
};

/**
 * The table of a log's consumers under another name. Without a name in `{ consumers }` that of a log `audit` is
 * `audit_consumers`. Export it at the top level of a schema file, where drizzle-kit finds it.
 *
 * @throws InputError `INVALID_TABLE_NAME` unless the name is `[A-Za-z_][A-Za-z0-9_]*`.
 */
export function createConsumersTable<const N extends string = "consumers">(name?: N): ConsumersTable<N>;
export function createConsumersTable(name = "consumers"): ConsumersTable<any> {
  checkTableName(name);
  return sqliteTable(
    name,
    {
      name: text("name").primaryKey().notNull(),
      seq: integer("seq").notNull(),
      id: text("id"),
      skipped: integer("skipped").notNull(),
      lastSkipped: integer("last_skipped"),
    },
    () => CHECKS.map(([column, rule]) => check(`${name}_${column}_check`, sql.raw(rule))),
  ) as unknown as ConsumersTable<any>;
}

const CHECKS: readonly [column: string, rule: string][] = [
  ["name", "length(name) between 1 and 255"],
  ["seq", "seq between 0 and 9007199254740991"],
  ["id", "(seq = 0) = (id is null)"],
  ["skipped", "skipped >= 0"],
];

/** Where each consumer of the log is: one row per name. */
export const consumers: ConsumersTable<"consumers"> = createConsumersTable();
