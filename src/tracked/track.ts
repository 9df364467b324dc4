import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import { type ActionNames, define, type TrackOptions } from "./definition.js";
import { reducerOf } from "./history.js";
import { checkedMutations } from "./mutations.js";
import { operations } from "./operations.js";
import type { ColumnKey } from "./row-data.js";
import type { TrackedTable } from "./tracked-table.js";

/**
 * A table whose rows change together with the log: each call is a row or several and their events in the caller's
 * transaction, all or nothing. What writes to the table by other ways, cascades of foreign keys and triggers on other rows
 * among them, is not seen.
 *
 * Each call is safe to retry with the same `idempotencyKey`: a call that was answered with events is answered with them
 * again, and no row is changed a second time.
 *
 * @throws InputError `INVALID_TABLE` (no Drizzle table, or one without a primary key), `INVALID_OPTIONS`,
 * `UNKNOWN_FIELD`, `INVALID_FUNCTION`, `INVALID_ACTION`.
 */
export function track<
  T extends SQLiteTable,
  const O extends ColumnKey<T> = never,
  const N extends Partial<ActionNames> = object,
>(table: T, options: TrackOptions<T, O, N>): TrackedTable<T, O, N> {
  const definition = define(table, options);
  const methods = Object.entries(operations).map(([name, operation]) => {
    const method = operation as (...args: unknown[]) => unknown;
    return [name, (...args: unknown[]) => method(definition, ...args)];
  });
  return {
    table,
    ...Object.fromEntries(methods),
    mutations: (before: unknown, after: unknown) => checkedMutations(definition, before, after),
    reducer: reducerOf(definition.actions),
  } as TrackedTable<T, O, N>;
}
