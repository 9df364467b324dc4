import type { BaseSQLiteDatabase, SQLiteTransaction } from "drizzle-orm/sqlite-core";
import { InputError, reading, shapeOf } from "./input-error.js";

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

/** What `run` answers, as far as the driver tells. */
export type RunResult =
  | { lastInsertRowid?: number | bigint; rowsAffected?: number; changes?: number }
  | undefined;

export function checkDatabase(db: unknown): asserts db is Database {
  const isDatabase = reading("db", () => {
    const { values, run, insert } = Object(db) as Partial<Database>;
    return [values, run, insert].every((method) => typeof method === "function");
  });
  if (!isDatabase) {
    throw new InputError("NOT_A_DATABASE", "db", `must be a Drizzle SQLite database, got ${shapeOf(db)}`);
  }
}

export function checkTransaction(tx: unknown): asserts tx is Transaction {
  // A synchronous driver's transaction is over when its callback first awaits; some drivers can tell.
  const isOpen = reading("tx", () => {
    const { rollback, session } = Object(tx) as { rollback?: unknown; session?: { client?: unknown } };
    const { inTransaction } = Object(session?.client) as { inTransaction?: unknown };
    return typeof rollback === "function" && inTransaction !== false;
  });
  if (!isOpen) {
    throw new InputError(
      "NOT_A_TRANSACTION",
      "tx",
      "must be a transaction in progress, from db.transaction((tx) => …)",
    );
  }
}
