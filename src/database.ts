import { InputError, reading, shapeOf } from "./input-error.js";

// The two majors of Drizzle give these classes different names. Asking for them, rather than importing them, is
// valid in both, so one build has the right types in either: those of the app's own drizzle-orm.
type Core = typeof import("drizzle-orm/sqlite-core");

/** Whether the app has Drizzle 1.0, not 0.45. */
export type IsDrizzle1 = Core extends { SQLiteAsyncDatabase: unknown } ? true : false;

/** A Drizzle SQLite database or transaction, of any driver. */
export type Database = Core extends { SQLiteAsyncDatabase: { prototype: infer D } }
  ? D
  : Core extends { BaseSQLiteDatabase: { prototype: infer D } }
    ? D
    : never;

/** A Drizzle SQLite transaction, of any driver. */
export type Transaction = Core extends { SQLiteAsyncTransaction: { prototype: infer X } }
  ? X
  : Core extends { SQLiteTransaction: { prototype: infer X } }
    ? X
    : never;

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

/** Whether its driver answers with values, not promises. */
export function isSync(db: Database): boolean {
  return Reflect.get(db, "resultKind") === "sync";
}

export function checkDatabase(db: unknown, field = "db"): asserts db is Database {
  if (!reading(field, () => hasMethods(db))) {
    throw new InputError("NOT_A_DATABASE", field, `must be a Drizzle SQLite database, got ${shapeOf(db)}`);
  }
}

function hasMethods(db: unknown): boolean {
  const { values, run, insert } = Object(db) as Partial<Database>;
  return [values, run, insert].every((method) => typeof method === "function");
}

export function checkTransaction(tx: unknown): asserts tx is Transaction {
  // A synchronous driver's transaction is over when its callback first awaits; some drivers can tell.
  const isOpen = reading("tx", () => {
    const { rollback, session } = Object(tx) as { rollback?: unknown; session?: { client?: unknown } };
    const { inTransaction } = Object(session?.client) as { inTransaction?: unknown };
    return typeof rollback === "function" && inTransaction !== false && hasMethods(tx);
  });
  if (!isOpen) {
    throw new InputError(
      "NOT_A_TRANSACTION",
      "tx",
      "must be a transaction in progress, from db.transaction((tx) => …)",
    );
  }
}
