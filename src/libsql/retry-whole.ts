import { type Client, LibsqlError } from "@libsql/client";
import { DeadlineError } from "../deadline-error.js";
import { clearTimeout, monotonicNow, setImmediate, setTimeout } from "../real-time.js";
import { nextTurn } from "../wait.js";
import type { LibsqlDatabase } from "./database.js";
import type { Patience } from "./patience.js";

/** The last turn on each client. */
const turns = new WeakMap<Client, Promise<void>>();

/**
 * Runs the function in a transaction on a client that does not wait by itself, in turn with others that do it this
 * way; again from the beginning as long as the database is busy.
 */
export async function retryWhole<T>(
  db: LibsqlDatabase<any>,
  write: (tx: any) => Promise<T>,
  patience: Patience,
): Promise<T> {
  const leave = await takeTurn(db.$client, patience);
  try {
    let hasBegun = false;
    const attempt = () =>
      db.transaction((tx) => {
        hasBegun = true;
        return write(tx);
      });
    return await untilFree(db.$client, attempt, patience, () => hasBegun);
  } finally {
    // Not at once: a queue of writes that each block the event loop for a while must not add up to one block.
    setImmediate(leave);
  }
}

/** Waits for all earlier turns on this client to end; the caller ends its own by the function it gets. */
async function takeTurn(client: Client, { end, deadline, signal }: Patience): Promise<() => void> {
  let leave!: () => void;
  const mine = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const earlier = turns.get(client) ?? Promise.resolve();
  turns.set(
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

async function untilFree<T>(
  client: Client,
  attempt: () => Promise<T>,
  { end, deadline, signal }: Patience,
  hasBegun: () => boolean,
): Promise<T> {
  for (;;) {
    // What waits must not open a client again that was closed meanwhile.
    if (client.closed) throw new LibsqlError("The client is closed", "CLIENT_CLOSED");
    try {
      return await attempt();
    } catch (error) {
      const code = codeOf(error);
      // Of a database with one connection: it is in use, or `write` itself uses `db` where it should use `tx`.
      const isTaken = code === "TRANSACTION_ACTIVE" && !hasBegun();
      if (code !== "SQLITE_BUSY" && !isTaken) throw error;
      if (
        code === "SQLITE_BUSY" &&
        client.protocol === "file" &&
        !client.closed &&
        (await isOnDisk(client))
      ) {
        // A connection that was refused keeps the failed statement open, and later answers OK to autocommit
        // writes that it never commits (libsql-client-ts #352): all are opened anew. In a turn of the event
        // loop of its own, when no statement of another task is under way.
        await nextTurn();
        if (!client.closed) await client.reconnect();
      }
      const pause = monotonicNow() + 5 + Math.random() * 45;
      await settlesBefore(new Promise(() => {}), Math.min(pause, end), signal);
      if (monotonicNow() >= end) throw new DeadlineError(deadline, error);
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
    const timer = setTimeout(() => finish(() => resolve(false)), Math.max(0, end - monotonicNow()));
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

/** The code of the libsql error behind an error: Drizzle wraps those of its queries, once. */
export function codeOf(error: unknown): string | undefined {
  let depth = 0;
  for (let e = error; e instanceof Error && depth < 8; e = e.cause, depth++) {
    if (!("code" in e) || typeof e.code !== "string") continue;
    return e.code.startsWith("SQLITE_BUSY") ? "SQLITE_BUSY" : e.code;
  }
  return undefined;
}

async function isOnDisk(client: Client): Promise<boolean> {
  const { rows } = await client.execute("PRAGMA database_list");
  return rows[0]?.file !== "";
}
