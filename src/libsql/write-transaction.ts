import type { Client } from "@libsql/client";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import { InputError, shapeOf } from "../input-error.js";
import { nextTurn } from "../wait.js";

export type LibsqlDatabase<S extends Record<string, unknown> = Record<string, never>> = LibSQLDatabase<S> & {
  $client: Client;
};

/** As `db.transaction` passes it on. */
export type LibsqlTransaction<S extends Record<string, unknown> = Record<string, never>> = Parameters<
  Parameters<LibSQLDatabase<S>["transaction"]>[0]
>[0];

export interface WriteOptions {
  /** How long to wait for the turn and for other processes, in milliseconds. Default 10,000. */
  deadline?: number;
  /** Stops the waiting; it does not cut a transaction short. */
  signal?: AbortSignal;
}

/** The database stayed busy until the deadline. Nothing was written; `cause` is the last refusal. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
  readonly code = "DEADLINE";

  constructor(
    readonly deadline: number,
    cause?: unknown,
  ) {
    super(`The write did not get its turn within ${deadline} ms.`, { cause });
  }
}

export const DEADLINE = 10_000;

// By the client of a database, one that only `writeTransaction` uses: it may be reconnected at any time, which
// would tear other open transactions out of the hands of their owners, locks and all.
export const writers = new WeakMap<Client, unknown>();

/**
 * Runs `write` in an immediate transaction, one at a time per client in the order of the calls. While another
 * process holds the database, the *whole* function is run again after a short, random pause: it must have no
 * effect outside the transaction. Not to be called from inside `write`: it would wait for itself.
 *
 * On a database that `openLibsql` did not open, waiting for another process reconnects its client, which ends
 * other transactions that are open on it.
 *
 * @throws DeadlineError nothing was written.
 * @throws the signal's reason if it aborts while waiting; whatever `write` throws, after a rollback.
 */
export async function writeTransaction<S extends Record<string, unknown>, T>(
  db: LibsqlDatabase<S>,
  write: (tx: LibsqlTransaction<S>) => Promise<T>,
  { deadline = DEADLINE, signal }: WriteOptions = {},
): Promise<T> {
  if (!Number.isSafeInteger(deadline) || deadline < 0) {
    throw new InputError(
      "INVALID_DEADLINE",
      "deadline",
      `must be whole milliseconds, got ${shapeOf(deadline)}`,
    );
  }
  const writer = (writers.get(db.$client) as LibsqlDatabase<S> | undefined) ?? db;
  const client = writer.$client;
  const wait = patience(deadline, signal);
  const leave = await takeTurn(client, wait);
  try {
    let begun = false;
    const attempt = () =>
      writer.transaction((tx) => {
        begun = true;
        return write(tx);
      });
    return await untilFree(client, attempt, wait, () => begun);
  } finally {
    // Not at once: a queue of writes that each block the event loop for a while must not add up to one block.
    setImmediate(leave);
  }
}

interface Patience {
  deadline: number;
  /** When the deadline is, by `performance.now`. */
  end: number;
  signal: AbortSignal | undefined;
}

export function patience(deadline: number, signal?: AbortSignal): Patience {
  return { deadline, end: performance.now() + deadline, signal };
}

const queues = new WeakMap<Client, Promise<void>>();

/** Waits for all earlier turns on this client to end; the caller ends its own by the function it gets. */
async function takeTurn(client: Client, { end, deadline, signal }: Patience): Promise<() => void> {
  let leave!: () => void;
  const mine = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const earlier = queues.get(client) ?? Promise.resolve();
  queues.set(
    client,
    earlier.then(() => mine),
  );
  try {
    if (!(await settlesBefore(earlier, end, signal))) throw new DeadlineError(deadline);
  } catch (error) {
    leave();
    throw error;
  }
  return leave;
}

export async function untilFree<T>(
  client: Client,
  attempt: () => Promise<T>,
  { end, deadline, signal }: Patience,
  begun = () => false,
): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const code = libsqlCode(error);
      // Of a database with one connection: it is in use, or `write` itself uses `db` where it should use `tx`.
      const isTaken = code === "TRANSACTION_ACTIVE" && !begun();
      if (code !== "SQLITE_BUSY" && !isTaken) throw error;
      if (code === "SQLITE_BUSY" && client.protocol === "file" && (await isOnDisk(client))) {
        // A connection that was refused keeps the failed statement open, and later answers OK to autocommit
        // writes that it never commits (libsql-client-ts #352): all are opened anew. In a turn of the event
        // loop of its own, when no statement of another task is under way.
        await nextTurn();
        await client.reconnect();
      }
      const pause = performance.now() + 5 + Math.random() * 45;
      await settlesBefore(new Promise(() => {}), Math.min(pause, end), signal);
      if (performance.now() >= end) throw new DeadlineError(deadline, error);
    }
  }
}

/** Whether the promise settles before `end`. Throws the signal's reason when it aborts first. */
function settlesBefore(
  promise: Promise<unknown>,
  end: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const abort = () => finish(() => reject(signal?.reason));
    const timer = setTimeout(() => finish(() => resolve(false)), Math.max(0, end - performance.now()));
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      settle();
    };
    if (signal?.aborted) return abort();
    signal?.addEventListener("abort", abort);
    promise.then(() => finish(() => resolve(true)));
  });
}

/** The code of the libsql error behind an error: Drizzle wraps those of its queries. */
export function libsqlCode(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    if ("code" in e && typeof e.code === "string")
      return e.code.startsWith("SQLITE_BUSY") ? "SQLITE_BUSY" : e.code;
  }
  return undefined;
}

export async function isOnDisk(client: Client): Promise<boolean> {
  const { rows } = await client.execute("PRAGMA database_list");
  return rows[0]?.file !== "";
}
