import type { BaseSQLiteDatabase, SQLiteTransaction } from "drizzle-orm/sqlite-core";

/** A Drizzle SQLite database or transaction, of any driver. */
export type Database = BaseSQLiteDatabase<any, any, any, any>;

/** A Drizzle SQLite transaction, of any driver. */
export type Transaction = SQLiteTransaction<any, any, any, any>;

/** A value on a synchronous driver, a promise of it on an asynchronous one. */
export type Result<D, T> = D extends { all(query: any): infer R }
  ? R extends PromiseLike<unknown>
    ? Promise<T>
    : T
  : never;

/**
 * Goes on with a query's outcome, at once on a synchronous driver. Not `async`/`await`: on a synchronous
 * driver an awaited step would run after the transaction has ended.
 */
export function andThen<T, U>(
  outcome: T | PromiseLike<T>,
  next: (value: T) => U | PromiseLike<U>,
): U | PromiseLike<U> {
  const pending = outcome as Partial<PromiseLike<T>> | null | undefined;
  return typeof pending?.then === "function" ? (outcome as PromiseLike<T>).then(next) : next(outcome as T);
}
