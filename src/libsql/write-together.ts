import { type Client, LibsqlError } from "@libsql/client";
import { DeadlineError } from "../deadline-error.js";
import { clearTimeout, monotonicNow, setTimeout } from "../real-time.js";
import type { AnySchema, LibsqlDatabase, LibsqlTransaction } from "./database.js";
import { withHandedOver } from "./hand-over.js";
import { LibsqlFileError } from "./libsql-file-error.js";
import { LocalClient } from "./local-client.js";
import type { LocalTransaction } from "./local-transaction.js";
import { type Patience, patienceOf } from "./patience.js";
import { writeTransaction } from "./write-transaction.js";

interface Write {
  write: (tx: LibsqlTransaction<any>) => Promise<unknown>;
  patience: Patience;
  resolve: (answer: any) => void;
  reject: (error: unknown) => void;
}

type Outcome = { value: unknown; isEnd?: false } | { error: unknown; isEnd?: boolean };

/** A group in one transaction. */
interface Attempt {
  group: Write[];
  /** Of those that have run, the first of the group. */
  outcomes: Outcome[];
  hasBegun: boolean;
  /** Whatever fails now is the commit. */
  hasRun: boolean;
}

// No write joins a transaction that has run for this long, in milliseconds: it holds up the event loop, and the
// answers of those that are in it.
const LONG = 10;
/** A function that has not settled after so many milliseconds is left out. */
const SETTLE = 5_000;
const SAVEPOINT = "event_log_shared";

/** The writes that go into the next transaction, by the client of their database. */
const gathering = new WeakMap<Client, Write[]>();

/**
 * `writeTransaction` for many short writes at once. Those that wait for their turn share one transaction, and so one
 * commit: most of what a small write takes, where it waits for the disk (group commit; DeWitt et al., "Implementation
 * Techniques for Main Memory Database Systems", 1984).
 *
 * Each is all or nothing by itself, and is answered when the commit is done. In the transaction they run one
 * after another, each seeing what those before it wrote; what throws takes back its own writes only. Where one ends
 * the transaction, does not settle within 5 seconds, or makes the commit fail by a constraint, the others run again
 * without it. So `write` must have no effect outside the transaction, and has to await everything it starts in it.
 * One that takes long holds up the answers of others.
 *
 * On a database that is not a file opened by `openLibsql`, it is `writeTransaction`.
 *
 * @throws DeadlineError nothing was written: the write had waited for the deadline of `openLibsql`, from the call.
 * @throws LibsqlFileError `WRITE_UNSETTLED`, `COMMIT_IN_SHARED`.
 * @throws whatever `write` throws, after a rollback; a failure of the commit, such as a full disk, is thrown to
 * all that share it.
 */
export function writeTogether<S extends AnySchema, T>(
  db: LibsqlDatabase<S>,
  write: (tx: LibsqlTransaction<S>) => Promise<T>,
): Promise<T> {
  const client = db.$client;
  if (!(client instanceof LocalClient)) return writeTransaction(db, write);
  return new Promise<T>((resolve, reject) => {
    const group = gathering.get(client) ?? [];
    group.push({ write, patience: patienceOf(client.deadline), resolve, reject });
    if (group.length > 1) return;
    gathering.set(client, group);
    commitTogether(db, group);
  });
}

function commitTogether(db: LibsqlDatabase<any>, group: Write[]): void {
  const attempt: Attempt = { group, outcomes: [], hasBegun: false, hasRun: false };
  const { outcomes } = attempt;
  let transaction!: LocalTransaction;
  const close = () => {
    if (gathering.get(db.$client) === group) gathering.delete(db.$client);
  };
  const begun = (it: LocalTransaction) => {
    transaction = it;
    transaction.isShared = true;
    attempt.hasBegun = true;
    close();
  };
  const runAll = async (tx: LibsqlTransaction<any>) => {
    const end = monotonicNow() + LONG;
    const bound = new Bound();
    try {
      for (const { write } of group) {
        const outcome = await runOne(transaction, () => write(tx), bound);
        outcomes.push(outcome);
        if (outcome.isEnd) throw outcome.error;
        if (monotonicNow() > end) break;
      }
    } finally {
      bound.end();
    }
    const rest = group.splice(outcomes.length);
    if (rest.length > 0) commitTogether(db, rest);
    attempt.hasRun = true;
  };
  const { patience } = group[0]!; // the first that was called
  withHandedOver({ patience, begun }, () => db.transaction(runAll)).then(
    () => answer(attempt),
    (error) => {
      close();
      for (const again of fail(attempt, error)) if (again.length > 0) commitTogether(db, again);
    },
  );
}

/** Runs one function, and takes back what it wrote if it fails. */
async function runOne(
  transaction: LocalTransaction,
  write: () => Promise<unknown>,
  bound: Bound,
): Promise<Outcome> {
  try {
    transaction.control(`SAVEPOINT ${SAVEPOINT}`);
    const value = await bound.settled(write);
    transaction.control(`RELEASE ${SAVEPOINT}`);
    return { value };
  } catch (error) {
    // What it still does may come at any time, so nobody else can go on in this transaction.
    if (bound.isPassed || transaction.closed) return { error, isEnd: true };
    transaction.control(`ROLLBACK TO ${SAVEPOINT}; RELEASE ${SAVEPOINT}`);
    return { error };
  }
}

/** How long each of the functions that run one after another may take. One timer for all of them. */
class Bound {
  isPassed = false;
  #cutOff = (_error: Error): void => {};
  #timer = setTimeout(() => {
    this.isPassed = true;
    this.#cutOff(new LibsqlFileError("WRITE_UNSETTLED"));
  }, SETTLE);

  settled(write: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#timer.refresh();
      this.#cutOff = reject;
      write().then(resolve, reject);
    });
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

function answer({ group, outcomes }: Attempt): void {
  for (const [i, outcome] of outcomes.entries()) {
    const { resolve, reject } = group[i]!;
    if ("error" in outcome) reject(outcome.error);
    else resolve(outcome.value);
  }
}

/** Tells those whose failure it was, and answers with the groups that run again. Nothing was committed. */
function fail({ group, outcomes, hasBegun, hasRun }: Attempt, error: unknown): Write[][] {
  const innocent = group.filter((write, i) => {
    const outcome = outcomes[i];
    if (outcome && "error" in outcome) write.reject(outcome.error);
    return !(outcome && "error" in outcome);
  });
  if (hasBegun && !hasRun) return [innocent];
  const now = monotonicNow();
  const isLate = !hasBegun && error instanceof DeadlineError;
  if (isLate && innocent.some(({ patience }) => patience.end > now)) {
    for (const { patience, reject } of innocent) if (patience.end <= now) reject(error);
    return [innocent.filter(({ patience }) => patience.end > now)];
  }
  // Which of them violates a deferred constraint comes out only when each is alone.
  if (hasRun && innocent.length > 1 && error instanceof LibsqlError && error.code === "SQLITE_CONSTRAINT") {
    return [innocent.splice(0, innocent.length >> 1), innocent];
  }
  for (const { reject } of innocent) reject(error);
  return [];
}
