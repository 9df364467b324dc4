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

/** What `run` answers, as far as the driver tells. */
export type RunResult =
  | { lastInsertRowid?: number | bigint; rowsAffected?: number; changes?: number }
  | undefined;

const turns = new WeakMap<Transaction, PromiseLike<unknown>>();

/**
 * Runs `work` when the earlier work on this transaction is done, failed or not: an append looks at the log and
 * then inserts, and of two through Promise.all the second must see what the first has inserted.
 */
export function inTurn<T>(tx: Transaction, work: () => T | PromiseLike<T>): T | PromiseLike<T> {
  const earlier = turns.get(tx);
  const outcome = earlier ? earlier.then(work, work) : work();
  if (isPending(outcome)) turns.set(tx, outcome);
  return outcome;
}

/**
 * Goes on with a query's outcome, at once on a synchronous driver. Not `async`/`await`: on a synchronous
 * driver an awaited step would run after the transaction has ended.
 */
export function andThen<T, U>(
  outcome: T | PromiseLike<T>,
  next: (value: T) => U | PromiseLike<U>,
): U | PromiseLike<U> {
  return isPending(outcome) ? outcome.then(next) : next(outcome);
}

/** What an attempt comes to; where it fails, what `recover` comes to. */
export function orElse<T>(
  attempt: () => T | PromiseLike<T>,
  recover: (error: unknown) => T | PromiseLike<T>,
): T | PromiseLike<T> {
  try {
    const outcome = attempt();
    return isPending(outcome) ? outcome.then(undefined, recover) : outcome;
  } catch (error) {
    return recover(error);
  }
}

export function isPending<T>(outcome: T | PromiseLike<T>): outcome is PromiseLike<T> {
  return typeof (outcome as Partial<PromiseLike<T>> | null | undefined)?.then === "function";
}
