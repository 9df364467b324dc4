import type { Client } from "@libsql/client";
import {
  type LibsqlDatabase,
  type LibsqlTransaction,
  libsqlCode,
  writers,
  writeTransaction,
} from "./write-transaction.js";

interface Write {
  write: (tx: LibsqlTransaction<any>) => Promise<unknown>;
  resolve: (answer: any) => void;
  reject: (error: unknown) => void;
}

// No write joins a transaction that has run for this long, in milliseconds: it holds up the event loop, and the
// answers of those that are in it.
const LONG = 10;

/** The writes that go into the next transaction, by the client of their database. */
const gathering = new WeakMap<Client, Write[]>();

/**
 * `writeTransaction` for many short writes at once: those that wait for their turn share one transaction, and so
 * one commit, which is most of what a small write takes where it waits for the disk (group commit; DeWitt et
 * al., "Implementation Techniques for Main Memory Database Systems", 1984).
 *
 * Each is all or nothing by itself, and is answered when the commit is done. In the transaction they run one
 * after another, each seeing what those before it wrote. When one throws, or the commit violates a constraint,
 * everything is rolled back and run again in two halves, until those that fail are alone: `write` must have no
 * effect outside the transaction, and has to await everything it starts in it. A write that takes long holds up
 * the answers of others.
 *
 * On a database that is not a file opened by `openLibsql`, it is `writeTransaction`.
 *
 * @throws DeadlineError nothing was written: the first of those that share had waited for 10 seconds.
 * @throws whatever `write` throws, after a rollback; a failure of the commit, such as a full disk, is thrown to
 * all that share it.
 */
export function writeTogether<S extends Record<string, unknown>, T>(
  db: LibsqlDatabase<S>,
  write: (tx: LibsqlTransaction<S>) => Promise<T>,
): Promise<T> {
  if (!writers.has(db.$client)) return writeTransaction(db, write);
  return new Promise<T>((resolve, reject) => {
    const group = gathering.get(db.$client) ?? [];
    group.push({ write, resolve, reject });
    if (group.length > 1) return;
    gathering.set(db.$client, group);
    commitTogether(db, group);
  });
}

function commitTogether(db: LibsqlDatabase<any>, group: Write[]): void {
  let thrown: { error: unknown } | undefined;
  const close = () => {
    if (gathering.get(db.$client) === group) gathering.delete(db.$client);
  };
  const runAll = async (tx: LibsqlTransaction<any>): Promise<unknown[]> => {
    close();
    const end = performance.now() + LONG;
    const answers: unknown[] = [];
    for (const { write } of group) {
      try {
        answers.push(await write(tx));
      } catch (error) {
        thrown = { error };
        throw error;
      }
      if (performance.now() > end) break;
    }
    const rest = group.splice(answers.length);
    if (rest.length > 0) commitTogether(db, rest);
    return answers;
  };
  writeTransaction(db, runAll).then(
    (answers) => {
      for (const [i, { resolve }] of group.entries()) resolve(answers[i]);
    },
    (error) => {
      close();
      // Only what surely was not committed may run again.
      const isUndone = (thrown && thrown.error === error) || libsqlCode(error) === "SQLITE_CONSTRAINT";
      if (group.length > 1 && isUndone) {
        const half = group.splice(group.length >> 1);
        commitTogether(db, group);
        commitTogether(db, half);
      } else {
        for (const { reject } of group) reject(error);
      }
    },
  );
}
