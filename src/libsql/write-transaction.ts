import type { AnySchema, LibsqlDatabase, LibsqlTransaction } from "./database.js";
import { withHandedOver } from "./hand-over.js";
import { LocalClient } from "./local-client.js";
import { checkedWriteOptions, DEADLINE, patienceOf, type WriteOptions } from "./patience.js";
import { retryWhole } from "./retry-whole.js";

/**
 * `db.transaction` with a deadline and a signal, on any libsql database: one at a time, in the order of the calls.
 *
 * On a file that `openLibsql` opened, `write` runs once, and an error of its own is thrown on as it is. Elsewhere,
 * while the database is busy, the *whole* function is run again after a short, random pause: it must have no
 * effect outside the transaction. A client of `createClient` on a file is reconnected, which ends other
 * transactions that are open on it.
 *
 * Not to be called from inside `write`: it would wait for itself, until the deadline.
 *
 * @throws DeadlineError nothing was written.
 * @throws InputError `INVALID_DEADLINE`, `INVALID_SIGNAL`, `INVALID_OPTIONS`.
 * @throws the signal's reason if it aborts while waiting; whatever `write` throws, after a rollback.
 */
export async function writeTransaction<S extends AnySchema, T>(
  db: LibsqlDatabase<S>,
  write: (tx: LibsqlTransaction<S>) => Promise<T>,
  options?: WriteOptions,
): Promise<T> {
  const { deadline, signal } = checkedWriteOptions(options);
  signal?.throwIfAborted();
  const client = db.$client;
  if (!(client instanceof LocalClient)) {
    return retryWhole(db, write, patienceOf(deadline ?? DEADLINE, signal));
  }
  const patience = patienceOf(deadline ?? client.deadline, signal);
  return withHandedOver({ patience }, () => db.transaction(write));
}
